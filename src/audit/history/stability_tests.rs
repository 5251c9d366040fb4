//! What was known at a past time never changes, whatever is recorded later.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;

use crate::{
    audit::{
        history::{
            CaseFile, History, ParkingOfCase, Question, build,
            samples::{Story, pom, provenance, utc},
        },
        render::{self, Format},
    },
    case::{CaseEvent, NameSource, OutcomeName},
};

/// One fact: what, when it occurred (minutes), how much later it is recorded (seconds).
#[derive(Debug, Clone)]
struct Happening {
    what: u8,
    minute: i64,
    recorded_after: i64,
}

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    let one = (0..9_u8, 0..600_i64, 0..90_i64).prop_map(|(what, minute, recorded_after)| Happening {
        what,
        minute,
        recorded_after,
    });
    proptest::collection::vec(one, 2..40)
}

/// Builds a case from the facts; several may be recorded at the same time.
fn tell(happenings: &[Happening]) -> CaseFile {
    let mut story = Story::new();
    let mut now = utc("2026-07-01T00:00:00Z");
    let text = |at: DateTime<Utc>| at.to_rfc3339();
    let mut open_write = None;
    for happening in happenings {
        now += TimeDelta::seconds(happening.recorded_after);
        let at = utc("2026-07-01T00:00:00Z") + TimeDelta::minutes(happening.minute);
        let recorded = text(now);
        match happening.what {
            0 | 1 => open_write = Some(story.allocated(&text(at), happening.minute % 3, &recorded)),
            2 => open_write = Some(story.deallocated(&text(at), &recorded)),
            3 => {
                story.superseded(&text(at), 9, &recorded);
            }
            4 => open_write = Some(story.dates(&text(at), Some("2027-03-01"), &recorded)),
            5 => match open_write.take() {
                Some(write) => {
                    story.outcome(write, OutcomeName::PomAllocated, &recorded);
                }
                None => {
                    let first = story.0.events.first().and_then(|stored| stored.event.provenance());
                    let message = first.map_or("m0".to_owned(), |provenance| provenance.message_id.clone());
                    story.received_again(&message, &recorded);
                }
            },
            6 => story.parked(&[("InvalidMessage", &recorded)]),
            7 => {
                if let Some(parked) = story.0.parked.last_mut() {
                    let first = parked.parkings[0].clone();
                    parked.parkings.push(ParkingOfCase {
                        reason: "ForeignDetailUrl".to_owned(),
                        at: now,
                        ..first
                    });
                }
            }
            _ => {
                let waiting = story.0.events.iter().find_map(|stored| match &stored.event {
                    CaseEvent::AllocationSuperseded { at, .. } => Some((stored.sequence, *at)),
                    _ => None,
                });
                if let Some((waiting, at)) = waiting {
                    let event = CaseEvent::PomAllocated {
                        provenance: provenance(&format!("m{waiting}"), at, at),
                        at,
                        pom: pom(9),
                        named_by: NameSource::Directory,
                        reflects: Some(waiting),
                        followed_by: None,
                    };
                    story.event(now, event);
                }
            }
        }
    }
    story.0
}

/// All that is answered, in every form; the time of asking is not part of the answer.
fn answer(file: &CaseFile, question: &Question) -> (History, String) {
    let mut history = build(file, question);
    history.asked_at = utc("2027-01-01T00:00:00Z");
    let csv = render::render(&history, Format::Csv).unwrap();
    (history, csv)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_was_known_at_a_time_never_changes_afterwards(
        happenings in happenings(),
        known in 0..2_000_i64,
        as_of in proptest::option::of(0..600_i64),
    ) {
        let known_at = utc("2026-07-01T00:00:00Z") + TimeDelta::seconds(known);
        let as_of = as_of.map(|minute| utc("2026-07-01T00:00:00Z") + TimeDelta::minutes(minute));
        let question = Question { known_at: Some(known_at), as_of, ..Question::default() };
        let whole = tell(&happenings);
        let answer_now = answer(&whole, &question);

        // At that very time the store held only what had been recorded by then.
        let mut then = whole.clone();
        then.events.retain(|stored| stored.recorded_at <= known_at);
        then.receipts.retain(|receipt| receipt.recorded_at <= known_at);
        then.parked.iter_mut().for_each(|parked| parked.parkings.retain(|parking| parking.at <= known_at));
        prop_assert_eq!(&answer(&then, &question), &answer_now);
        // And at that time, not fixing the time of knowing gave the same entries.
        let unfixed = Question { known_at: None, ..question };
        prop_assert_eq!(&answer(&then, &unfixed).0.entries, &answer_now.0.entries);
        prop_assert_eq!(&answer(&then, &unfixed).0.timeline, &answer_now.0.timeline);
    }

    #[test]
    fn every_instant_is_in_one_period_at_most_and_periods_touch(happenings in happenings()) {
        let history = build(&tell(&happenings), &Question::default());
        for pair in history.timeline.windows(2) {
            prop_assert!(pair[0].from < pair[1].from);
            prop_assert_eq!(pair[0].until, Some(pair[1].from));
        }
        prop_assert!(history.timeline.last().is_none_or(|last| last.until.is_none()));
    }
}
