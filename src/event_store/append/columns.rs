//! The parameters of the append statement, column by column: `append` in each group is the place of the append in the
//! batch. See `append.sql` for what becomes of them.

use chrono::{DateTime, Utc};
use cqrs_es::DomainEvent;
use serde_json::Value;
use sqlx::types::Json;
use uuid::Uuid;

use super::{Append, parts::AppendParts};
use crate::{
    case::{CaseEvent, DeliusWrite, identity},
    database::KeptConnections,
    event_store::{effects::Effects, identities},
    outbox::{Transition, notices, projector},
};

/// A place in the batch and how the statement answered: decided on events that are there, and granted.
pub(super) type AppendAnswer = (i32, bool, bool);

#[derive(Default)]
pub(super) struct Columns<'a> {
    appends: Appends<'a>,
    events: Events<'a>,
    writes: Writes,
    receipts: Receipts<'a>,
    names: Names,
    unreflected: (Vec<i32>, Vec<i64>, Vec<i64>),
    reflected: (Vec<i32>, Vec<i64>),
    notices: Notices<'a>,
    identities: IdentityColumns,
    officers: Officers,
}

#[derive(Default)]
struct Officers {
    append: Vec<i32>,
    prison: Vec<String>,
    staff_code: Vec<i64>,
    staff_id: Vec<i64>,
    written_at: Vec<DateTime<Utc>>,
}

#[derive(Default)]
struct IdentityColumns {
    append: Vec<i32>,
    place: Vec<i64>,
    ordinal: Vec<i32>,
    kind: Vec<&'static str>,
    one: Vec<String>,
    other: Vec<String>,
    at: Vec<DateTime<Utc>>,
}

#[derive(Default)]
struct Appends<'a> {
    append: Vec<i32>,
    case_id: Vec<&'a str>,
    expected: Vec<i64>,
    sequence: Vec<Option<i64>>,
    ordinal: Vec<Option<i32>>,
    before: Vec<Option<&'static str>>,
    attempt: Vec<Option<i32>>,
    after: Vec<Option<&'static str>>,
}

#[derive(Default)]
struct Events<'a> {
    append: Vec<i32>,
    place: Vec<i64>,
    event_type: Vec<String>,
    version: Vec<String>,
    payload: Vec<Json<&'a CaseEvent>>,
    metadata: Vec<Value>,
}

#[derive(Default)]
struct Writes {
    append: Vec<i32>,
    id: Vec<Uuid>,
    place: Vec<i64>,
    ordinal: Vec<i32>,
    kind: Vec<&'static str>,
    intent: Vec<Json<DeliusWrite>>,
    first: Vec<bool>,
}

#[derive(Default)]
struct Receipts<'a> {
    append: Vec<i32>,
    message_id: Vec<&'a str>,
    event_type: Vec<Option<&'a str>>,
    body_sha256: Vec<&'a str>,
    receive_count: Vec<i32>,
    received_at: Vec<DateTime<Utc>>,
}

#[derive(Default)]
struct Names {
    append: Vec<i32>,
    staff_code: Vec<i64>,
    forename: Vec<String>,
    surname: Vec<String>,
    email: Vec<Option<String>>,
    learned_at: Vec<DateTime<Utc>>,
}

#[derive(Default)]
struct Notices<'a> {
    append: Vec<i32>,
    write_id: Vec<Uuid>,
    sequence: Vec<i64>,
    outcome: Vec<&'a str>,
    applied_at: Vec<DateTime<Utc>>,
    traceparent: Vec<Option<String>>,
}

/// An append that would finish two writes: the statement can guard only one.
#[derive(Debug, thiserror::Error)]
#[error("one append records the outcome of one write at most")]
pub(super) struct TwoOutcomes;

impl<'a> Columns<'a> {
    pub(super) fn of(appends: &[&'a Append]) -> Result<Self, TwoOutcomes> {
        let mut columns = Self::default();
        for (index, append) in (0..).zip(appends) {
            columns.add(index, append)?;
        }
        Ok(columns)
    }

    fn add(&mut self, index: i32, append: &'a Append) -> Result<(), TwoOutcomes> {
        let first = append.expected_sequence + 1;
        let effects = Effects::of((first..).zip(&append.events));
        self.appends.add(index, append, &effects.transitions)?;
        self.events.add(index, append);
        self.writes.add(index, append, &effects);
        if let Some(receipt) = append.cause.receipt() {
            self.receipts.append.push(index);
            self.receipts.message_id.push(&receipt.message_id);
            self.receipts.event_type.push(receipt.event_type.as_deref());
            self.receipts.body_sha256.push(&receipt.body_sha256);
            self.receipts.receive_count.push(receipt.receive_count.cast_signed());
            self.receipts.received_at.push(receipt.received_at);
        }
        for (staff, learned_at) in effects.learned.into_values() {
            self.names.append.push(index);
            self.names.staff_code.push(staff.code);
            self.names.forename.push(staff.forename);
            self.names.surname.push(staff.surname);
            self.names.email.push(staff.email);
            self.names.learned_at.push(learned_at);
        }
        for ((prison, staff_code), (staff_id, written_at)) in effects.officers {
            self.officers.append.push(index);
            self.officers.prison.push(prison.to_string());
            self.officers.staff_code.push(staff_code);
            self.officers.staff_id.push(staff_id);
            self.officers.written_at.push(written_at);
        }
        for (sequence, staff_code) in effects.waiting {
            self.unreflected.0.push(index);
            self.unreflected.1.push(place(append, sequence));
            self.unreflected.2.push(staff_code);
        }
        for sequence in effects.reflected {
            self.reflected.0.push(index);
            self.reflected.1.push(sequence.cast_signed());
        }
        self.identities.add(index, append);
        if append.keeps_notices {
            self.notices.add(index, append);
        }
        Ok(())
    }

    fn parts(&self) -> AppendParts {
        AppendParts {
            message: !(self.writes.append.is_empty() && self.receipts.append.is_empty()),
            outcome: !(self.notices.append.is_empty() && self.officers.append.is_empty()),
            person: !(self.names.append.is_empty()
                && self.unreflected.0.is_empty()
                && self.reflected.0.is_empty()
                && self.identities.append.is_empty()),
        }
    }

    pub(super) async fn execute(self, store: &KeptConnections) -> sqlx::Result<Vec<AppendAnswer>> {
        let sql = self.parts().statement();
        let query = sqlx::query_as(sql)
            .bind(self.appends.append)
            .bind(self.appends.case_id)
            .bind(self.appends.expected)
            .bind(self.appends.sequence)
            .bind(self.appends.ordinal)
            .bind(self.appends.before)
            .bind(self.appends.attempt)
            .bind(self.appends.after)
            .bind(self.events.append)
            .bind(self.events.place)
            .bind(self.events.event_type)
            .bind(self.events.version)
            .bind(self.events.payload)
            .bind(self.events.metadata)
            .bind(self.writes.append)
            .bind(self.writes.id)
            .bind(self.writes.place)
            .bind(self.writes.ordinal)
            .bind(self.writes.kind)
            .bind(self.writes.intent)
            .bind(self.writes.first)
            .bind(self.receipts.append)
            .bind(self.receipts.message_id)
            .bind(self.receipts.event_type)
            .bind(self.receipts.body_sha256)
            .bind(self.receipts.receive_count)
            .bind(self.receipts.received_at)
            .bind(self.names.append)
            .bind(self.names.staff_code)
            .bind(self.names.forename)
            .bind(self.names.surname)
            .bind(self.names.email)
            .bind(self.names.learned_at)
            .bind(self.unreflected.0)
            .bind(self.unreflected.1)
            .bind(self.unreflected.2)
            .bind(self.reflected.0)
            .bind(self.reflected.1)
            .bind(self.notices.append)
            .bind(self.notices.write_id)
            .bind(self.notices.sequence)
            .bind(self.notices.outcome)
            .bind(self.notices.applied_at)
            .bind(self.notices.traceparent)
            .bind(self.identities.append)
            .bind(self.identities.place)
            .bind(self.identities.ordinal)
            .bind(self.identities.kind)
            .bind(self.identities.one)
            .bind(self.identities.other)
            .bind(self.identities.at)
            .bind(self.officers.append)
            .bind(self.officers.prison)
            .bind(self.officers.staff_code)
            .bind(self.officers.staff_id)
            .bind(self.officers.written_at);
        let mut connection = store.take().await?;
        let rows = query.fetch_all(connection.asked()).await?;
        connection.answered();
        Ok(rows)
    }
}

/// The place of an event among those of its append, from 1.
fn place(append: &Append, sequence: u64) -> i64 {
    (sequence - append.expected_sequence).cast_signed()
}

impl<'a> Appends<'a> {
    fn add(
        &mut self,
        index: i32,
        append: &'a Append,
        transitions: &[(crate::case::WriteRef, Transition)],
    ) -> Result<(), TwoOutcomes> {
        let transition = match transitions {
            [] => None,
            [one] => Some(one),
            _ => return Err(TwoOutcomes),
        };
        self.append.push(index);
        self.case_id.push(append.noms.as_str());
        self.expected.push(append.expected_sequence.cast_signed());
        self.sequence.push(transition.map(|(write, _)| write.sequence.cast_signed()));
        self.ordinal.push(transition.map(|(write, _)| write.ordinal.cast_signed()));
        self.before.push(transition.map(|(_, transition)| transition.before()));
        self.attempt.push(transition.and_then(|(_, transition)| Some(transition.attempt()?.cast_signed())));
        self.after.push(transition.map(|(_, transition)| transition.after()));
        Ok(())
    }
}

impl<'a> Events<'a> {
    fn add(&mut self, index: i32, append: &'a Append) {
        let metadata = append.cause.metadata(append.trace);
        for (place, event) in (1..).zip(&append.events) {
            self.append.push(index);
            self.place.push(place);
            self.event_type.push(event.event_type());
            self.version.push(event.event_version());
            self.payload.push(Json(event));
            self.metadata.push(metadata.clone());
        }
    }
}

impl Writes {
    fn add(&mut self, index: i32, append: &Append, effects: &Effects) {
        for (position, (write, intent)) in effects.derived.iter().enumerate() {
            self.append.push(index);
            self.id.push(projector::write_id(&append.noms, *write, intent));
            self.place.push(place(append, write.sequence));
            self.ordinal.push(write.ordinal.cast_signed());
            self.kind.push(projector::kind(intent));
            self.intent.push(Json(intent.clone()));
            self.first.push(position == 0);
        }
    }
}

impl IdentityColumns {
    fn add(&mut self, index: i32, append: &Append) {
        for (place, event) in (1..).zip(&append.events) {
            for (ordinal, fact) in (0..).zip(identity::facts(&append.noms, event)) {
                let (kind, one, other) = identities::columns(&fact.statement);
                self.append.push(index);
                self.place.push(place);
                self.ordinal.push(ordinal);
                self.kind.push(kind);
                self.one.push(one.to_owned());
                self.other.push(other.to_owned());
                self.at.push(fact.at);
            }
        }
    }
}

impl<'a> Notices<'a> {
    fn add(&mut self, index: i32, append: &'a Append) {
        let results = append.events.iter().filter_map(CaseEvent::write_result);
        for result in results.filter(|result| notices::is_told(result)) {
            self.append.push(index);
            self.write_id.push(projector::write_id(&append.noms, result.write, &result.intent));
            self.sequence.push(result.write.sequence.cast_signed());
            self.outcome.push(result.outcome.name.as_str());
            self.applied_at.push(result.outcome.applied_at);
            self.traceparent.push(append.trace.map(|trace| trace.to_string()));
        }
    }
}
