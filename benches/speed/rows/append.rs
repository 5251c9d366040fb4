//! Commands of eight cases at once: our event store, beside the framework's own store as it comes.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use chrono::{NaiveDate, Utc};
use cqrs_es::{CqrsFramework, persist::PersistedEventStore};
use manage_pom_cases_and_delius::{
    case::{
        AllocationAnswer, Case, CaseCommand, CaseServices, DetailAddress, Evidence, FetchError, Fetched,
        HandoverAnswer, ManagePomCases, Message, NoIdentityChanges, NomsNumber, StaffDirectory, StaffMember,
    },
    event_store::{CaseStore, Cause, receipts::Receipt},
};
use postgres_es::PostgresEventRepository;
use uuid::Uuid;

use super::{Row, Sizes};
use crate::{ground::Ground, messages::noms, report::Report};

const CASES_AT_ONCE: u32 = 8;
/// Events of one case before the next one is taken.
const PER_CASE: u32 = 10;

/// The table that postgres-es documents.
const FRAMEWORK_TABLE: &str = "create table events (
    aggregate_type text not null, aggregate_id text not null, sequence bigint check (sequence >= 0) not null,
    event_type text not null, event_version text not null, payload json not null, metadata json not null,
    timestamp timestamptz default current_timestamp,
    primary key (aggregate_type, aggregate_id, sequence))";

pub(crate) struct Append {
    pub(crate) sizes: Sizes,
}

#[async_trait]
impl Row for Append {
    fn name(&self) -> &'static str {
        "append"
    }

    async fn measure(&mut self, ground: &Ground, report: &mut Report) -> anyhow::Result<()> {
        let world = ground.world().await?;
        let store = Arc::new(CaseStore::new(world.store.clone(), services()));
        let ours = commands_per_second(self.sizes.seconds, move |noms, command, receipt| {
            let store = Arc::clone(&store);
            async move { Ok(store.execute(&noms, command, Cause::Message(receipt)).await.map(|_| ())?) }
        })
        .await?;
        report.add("append: commands, 8 cases at once", "/s", ours);
        world.close().await?;

        let pool = ground.create("speed_framework", None).await?;
        sqlx::raw_sql(FRAMEWORK_TABLE).execute(&pool).await?;
        ground.settle().await?;
        let repository = PostgresEventRepository::new(pool.clone());
        let framework: Arc<CqrsFramework<Case, _>> = Arc::new(CqrsFramework::new(
            PersistedEventStore::new_event_store(repository),
            vec![],
            services(),
        ));
        let theirs =
            commands_per_second(self.sizes.seconds, move |noms, command, receipt| {
                let framework = Arc::clone(&framework);
                async move {
                    Ok(framework.execute_with_metadata(noms.as_str(), command, metadata(&receipt)).await?)
                }
            })
            .await?;
        report.add("floor: CqrsFramework with PostgresEventRepository", "/s", theirs);
        report.share("  ours in relation to it", ours, theirs);
        pool.close().await;
        ground.drop("speed_framework").await
    }
}

pub(super) async fn commands_per_second<F, A>(seconds: u32, execute: F) -> anyhow::Result<f64>
where
    F: Fn(NomsNumber, CaseCommand, Receipt) -> A + Clone + Send + 'static,
    A: Future<Output = anyhow::Result<()>> + Send,
{
    let (began, length) = (Instant::now(), Duration::from_secs(u64::from(seconds)));
    let workers = (0..CASES_AT_ONCE).map(|worker| {
        let execute = execute.clone();
        tokio::spawn(async move {
            let mut done = 0_u32;
            while began.elapsed() < length {
                let noms: NomsNumber = noms((done / PER_CASE) * CASES_AT_ONCE + worker).parse()?;
                let (command, receipt) = command(&noms);
                execute(noms, command, receipt).await?;
                done += 1;
            }
            anyhow::Ok(done)
        })
    });
    let mut done = 0;
    for worker in workers.collect::<Vec<_>>() {
        done += worker.await??;
    }
    Ok(f64::from(done) / began.elapsed().as_secs_f64())
}

/// As the framework takes it.
fn metadata(receipt: &Receipt) -> std::collections::HashMap<String, String> {
    [("messageId", &receipt.message_id), ("bodySha256", &receipt.body_sha256)]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.clone()))
        .collect()
}

fn command(noms: &NomsNumber) -> (CaseCommand, Receipt) {
    let (id, now) = (Uuid::now_v7().to_string(), Utc::now());
    let event_type = "offender-management.handover.changed".to_owned();
    let body = format!("{{\"MessageId\":\"{id}\",\"Message\":\"{}\"}}", "x".repeat(500));
    let receipt = Receipt {
        message_id: id.clone(),
        event_type: Some(event_type.clone()),
        body_sha256: manage_pom_cases_and_delius::case::sha256_hex(body.as_bytes()),
        receive_count: 1,
        received_at: now,
    };
    let evidence = Evidence::of(body);
    let message = Message { id, event_type, occurred_at: now, received_at: now, evidence, under: None };
    let (noms, address) = (noms.clone(), DetailAddress::OfCase);
    (CaseCommand::RecordHandover { noms, message, address, dry_run: false }, receipt)
}

/// Answers from memory, so that nothing but the store is measured.
struct Answers;

pub(super) fn services() -> CaseServices {
    CaseServices { mpc: Arc::new(Answers), staff: Arc::new(Answers), identities: Arc::new(NoIdentityChanges) }
}

#[async_trait]
impl ManagePomCases for Answers {
    async fn allocation(
        &self,
        noms: &NomsNumber,
        _: &DetailAddress,
    ) -> Result<(AllocationAnswer, Fetched), FetchError> {
        Ok((AllocationAnswer::NotAllocated, fetched(noms)))
    }

    async fn handover(
        &self,
        noms: &NomsNumber,
        _: &DetailAddress,
    ) -> Result<(HandoverAnswer, Fetched), FetchError> {
        let date = NaiveDate::from_ymd_opt(2027, 1, 4);
        Ok((HandoverAnswer::Dates { handover_date: date, handover_start_date: date }, fetched(noms)))
    }
}

#[async_trait]
impl StaffDirectory for Answers {
    async fn find(&self, _: i64) -> Result<Option<StaffMember>, FetchError> {
        Ok(None)
    }
}

fn fetched(noms: &NomsNumber) -> Fetched {
    Fetched {
        url: format!("https://mpc.example/api/handovers/{noms}"),
        status: 200,
        at: Utc::now(),
        answer: Evidence::of(format!("{{\"nomsNumber\":\"{noms}\",\"handoverDate\":\"2027-01-04\"}}")),
        staff: None,
    }
}

/// Appends so many events to each of so many cases, for rows that read.
pub(super) async fn fill(pool: &sqlx::PgPool, cases: u32, per_case: u32) -> anyhow::Result<()> {
    let store = Arc::new(CaseStore::new(pool.clone(), services()));
    let workers: Vec<_> = (0..CASES_AT_ONCE)
        .map(|worker| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for case in (worker..cases).step_by(CASES_AT_ONCE as usize) {
                    let noms: NomsNumber = noms(case).parse()?;
                    for _ in 0..per_case {
                        let (command, receipt) = command(&noms);
                        store.execute(&noms, command, Cause::Message(receipt)).await?;
                    }
                }
                anyhow::Ok(())
            })
        })
        .collect();
    for worker in workers {
        worker.await??;
    }
    Ok(())
}
