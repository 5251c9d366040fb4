//! Plain language for facts, writes and outcomes, for readers who do not know the event names.

use chrono::NaiveDate;

use crate::{
    audit::history::{Entry, Kind, Write},
    case::{CaseEvent, DeliusWrite, IdentityReason, NameSource, OutcomeName, Pom, RELEASED_BY, WriteState},
    london::{date, date_time},
};

fn pom(pom: &Pom) -> String {
    format!("{} {} (staff code {}), {}", pom.forename, pom.surname, pom.staff_code, pom.prison)
}

/// Both dates; either may be blank, and blank dates are published on purpose.
pub(crate) fn dates(start: Option<NaiveDate>, handover: Option<NaiveDate>) -> String {
    if start.is_none() && handover.is_none() {
        return "none (both blank)".to_owned();
    }
    let text = |value: Option<NaiveDate>| value.map_or_else(|| "none".to_owned(), date);
    format!("start {}, handover {}", text(start), text(handover))
}

/// What an event says, in one sentence without its final stop.
pub(crate) fn event(event: &CaseEvent) -> String {
    match event {
        CaseEvent::PomAllocated { pom: new, named_by, reflects, .. } => {
            let source = match (named_by, reflects) {
                (_, Some(position)) => {
                    format!("; reflects entry {position}, now that the name is known")
                }
                (NameSource::Directory, None) => "; name from our staff codes".into(),
                (NameSource::Answer, None) => String::new(),
            };
            format!("POM allocated: {}{source}", pom(new))
        }
        CaseEvent::PomDeallocated { .. } => "POM removed: nobody holds the case".into(),
        CaseEvent::AllocationNotReady { .. } => {
            "Not ready for allocation, says Manage POM Cases: nothing to write".into()
        }
        CaseEvent::AllocationSuperseded { prison, staff_code, .. } => format!(
            "POM with staff code {staff_code} allocated, {prison}, and replaced before we could ask for the \
             name: waits until the name is known"
        ),
        CaseEvent::HandoverDatesChanged { handover_date, handover_start_date, dry_run, .. } => {
            let run = if *dry_run { " (compared only: dry run)" } else { "" };
            format!("Handover dates: {}{run}", dates(*handover_start_date, *handover_date))
        }
        CaseEvent::HandoverNotFound { .. } => {
            "Manage POM Cases holds no handover dates: nothing to write".into()
        }
        CaseEvent::MessageNotApplicable { reason, .. } => format!("Message does not apply: {reason}"),
        CaseEvent::IdentifierLinked { crn, new_person, released, .. } => {
            let case = crn.as_ref().map_or_else(|| "A case".to_owned(), |crn| format!("Case {crn}"));
            let new = if *new_person { ", which belonged to another person before" } else { "" };
            format!("{case} got this NOMS number in Delius{new}: {}", again(released.len()))
        }
        CaseEvent::IdentityChanged { change, released, .. } => {
            let (from, to) = (&change.from, &change.to);
            let what = match change.reason {
                IdentityReason::NumberReplaced => format!("NOMS number {from} was replaced by {to}"),
                IdentityReason::PrisonRecordsMerged => format!("Prison record {from} was merged into {to}"),
                IdentityReason::CasesMerged => format!("Case {from} was merged into {to}"),
                IdentityReason::CasesUnmerged => format!("Case {to} was separated from {from} again"),
                IdentityReason::BookingMoved => format!("A booking was moved from {from} to {to}"),
            };
            match released.len() {
                0 => what,
                count => format!("{what}: {}", again(count)),
            }
        }
        CaseEvent::WritesReasserted { released, .. } => {
            format!("Recorded facts are written again: {}", again(released.len()))
        }
        CaseEvent::DeliusWriteParked { write, attempts, .. } => format!(
            "Write {}.{} parked after {attempts} attempts: waits for an operator",
            write.sequence, write.ordinal
        ),
        CaseEvent::DeliusWriteRetried { write, by, .. } if by == RELEASED_BY => format!(
            "Write {}.{} is written to Delius again: the case got its NOMS number before the refusal was recorded",
            write.sequence, write.ordinal
        ),
        CaseEvent::DeliusWriteRetried { write, .. } => {
            format!("Operator retried write {}.{}", write.sequence, write.ordinal)
        }
        CaseEvent::DeliusWriteSkipped { write, .. } => {
            format!("Operator skipped write {}.{}", write.sequence, write.ordinal)
        }
        CaseEvent::DeliusUpdated(result)
        | CaseEvent::DeliusUnchanged(result)
        | CaseEvent::DeliusWriteRefused(result) => {
            format!("{}: {}", write(&result.intent), outcome(result.outcome.name))
        }
    }
}

fn again(writes: usize) -> String {
    match writes {
        0 => "nothing is recorded that could be written".to_owned(),
        1 => "1 recorded write is made again at its own date".to_owned(),
        count => format!("{count} recorded writes are made again, each at its own date"),
    }
}

/// What a write is to do in Delius.
pub(crate) fn write(intent: &DeliusWrite) -> String {
    match intent {
        DeliusWrite::AllocatePom { at, pom, .. } => {
            format!("make {} {}, {} the POM from {}", pom.forename, pom.surname, pom.prison, date_time(*at))
        }
        DeliusWrite::DeallocatePom { at, .. } => format!("make nobody the POM from {}", date_time(*at)),
        DeliusWrite::SetHandoverDates { handover_date, handover_start_date, dry_run } => {
            let verb = if *dry_run { "compare" } else { "set" };
            format!("{verb} handover dates: {}", dates(*handover_start_date, *handover_date))
        }
    }
}

/// What an outcome means.
pub(crate) fn outcome(name: OutcomeName) -> &'static str {
    match name {
        OutcomeName::PomAllocated => "the new POM was written",
        OutcomeName::PomDeallocated => "the unallocated placeholder was written",
        OutcomeName::NoPomChange => "Delius said so already",
        OutcomeName::KeyDateCreated => "handover dates created",
        OutcomeName::KeyDateUpdated => "handover dates changed",
        OutcomeName::KeyDateDeleted => "handover dates removed",
        OutcomeName::NoKeyDateChange => "Delius had these dates already",
        OutcomeName::DryRunKeyDateCreated => "dry run: dates would be created",
        OutcomeName::DryRunKeyDateUpdated => "dry run: dates would be changed",
        OutcomeName::DryRunKeyDateDeleted => "dry run: dates would be removed",
        OutcomeName::DryRunNoKeyDateChange => "dry run: nothing would change",
        OutcomeName::PersonNotFound => "nobody in Delius has this NOMS number",
        OutcomeName::DuplicatePerson => "two persons in Delius have this NOMS number",
        OutcomeName::NoActiveCustodialSentence => "no live custodial sentence in Delius",
        OutcomeName::MultipleActiveCustodialSentences => "several live custodial sentences in Delius",
        OutcomeName::UnknownPrison => "Delius has no provider for this prison",
        OutcomeName::UnknownTeam => "Delius has no POM team for this prison",
        OutcomeName::StaffCodesExhausted => "no officer code is left in this prison",
    }
}

/// The outcome of a write, or its state. The second write of a late holding asserts again what follows it.
pub(crate) fn result(write: &Write, kind: Kind) -> String {
    let result = match write.outcome {
        None => state(write.state).to_owned(),
        Some(name) if write.state == WriteState::Refused => {
            format!("REFUSED {}: {}", name.as_str(), outcome(name))
        }
        Some(name) => format!("{}: {}", name.as_str(), outcome(name)),
    };
    match (kind, write.ordinal) {
        (Kind::Allocation, 1..) => format!("what follows it, again: {result}"),
        _ => result,
    }
}

/// What is said of an entry that means no write.
pub(crate) fn nothing_to_write(entry: &Entry) -> String {
    match entry.outcome {
        Some(outcome) => format!("{outcome}: nothing to write"),
        None => "nothing to write".to_owned(),
    }
}

/// Where a write stands.
pub(crate) fn state(state: WriteState) -> &'static str {
    match state {
        WriteState::Pending => "waiting",
        WriteState::Applied => "applied",
        WriteState::Unchanged => "nothing to change",
        WriteState::Refused => "refused",
        WriteState::Parked => "parked",
        WriteState::Skipped => "given up",
    }
}
