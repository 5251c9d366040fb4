//! Appends by several processes and over a store that was set back: each process remembers cases, and none trusts that.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::join_all;
use manage_pom_cases_and_delius::{
    case::{
        AllocationAnswer, CaseCommand, CaseServices, DetailAddress, Evidence, FetchError, Fetched,
        HandoverAnswer, ManagePomCases, Message, NoIdentityChanges, NomsNumber, StaffDirectory, StaffMember,
    },
    event_store::{CaseStore, Cause, MessageStanding, receipts::Receipt},
};
use sqlx::PgPool;

/// Answers that there is no handover.
struct NoHandover;

fn fetched() -> Fetched {
    Fetched {
        url: "https://mpc.example/".into(),
        status: 404,
        at: chrono::Utc::now(),
        answer: Evidence::of("{}"),
        staff: None,
    }
}

#[async_trait]
impl ManagePomCases for NoHandover {
    async fn allocation(
        &self,
        _: &NomsNumber,
        _: &DetailAddress,
    ) -> Result<(AllocationAnswer, Fetched), FetchError> {
        Ok((AllocationAnswer::NotReady, fetched()))
    }

    async fn handover(
        &self,
        _: &NomsNumber,
        _: &DetailAddress,
    ) -> Result<(HandoverAnswer, Fetched), FetchError> {
        Ok((HandoverAnswer::NotFound, fetched()))
    }
}

#[async_trait]
impl StaffDirectory for NoHandover {
    async fn find(&self, _: i64) -> Result<Option<StaffMember>, FetchError> {
        Ok(None)
    }
}

/// A process of its own, as far as memory goes.
fn process(pool: &PgPool) -> Arc<CaseStore> {
    let services = CaseServices {
        mpc: Arc::new(NoHandover),
        staff: Arc::new(NoHandover),
        identities: Arc::new(NoIdentityChanges),
    };
    Arc::new(CaseStore::new(pool.clone(), services))
}

fn noms(number: usize) -> NomsNumber {
    format!("A{number:04}AA").parse().unwrap()
}

async fn accept(store: &CaseStore, noms: &NomsNumber, id: &str) -> usize {
    let now = chrono::Utc::now();
    let receipt = Receipt {
        message_id: id.to_owned(),
        event_type: None,
        body_sha256: "00".repeat(32),
        receive_count: 1,
        received_at: now,
    };
    if store.standing(id, Some(noms)).await.unwrap() != MessageStanding::New {
        return 0;
    }
    let message = Message {
        id: id.to_owned(),
        event_type: "offender-management.handover.changed".into(),
        occurred_at: now,
        received_at: now,
        evidence: Evidence::of("{}"),
        under: None,
    };
    let (noms, address) = (noms.clone(), DetailAddress::OfCase);
    let command = CaseCommand::RecordHandover { noms: noms.clone(), message, address, dry_run: false };
    store.execute(&noms, command, Cause::Message(receipt)).await.unwrap().len()
}

async fn sequences(pool: &PgPool, noms: &NomsNumber) -> Vec<i64> {
    sqlx::query_scalar("select sequence from events where aggregate_id = $1 order by sequence")
        .bind(noms.as_str())
        .fetch_all(pool)
        .await
        .unwrap()
}

#[sqlx::test(migrations = "migrations/store")]
async fn messages_of_many_cases_in_two_processes_are_each_recorded_once(pool: PgPool) {
    let processes = [process(&pool), process(&pool)];
    let messages = (0..120).map(|message| {
        // Every message comes to both processes at the same time.
        let (processes, noms, id) = (&processes, noms(message % 6), format!("m{message}"));
        async move {
            let [one, two] = processes;
            let (first, second) = tokio::join!(accept(one, &noms, &id), accept(two, &noms, &id));
            assert_eq!(first + second, 1, "{id}");
        }
    });
    join_all(messages).await;
    for case in 0..6 {
        assert_eq!(sequences(&pool, &noms(case)).await, (1..=20).collect::<Vec<_>>());
    }
    let receipts: i64 =
        sqlx::query_scalar("select count(*) from message_receipts").fetch_one(&pool).await.unwrap();
    assert_eq!(receipts, 120);
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_process_that_remembers_a_case_notices_what_another_one_added(pool: PgPool) {
    let (one, other, noms) = (process(&pool), process(&pool), noms(1));
    assert_eq!(accept(&one, &noms, "m1").await, 1);
    assert_eq!(accept(&other, &noms, "m2").await, 1);
    // Without a question before it, so that the command meets what is remembered.
    let command = CaseCommand::RecordNotApplicable {
        message: Message {
            id: "m2".into(),
            event_type: "odd".into(),
            occurred_at: chrono::Utc::now(),
            received_at: chrono::Utc::now(),
            evidence: Evidence::of("{}"),
            under: None,
        },
        reason: "test".into(),
    };
    let appended = one.execute(&noms, command, Cause::NoMessage).await.unwrap();
    assert_eq!(appended, [], "the other process recorded the message");
    assert_eq!(accept(&one, &noms, "m3").await, 1);
    assert_eq!(sequences(&pool, &noms).await, [1, 2, 3]);
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_store_that_was_set_back_gets_no_gap_from_what_a_process_remembers(pool: PgPool) {
    let (process, noms) = (process(&pool), noms(1));
    for id in ["m1", "m2", "m3"] {
        assert_eq!(accept(&process, &noms, id).await, 1);
    }
    let mut transaction = pool.begin().await.unwrap();
    sqlx::raw_sql(
        "set local session_replication_role = replica;
         delete from events where sequence > 1; delete from message_receipts where message_id <> 'm1'",
    )
    .execute(&mut *transaction)
    .await
    .unwrap();
    transaction.commit().await.unwrap();
    let command = CaseCommand::ReflectAllocations {
        staff: StaffMember { code: 1, forename: "ADA".into(), surname: "BYRON".into(), email: None },
    };
    assert_eq!(process.execute(&noms, command, Cause::NoMessage).await.unwrap(), []);
    assert_eq!(accept(&process, &noms, "m4").await, 1);
    assert_eq!(sequences(&pool, &noms).await, [1, 2]);
}
