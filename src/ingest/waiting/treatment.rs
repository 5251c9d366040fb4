//! What becomes of a message that was not accepted: how long it waits, or why it is parked. Pure.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    ingest::{
        accept::NotAccepted,
        route::{ParkReason, Parking},
    },
    retry::Backoff,
};

/// The first request and five more, within about two minutes.
pub const MAX_UNDOCUMENTED: i32 = 6;
/// So many faults of ours, then an operator has to look.
pub const MAX_FAULTS: i32 = 8;
/// A dependency that fails for one message alone, and answers others, has a day.
const LONGEST_ALONE: TimeDelta = TimeDelta::days(1);

/// While a dependency is down for everybody its breaker sets the pace; this one is for the few messages that fail before
/// it opens. Short enough that a message is accepted within half a minute after the end of an outage.
const OUTAGE: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));
const ALONE: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(300));
const UNDOCUMENTED: Backoff = Backoff::new(Duration::from_secs(5), Duration::from_secs(60));
const FAULT: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
const CONTENDED: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));

/// What has been tried for a message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct Attempts {
    /// All of them.
    pub attempts: i32,
    /// Those that ended with a fault of ours.
    pub faults: i32,
    /// Those that ended with an undocumented answer for this message alone.
    pub undocumented: i32,
    /// Since when a dependency fails for this message and answers others.
    pub alone_since: Option<DateTime<Utc>>,
}

/// What is known of the dependency beside this attempt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SeenDependency {
    /// It is down for everybody.
    pub is_down: bool,
    /// It answered others repeatedly while it failed for this message.
    pub answers_others: bool,
}

/// What becomes of the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Treatment {
    Wait { after: Duration },
    Park(Parking),
}

/// Counts one attempt that failed, and decides.
pub fn treat(
    attempts: &mut Attempts,
    failure: &NotAccepted,
    seen: SeenDependency,
    now: DateTime<Utc>,
) -> Treatment {
    if let NotAccepted::Again { after } = failure {
        return Treatment::Wait { after: *after };
    }
    attempts.attempts = attempts.attempts.saturating_add(1);
    let tries = attempts.attempts.unsigned_abs();
    match failure {
        NotAccepted::Unavailable { .. } => unavailable(attempts, failure, seen, now),
        // Whatever the answer is: while it comes for everybody, it says nothing about this message.
        NotAccepted::Undocumented { .. } | NotAccepted::Unknown { .. } if seen.is_down => {
            Treatment::Wait { after: OUTAGE.at_least_half(tries) }
        }
        NotAccepted::Undocumented { parking, .. } => {
            attempts.undocumented = attempts.undocumented.saturating_add(1);
            match attempts.undocumented {
                asked if asked >= MAX_UNDOCUMENTED => Treatment::Park(parking.clone()),
                asked => Treatment::Wait { after: UNDOCUMENTED.at_least_half(asked.unsigned_abs()) },
            }
        }
        NotAccepted::Contended(_) => Treatment::Wait { after: CONTENDED.after(tries) },
        NotAccepted::Fault(_) | NotAccepted::Unknown { .. } => {
            attempts.faults = attempts.faults.saturating_add(1);
            match attempts.faults {
                faults if faults >= MAX_FAULTS => {
                    Treatment::Park(ParkReason::Fault.because(failure.to_string()))
                }
                faults => Treatment::Wait { after: FAULT.at_least_half(faults.unsigned_abs()) },
            }
        }
        NotAccepted::Again { after } => Treatment::Wait { after: *after },
    }
}

/// An outage of a dependency lasts as long as it lasts. A fault of this one message has a day.
fn unavailable(
    attempts: &mut Attempts,
    failure: &NotAccepted,
    seen: SeenDependency,
    now: DateTime<Utc>,
) -> Treatment {
    let tries = attempts.attempts.unsigned_abs();
    if seen.answers_others && attempts.alone_since.is_none() {
        attempts.alone_since = Some(now);
    }
    match attempts.alone_since {
        Some(since) if !seen.is_down && now - since >= LONGEST_ALONE => {
            let detail =
                format!("for a day, for this message alone: {failure}; retry it once that is corrected");
            Treatment::Park(ParkReason::Unavailable.because(detail))
        }
        Some(_) => Treatment::Wait { after: ALONE.at_least_half(tries) },
        None => Treatment::Wait { after: OUTAGE.at_least_half(tries) },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::*;
    use crate::breakers::MPC;

    const ALL_WELL: SeenDependency = SeenDependency { is_down: false, answers_others: false };
    const DOWN: SeenDependency = SeenDependency { is_down: true, answers_others: false };
    const ITS_OWN: SeenDependency = SeenDependency { is_down: false, answers_others: true };

    fn down() -> NotAccepted {
        NotAccepted::Unavailable { dependency: MPC, reason: "500".into() }
    }

    fn undocumented() -> NotAccepted {
        let parking = ParkReason::UnexpectedStatus.because("status 403");
        NotAccepted::Undocumented { dependency: Some(MPC), answer: "403".into(), parking }
    }

    /// How the message ends after so many such attempts, and how long it waited for that.
    fn after(tries: usize, failure: &NotAccepted, seen: SeenDependency) -> (Treatment, Duration) {
        let (mut attempts, mut waited) = (Attempts::default(), Duration::ZERO);
        let mut now = "2026-07-01T09:00:00Z".parse().unwrap();
        for _ in 1..tries {
            match treat(&mut attempts, failure, seen, now) {
                Treatment::Wait { after } => {
                    waited += after;
                    now += after;
                }
                Treatment::Park(parking) => panic!("parked already: {parking:?}"),
            }
        }
        (treat(&mut attempts, failure, seen, now), waited)
    }

    fn parked(treatment: Treatment) -> ParkReason {
        match treatment {
            Treatment::Park(parking) => parking.reason,
            Treatment::Wait { .. } => panic!("it waits"),
        }
    }

    #[test]
    fn an_outage_lasts_as_long_as_it_lasts() {
        for seen in [DOWN, ALL_WELL] {
            for failure in [down(), undocumented()] {
                if seen == ALL_WELL && failure != down() {
                    continue;
                }
                let (treatment, _) = after(10_000, &failure, seen);
                assert!(matches!(treatment, Treatment::Wait { after } if after <= Duration::from_secs(30)));
            }
        }
    }

    #[test]
    fn what_fails_for_one_message_alone_is_parked_after_a_day_with_what_was_answered() {
        let mut attempts = Attempts::default();
        let start: DateTime<Utc> = "2026-07-01T09:00:00Z".parse().unwrap();
        for hour in 0..24 {
            let treatment = treat(&mut attempts, &down(), ITS_OWN, start + TimeDelta::hours(hour));
            assert!(matches!(treatment, Treatment::Wait { .. }), "after {hour} hours");
        }
        let tomorrow = start + TimeDelta::days(1);
        let outage = treat(&mut attempts.clone(), &down(), DOWN, tomorrow);
        assert!(matches!(outage, Treatment::Wait { .. }), "now it fails for everybody");
        let Treatment::Park(parking) = treat(&mut attempts, &down(), ITS_OWN, tomorrow) else { panic!() };
        assert_eq!(parking.reason, ParkReason::Unavailable);
        assert!(parking.detail.contains("500"), "{}", parking.detail);
    }

    #[test]
    fn an_undocumented_answer_for_one_message_is_asked_for_five_times_more_within_two_minutes() {
        let (treatment, waited) = after(6, &undocumented(), ALL_WELL);
        assert_eq!(parked(treatment), ParkReason::UnexpectedStatus);
        let expected = Duration::from_secs(60)..=Duration::from_secs(150);
        assert!(expected.contains(&waited), "{waited:?}");
    }

    #[test]
    fn a_fault_of_ours_is_parked_after_eight() {
        let unknown = NotAccepted::Unknown { dependency: MPC, reason: "SQLSTATE 42703".into() };
        for fault in [NotAccepted::Fault("it panicked".into()), unknown] {
            assert_eq!(parked(after(8, &fault, ALL_WELL).0), ParkReason::Fault);
        }
    }

    #[test]
    fn an_unknown_error_that_everybody_gets_is_an_outage() {
        let unknown = NotAccepted::Unknown { dependency: MPC, reason: "SQLSTATE XX000".into() };
        assert!(matches!(after(1000, &unknown, DOWN).0, Treatment::Wait { .. }));
    }

    #[test]
    fn what_competes_with_others_of_its_case_and_what_is_due_later_counts_as_nothing() {
        let contended = NotAccepted::Contended("others came first".into());
        assert!(matches!(after(1000, &contended, ALL_WELL).0, Treatment::Wait { .. }));
        let mut attempts = Attempts::default();
        let again = NotAccepted::Again { after: Duration::from_secs(30) };
        let treatment = treat(&mut attempts, &again, ALL_WELL, Utc::now());
        assert_eq!(
            (treatment, attempts),
            (Treatment::Wait { after: Duration::from_secs(30) }, Attempts::default())
        );
    }
}
