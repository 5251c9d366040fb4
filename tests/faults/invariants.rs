//! The invariants that every fault test checks at its end.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use manage_pom_cases_and_delius::{
    audit::journal::verify::{VerifyRequest, verify},
    case::{CaseEvent, OutcomeName, RowAction, WriteOutcome},
};
use sqlx::types::Json;
use uuid::Uuid;

use crate::{
    ground::{Ground, noms, until, within},
    model,
    stream::{STAFF, Stream},
};

/// Violations, in words.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) lost: Vec<String>,
    pub(crate) doubled: Vec<String>,
    pub(crate) out_of_order: Vec<String>,
    /// Rows of Delius that differ from the model, parked work, an incomplete journal, names in logs.
    pub(crate) others: Vec<String>,
}

impl Findings {
    pub(crate) fn is_empty(&self) -> bool {
        [&self.lost, &self.doubled, &self.out_of_order, &self.others].into_iter().all(Vec::is_empty)
    }
}

/// Waits until every message is accounted for, every write applied and every event in the journal.
pub(crate) async fn drained(ground: &Ground, stream: &Stream) {
    let limit = std::time::Duration::from_secs(180);
    let done = within(limit, async || is_drained(ground, stream).await).await;
    if !done {
        let log = ground.said();
        let tail: Vec<&str> = log.lines().rev().take(60).collect();
        let state =
            (ground.queue.counts().await, ground.count(UNFINISHED).await, ground.count(RECORDED).await);
        panic!("not drained: {state:?} of {}\n{:#?}", stream.sent.len(), tail);
    }
}

const UNFINISHED: &str = "select count(*) from outbox where state = 'pending'";
/// But for those whose case fails for good.
const WAITING: &str = "select count(*) from waiting_messages where message_id not like 'for-good-%'";
const RECORDED: &str = "select count(distinct message_id) from message_receipts";
const NOT_JOURNALLED: &str =
    "select (select count(*) from events) - (select count(*) from journal where source = 'event')";

pub(crate) async fn is_drained(ground: &Ground, stream: &Stream) -> bool {
    is_recorded(ground, stream).await && is_idle(ground).await
}

/// Whether no work is left, whatever was recorded.
pub(crate) async fn is_idle(ground: &Ground) -> bool {
    ground.count(UNFINISHED).await == 0
        && ground.count(NOT_JOURNALLED).await == 0
        && ground.count(WAITING).await == 0
        && ground.queue.counts().await == (0, 0)
}

/// Whether every message of the stream is recorded, whatever else waits.
pub(crate) async fn is_recorded(ground: &Ground, stream: &Stream) -> bool {
    ground.count(RECORDED).await >= stream.sent.len() as i64
}

/// Waits until all work is done, then checks everything.
pub(crate) async fn hold(ground: &Ground, stream: &Stream) {
    drained(ground, stream).await;
    let findings = check(ground, stream).await;
    assert!(findings.is_empty(), "{findings:#?}\nlogs: {}", ground.logs.display());
}

/// Checks everything.
pub(crate) async fn check(ground: &Ground, stream: &Stream) -> Findings {
    let mut findings = Findings::default();
    messages(ground, stream, &mut findings).await;
    writes(ground, stream, &mut findings).await;
    rows(ground, stream, &mut findings).await;
    let parked = "select count(*) from parked_messages";
    for (what, count) in [
        ("parked messages", ground.count(parked).await),
        ("parked writes", ground.count("select count(*) from outbox where state = 'parked'").await),
        ("dead letters", ground.queue.dead().await as i64),
    ] {
        if count != 0 {
            findings.others.push(format!("{count} {what}"));
        }
    }
    // The last receipts and decisions are entered a moment after the last event.
    until("the journal has every row", async || {
        let verified = verify(&ground.store, &VerifyRequest::default(), |_, _| {}).await.unwrap();
        verified.is_err() || verified.is_ok_and(|intact| intact.waiting == 0)
    })
    .await;
    match verify(&ground.store, &VerifyRequest::default(), |_, _| {}).await.unwrap() {
        Ok(intact) if intact.waiting == 0 => {}
        journal => findings.others.push(format!("the journal: {journal:?}")),
    }
    logs(ground, &mut findings);
    findings
}

/// Every message has its events exactly once.
async fn messages(ground: &Ground, stream: &Stream, findings: &mut Findings) {
    let recorded: Vec<(String, String, i64)> = sqlx::query_as(
        "select metadata ->> 'messageId', aggregate_id, count(*) from events where metadata ? 'messageId'
         group by 1, 2",
    )
    .fetch_all(&ground.store)
    .await
    .unwrap();
    let receipts: Vec<(String, i64)> = sqlx::query_as(
        "select message_id, count(*) from message_receipts where disposition = 'recorded' group by 1",
    )
    .fetch_all(&ground.store)
    .await
    .unwrap();
    let (mut events, receipts): (BTreeMap<_, Vec<_>>, BTreeMap<_, _>) =
        (BTreeMap::new(), receipts.into_iter().collect());
    for (id, noms, count) in recorded {
        events.entry(id).or_default().push((noms, count));
    }
    for (id, noms) in &stream.sent {
        match events.get(id).map(Vec::as_slice) {
            None => findings.lost.push(format!("message {id}")),
            Some([(found, 1)]) if found == noms => {}
            Some(odd) => findings.doubled.push(format!("message {id}: {odd:?}")),
        }
        if receipts.get(id).is_some_and(|count| *count != 1) {
            findings.doubled.push(format!("receipt of message {id}"));
        }
    }
}

/// Every write has one outcome, in order, and the ledger and the rows of Delius contain no other.
async fn writes(ground: &Ground, stream: &Stream, findings: &mut Findings) {
    type Entry = (Uuid, String, Json<WriteOutcome>, DateTime<Utc>);
    let ledger: Vec<Entry> =
        sqlx::query_as("select write_id::uuid, noms_number::text, outcome::jsonb, (outcome::jsonb ->> 'appliedAt')::timestamptz
             from pom_cases_write_ledger")
            .fetch_all(&ground.delius)
            .await
            .unwrap();
    let outbox: Vec<(Uuid, String, i64, i32)> = sqlx::query_as(
        "select id, case_id, sequence, ordinal from outbox order by case_id, sequence, ordinal",
    )
    .fetch_all(&ground.store)
    .await
    .unwrap();
    let applied: BTreeMap<Uuid, DateTime<Utc>> = ledger.iter().map(|entry| (entry.0, entry.3)).collect();
    let mut last: BTreeMap<&str, DateTime<Utc>> = BTreeMap::new();
    for (id, noms, sequence, ordinal) in &outbox {
        let Some(at) = applied.get(id) else {
            findings.lost.push(format!("write {sequence}.{ordinal} of {noms}: not in the ledger"));
            continue;
        };
        if last.insert(noms, *at).is_some_and(|before| before > *at) {
            findings.out_of_order.push(format!("write {sequence}.{ordinal} of {noms}: applied too early"));
        }
    }
    if applied.len() != outbox.len() {
        findings.doubled.push(format!(
            "{} writes in the ledger, {} in the outbox",
            applied.len(),
            outbox.len()
        ));
    }
    let outcomes: BTreeMap<Uuid, &WriteOutcome> = ledger.iter().map(|entry| (entry.0, &*entry.2)).collect();
    for case in stream.sent.values().collect::<BTreeSet<_>>() {
        let events = ground.cases.load(&case.parse().unwrap()).await.unwrap();
        let mut expected = outbox.iter().filter(|write| write.1 == *case);
        for result in events.iter().filter_map(|event| CaseEvent::write_result(&event.payload)) {
            let (write, next) = (result.write, expected.next());
            match next.filter(|next| (next.2 as u64, next.3 as u32) == (write.sequence, write.ordinal)) {
                None => findings.out_of_order.push(format!("outcome of write {write:?} of {case}")),
                // The outcome in the case equals the outcome in the ledger.
                Some(next) if outcomes.get(&next.0) == Some(&&result.outcome) => {}
                Some(_) => findings.doubled.push(format!("another outcome of write {write:?} of {case}")),
            }
        }
        findings
            .lost
            .extend(expected.map(|write| format!("outcome of write {}.{} of {case}", write.2, write.3)));
    }
    let inserted = |table: &str| {
        let changes = ledger.iter().flat_map(|entry| &entry.2.changes);
        changes.filter(|change| change.table == table && change.action == RowAction::Insert).count() as i64
    };
    for (table, placeholders) in
        [("prison_offender_manager", 0), ("contact", 0), ("key_date", 0), ("staff", 2)]
    {
        let count: i64 = sqlx::query_scalar(&format!("select count(*) from {table}"))
            .fetch_one(&ground.delius)
            .await
            .unwrap();
        // A key date may have been deleted since.
        if count > inserted(table) + placeholders
            || (table != "key_date" && count < inserted(table) + placeholders)
        {
            findings.doubled.push(format!("{count} rows in {table}, {} in the ledger", inserted(table)));
        }
    }
    let changes = [OutcomeName::PomAllocated, OutcomeName::PomDeallocated];
    let changes = ledger.iter().filter(|entry| changes.contains(&entry.2.name)).count();
    let contacts = inserted("contact");
    if contacts < changes as i64 {
        findings.lost.push(format!("{changes} changes of POM, {contacts} contacts"));
    }
    let same: Vec<String> = sqlx::query_scalar(
        "select upper(surname) from staff group by upper(surname), upper(forename), probation_area_id having count(*) > 1
         union all select officer_code from staff group by officer_code having count(*) > 1",
    )
    .fetch_all(&ground.delius)
    .await
    .unwrap();
    findings.doubled.extend(same.into_iter().map(|staff| format!("staff {staff}")));
}

/// The rows of Delius equal those of the model.
pub(crate) async fn rows(ground: &Ground, stream: &Stream, findings: &mut Findings) {
    for (case, happened) in &stream.happened {
        let noms = noms(*case);
        let rows: Vec<String> =
            sqlx::query_scalar(model::IN_DELIUS).bind(&noms).fetch_all(&ground.delius).await.unwrap();
        let expected = model::holdings(happened);
        if rows != expected {
            findings.others.push(format!("{noms}: Delius has {rows:#?}, the model {expected:#?}"));
        }
    }
    for (case, (start, handover)) in &stream.dates {
        let noms = noms(*case);
        let rows: Vec<String> = sqlx::query_scalar(
            "select l.code_value || ' ' || k.key_date::date
             from key_date k join custody using (custody_id) join disposal using (disposal_id)
             join event e using (event_id) join offender o on o.offender_id = e.offender_id
             join r_standard_reference_list l on l.standard_reference_list_id = k.key_date_type_id
             where o.noms_number = $1 and k.soft_deleted = 0 order by 1",
        )
        .bind(&noms)
        .fetch_all(&ground.delius)
        .await
        .unwrap();
        let expected = [format!("POM1 {start}"), format!("POM2 {handover}")];
        if rows != expected {
            findings.others.push(format!("{noms}: Delius has {rows:?}, the model {expected:?}"));
        }
    }
}

/// No name, e-mail address or body is in any log line.
fn logs(ground: &Ground, findings: &mut Findings) {
    let said = ground.said();
    // Logs of services and of commands.
    if !said.contains("telemetry") {
        findings.others.push("the log does not say what happened".into());
    }
    findings.others.extend(names_in(&said).into_iter().map(|word| format!("a log line holds {word}")));
}

/// The forbidden texts in these lines.
pub(crate) fn names_in(said: &str) -> Vec<&'static str> {
    let said = said.to_uppercase();
    let names = STAFF.into_iter().flat_map(|(_, forename, surname)| [forename, surname]);
    let others = ["@STAFF.EXAMPLE", "PERSONREFERENCE", "\"MANAGER\"", "\\\"MANAGER\\\""];
    names.chain(others).filter(|word| said.contains(word)).collect()
}
