//! An invented case, appended by the statement that the service appends with.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use manage_pom_cases_and_delius::{
    audit::journal::{
        Journal,
        verify::{FindingKind, IntactJournal, VerifyFinding, VerifyRequest, verify},
    },
    case::{
        CaseEvent, DeliusWrite, Evidence, Fetched, NameSource, NomsNumber, OutcomeName, Pom, PrisonCode,
        Provenance, RowAction, RowChange, StaffMember, WriteOutcome, WriteRef, WriteResult,
    },
    event_store::{self, Cause, receipts::Receipt},
};
use sqlx::PgPool;

pub(crate) fn noms(text: &str) -> NomsNumber {
    text.parse().unwrap()
}

pub(crate) fn utc(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

pub(crate) fn provenance(message: &str, at: DateTime<Utc>) -> Provenance {
    Provenance {
        message_id: message.to_owned(),
        event_type: "offender-management.allocation.changed".to_owned(),
        occurred_at: at,
        received_at: at + TimeDelta::seconds(1),
        message: Evidence::of(format!("{{\"message\":\"{message}\"}}")),
        fetched: vec![],
        code_version: "0.1.0".to_owned(),
        under: None,
    }
}

pub(crate) fn allocated(message: &str, at: &str, staff_code: i64) -> CaseEvent {
    CaseEvent::PomAllocated {
        provenance: provenance(message, utc(at)),
        at: utc(at),
        pom: Pom {
            prison: "LEI".parse::<PrisonCode>().unwrap(),
            staff_code,
            forename: "ADA".to_owned(),
            surname: format!("BYRON{staff_code}"),
            email: None,
        },
        named_by: NameSource::Answer,
        reflects: None,
        followed_by: None,
    }
}

/// Appends the events to the stream, which holds `before` events already.
pub(crate) async fn append(pool: &PgPool, noms: &NomsNumber, before: usize, events: &[CaseEvent]) {
    for (event, before) in events.iter().zip(before as u64..) {
        let message_id = event.provenance().map_or("none", |provenance| &provenance.message_id);
        let receipt = Receipt {
            message_id: message_id.to_owned(),
            event_type: Some("offender-management.allocation.changed".to_owned()),
            body_sha256: "00".to_owned(),
            receive_count: 1,
            received_at: "2026-07-01T09:00:01Z".parse().unwrap(),
        };
        let cause = Cause::Message(receipt);
        event_store::append(pool, noms, before, std::slice::from_ref(event), cause).await.unwrap();
    }
}

/// Appends the outcome of a write as the relay would, having claimed it; the row in Delius has the id.
pub(crate) async fn settle(pool: &PgPool, noms: &NomsNumber, before: usize, sequence: u64, row_id: &str) {
    sqlx::query("update outbox set attempt = 1 where case_id = $1 and sequence = $2")
        .bind(noms.as_str())
        .bind(sequence.cast_signed())
        .execute(pool)
        .await
        .unwrap();
    let intent: serde_json::Value =
        sqlx::query_scalar("select intent from outbox where case_id = $1 and sequence = $2")
            .bind(noms.as_str())
            .bind(sequence.cast_signed())
            .fetch_one(pool)
            .await
            .unwrap();
    let intent: DeliusWrite = serde_json::from_value(intent).unwrap();
    let change = RowChange {
        table: "prison_offender_manager".to_owned(),
        row_id: row_id.to_owned(),
        action: RowAction::Insert,
        row_version: 1,
        columns: [].into(),
    };
    let outcome = WriteOutcome {
        name: OutcomeName::PomAllocated,
        applied_at: utc("2026-07-01T09:00:09Z"),
        changes: vec![change],
        properties: [].into(),
    };
    let write = WriteRef { sequence, ordinal: 0 };
    let code_version = "0.1.0".to_owned();
    let event = CaseEvent::DeliusUpdated(WriteResult { write, intent, attempt: 1, outcome, code_version });
    append(pool, noms, before, &[event]).await;
}

/// Three cases with twelve events in all, each in a transaction of its own.
pub(crate) async fn three_cases(pool: &PgPool) {
    for round in 0..4 {
        for case in ["A1111AA", "B2222BB", "C3333CC"] {
            let at = format!("2026-07-0{}T09:00:00Z", round + 1);
            let message = format!("{case}-{round}");
            append(pool, &noms(case), round, &[allocated(&message, &at, 100 + round as i64)]).await;
        }
    }
}

/// Changes the database as somebody who may do anything there, past the triggers.
pub(crate) async fn tamper(pool: &PgPool, sql: &str) {
    let mut transaction = pool.begin().await.unwrap();
    let past_triggers = "set local session_replication_role = replica";
    sqlx::query(past_triggers).execute(&mut *transaction).await.unwrap();
    let changed = sqlx::raw_sql(sql).execute(&mut *transaction).await.unwrap();
    assert!(changed.rows_affected() > 0, "nothing was changed by {sql}");
    transaction.commit().await.unwrap();
}

/// The identity that the projector gave to the first write of an event.
pub(crate) async fn first_write(pool: &PgPool, noms: &NomsNumber, sequence: u64) -> uuid::Uuid {
    sqlx::query_scalar("select id from outbox where case_id = $1 and sequence = $2 and ordinal = 0")
        .bind(noms.as_str())
        .bind(sequence.cast_signed())
        .fetch_one(pool)
        .await
        .unwrap()
}

/// Steps until the journal holds so many events, and the receipt of each. Transactions of other tests hold it back too:
/// their numbers are drawn from the same cluster.
pub(crate) async fn enter(pool: &PgPool, journal: &Journal, events: i64) {
    let entered = format!(
        "select (select count(*) from journal where source = 'event') >= {events} and not exists (
             select from message_receipts r join journal e on e.source = 'event' and e.xid = r.xid
             where not exists (select from journal j where j.source = 'receipt' and j.source_id = r.id))"
    );
    enter_until(pool, journal, &entered).await;
}

/// Steps until the query answers with true.
pub(crate) async fn enter_until(pool: &PgPool, journal: &Journal, entered: &str) {
    let entering = async {
        while !sqlx::query_scalar::<_, bool>(entered).fetch_one(pool).await.unwrap() {
            journal.step().await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(120), entering).await.expect("entered in time");
}

/// Steps until the journal has everything that is committed.
pub(crate) async fn enter_all(pool: &PgPool) {
    let journal = Journal::new(pool.clone());
    let entering = async {
        loop {
            match check(pool).await {
                Ok(intact) if intact.waiting == 0 => break,
                // Nothing is entered yet: a transaction of another test may hold back the first step.
                Ok(_) | Err(VerifyFinding { kind: FindingKind::Empty { .. }, .. }) => {}
                Err(finding) => panic!("{finding}"),
            }
            journal.step().await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(120), entering).await.expect("entered in time");
}

/// What `verify` finds in the whole journal, without a checkpoint from outside.
pub(crate) async fn check(pool: &PgPool) -> Result<IntactJournal, VerifyFinding> {
    check_with(pool, &VerifyRequest::default()).await
}

pub(crate) async fn check_with(
    pool: &PgPool,
    request: &VerifyRequest,
) -> Result<IntactJournal, VerifyFinding> {
    verify(pool, request, |_, _| {}).await.unwrap()
}

/// The position of an event in the journal.
pub(crate) async fn position_of(pool: &PgPool, case: &str, sequence: i64) -> i64 {
    sqlx::query_scalar("select position from journal where case_id = $1 and sequence = $2")
        .bind(case)
        .bind(sequence)
        .fetch_one(pool)
        .await
        .unwrap()
}

pub(crate) fn superseded(message: &str, at: &str, staff_code: i64) -> CaseEvent {
    CaseEvent::AllocationSuperseded {
        provenance: provenance(message, utc(at)),
        at: utc(at),
        prison: "LEI".parse::<PrisonCode>().unwrap(),
        staff_code,
    }
}

/// An allocation whose answer named the POM.
pub(crate) fn learned(message: &str, at: &str, staff_code: i64) -> CaseEvent {
    let mut event = allocated(message, at, staff_code);
    if let CaseEvent::PomAllocated { provenance, .. } = &mut event {
        let staff = StaffMember {
            code: staff_code,
            forename: "ADA".to_owned(),
            surname: format!("BYRON{staff_code}"),
            email: None,
        };
        provenance.fetched.push(Fetched {
            url: "https://mpc.example/api/allocation/A1234BC/primary_pom".to_owned(),
            status: 200,
            at: utc(at) + TimeDelta::seconds(1),
            answer: Evidence::of("{}"),
            staff: Some(staff),
        });
    }
    event
}
