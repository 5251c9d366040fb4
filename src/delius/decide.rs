//! Loads what a write needs to know, step by step, and has it planned; or finds why it is refused.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDateTime, Utc};

use super::{
    engine::Session,
    error::DeliusError,
    holders::{self, StaffRows},
    ledger, load,
    plan::{
        RowsAtTime,
        allocation::{self, Email, Intent, PersonRows},
        change::Plan,
        handover::{self, HandoverDates},
    },
    reference::Reference,
};
use crate::{
    case::{AddressedWrite, DeliusWrite, OutcomeName},
    london::wall_clock,
};

/// Plans a write for the persons that have its NOMS number.
pub(super) async fn decide(
    session: &mut dyn Session,
    reference: &Reference,
    persons: &[i64],
    AddressedWrite { noms, write, .. }: &AddressedWrite,
    staff: &StaffRows,
    now: DateTime<Utc>,
) -> Result<Plan, DeliusError> {
    let offender_id = match persons {
        [] => return Ok(refused(OutcomeName::PersonNotFound)),
        [person] => *person,
        _ => return Ok(refused(OutcomeName::DuplicatePerson)),
    };
    match write {
        DeliusWrite::SetHandoverDates { handover_date, handover_start_date, dry_run } => {
            let types = reference.handover_date_types;
            match &load::live_custodies(session, offender_id, [types.start, types.handover]).await?[..] {
                [] => Ok(refused(OutcomeName::NoActiveCustodialSentence)),
                [custody] => {
                    let dates = HandoverDates { start: *handover_start_date, handover: *handover_date };
                    Ok(handover::plan(custody.id, &custody.key_dates, types, dates, *dry_run))
                }
                _ => Ok(refused(OutcomeName::MultipleActiveCustodialSentences)),
            }
        }
        DeliusWrite::AllocatePom { at, pom, .. } => {
            let at = ledger::begin(session, noms, *at).await?;
            let person = load::person_rows(session, offender_id).await?;
            let found = holders::of_pom(session, pom, staff, at).await?;
            let email = Email::given(pom.email.as_deref());
            Ok(change_of_pom(reference, &person, found, at, email, now))
        }
        DeliusWrite::DeallocatePom { at, .. } => {
            let at = ledger::begin(session, noms, *at).await?;
            let person = load::person_rows(session, offender_id).await?;
            let moment = RowsAtTime::of(&person.poms, at, wall_clock(now));
            let Some(holder) = moment.provider_to_deallocate(&person.poms) else {
                return Ok(refused(OutcomeName::NoPomChange));
            };
            let found = holders::placeholder(session, &holder.provider, at).await?;
            Ok(change_of_pom(reference, &person, found, at, Email::Unknown, now))
        }
    }
}

fn change_of_pom(
    reference: &Reference,
    person: &PersonRows,
    found: holders::HolderLookup,
    at: NaiveDateTime,
    email: Email,
    now: DateTime<Utc>,
) -> Plan {
    match found {
        Err(refusal) => refused(refusal),
        Ok((holder, mut changes)) => {
            let intent = Intent { at, now: wall_clock(now), holder, email };
            let mut plan = allocation::plan(person, &reference.transfers, &intent);
            changes.append(&mut plan.changes);
            Plan { changes, ..plan }
        }
    }
}

fn refused(outcome: OutcomeName) -> Plan {
    Plan { outcome, changes: vec![], properties: BTreeMap::new(), officer: None }
}
