//! The head of each case in the outbox: one, the lowest unfinished write; and what a claim has to look at.

use std::time::Duration;

use manage_pom_cases_and_delius::{
    case::{CaseCommand, NomsNumber, OutcomeName, WriteOutcome, WriteRef},
    event_store::{Cause, ExecuteError},
    outbox::table,
    relay::{Relay, RelayConfig, RelayStep},
};
use serde_json::Value;
use sqlx::PgPool;

use crate::{
    helpers::world::{NOMS, World},
    stand_ins::Answer,
};

const CLAIM: &str = include_str!("../../../src/outbox/claim.sql");
const CASES: [&str; 3] = [NOMS, "A0002AA", "A0003AA"];

/// Cases whose head is not their lowest unfinished write, with what they have instead.
const WRONG_HEADS: &str = "select count(*) from (
    select case_id, array_agg((sequence, ordinal) order by sequence, ordinal) filter (where is_head) as heads,
           (array_agg((sequence, ordinal) order by sequence, ordinal)
               filter (where state in ('pending', 'parked')))[1:1] as lowest
    from outbox group by case_id) as cases
    where heads is distinct from lowest";

async fn accept(world: &World, noms: &str, id: &str) {
    world.mpc.mpc().allocation(noms, Answer::allocated(1, "ADA", "BYRON", None, "LEI"));
    let message = world.allocation(id, "2026-07-01T09:00:00Z", 1).to_string();
    let message: Value = serde_json::from_str(&message.replace(NOMS, noms)).unwrap();
    world.accept(&message).await;
}

async fn execute(world: &World, noms: &str, command: CaseCommand) -> Result<(), ExecuteError> {
    let noms: NomsNumber = noms.parse().unwrap();
    world.cases.execute(&noms, command, Cause::NoMessage).await.map(|_| ())
}

/// Claims what is due and gives each of the claimed writes another fate.
async fn settle(world: &World, choice: usize) {
    for claim in table::claim(&world.store, "test", 2, Duration::from_secs(60)).await.unwrap() {
        let noms = claim.write.noms.to_string();
        if choice.is_multiple_of(3) {
            let command = CaseCommand::ParkWrite {
                write: claim.reference,
                attempts: claim.attempt,
                error: "odd".into(),
            };
            execute(world, &noms, command).await.unwrap();
        } else if choice % 3 == 1 {
            table::release(&world.store, &claim).await.unwrap();
        } else {
            let outcome = WriteOutcome {
                name: OutcomeName::PersonNotFound,
                applied_at: chrono::Utc::now(),
                changes: vec![],
                properties: [].into(),
            };
            let (write, intent, attempt) = (claim.reference, claim.write.write, claim.attempt);
            let command = CaseCommand::RecordOutcome { write, intent, attempt, outcome };
            execute(world, &noms, command).await.unwrap();
        }
    }
}

async fn parked(world: &World) -> Vec<(String, WriteRef)> {
    let parked: Vec<(String, i64, i32)> =
        sqlx::query_as("select case_id, sequence, ordinal from outbox where state = 'parked' order by id")
            .fetch_all(&world.store)
            .await
            .unwrap();
    let reference = |(case, sequence, ordinal): (String, i64, i32)| {
        (case, WriteRef { sequence: sequence.cast_unsigned(), ordinal: ordinal.cast_unsigned() })
    };
    parked.into_iter().map(reference).collect()
}

#[sqlx::test(migrations = "migrations/store")]
async fn whatever_happens_the_head_of_a_case_is_its_lowest_unfinished_write(store: PgPool) {
    let world = World::on(store).await;
    for step in 0..40_usize {
        // A fixed sequence that meets every transition in many orders.
        let choice = step * 7 + step / 5;
        match choice % 5 {
            0 | 1 => accept(&world, CASES[step % 3], &format!("m{step}")).await,
            2 | 3 => settle(&world, choice / 5).await,
            _ => {
                let Some((case, write)) = parked(&world).await.pop() else { continue };
                let (by, why) = ("operator".to_owned(), "test".to_owned());
                let command = match step % 2 {
                    0 => CaseCommand::RetryWrite { write, by, why },
                    _ => CaseCommand::SkipWrite { write, by, why },
                };
                execute(&world, &case, command).await.unwrap();
            }
        }
        assert_eq!(world.count(WRONG_HEADS).await, 0, "after step {step}");
    }
    let states = "select count(distinct state) from outbox";
    assert_eq!(world.count(states).await, 4, "the sequence meets every state");
    world.end().await;
}

/// Rows that a claim of eight read from the outbox and threw away, and the indexes it read.
async fn read_by_a_claim(pool: &PgPool) -> (f64, Vec<String>) {
    fn walk(plan: &Value, removed: &mut f64, indexes: &mut Vec<String>) {
        if plan.get("Relation Name").and_then(Value::as_str) == Some("outbox") {
            for counter in ["Rows Removed by Filter", "Rows Removed by Index Recheck"] {
                *removed += plan.get(counter).and_then(Value::as_f64).unwrap_or_default();
            }
            if plan.get("Node Type").and_then(Value::as_str) == Some("Seq Scan") {
                indexes.push("(all rows)".to_owned());
            }
        }
        indexes.extend(plan.get("Index Name").and_then(Value::as_str).map(str::to_owned));
        for child in plan.get("Plans").and_then(Value::as_array).into_iter().flatten() {
            walk(child, removed, indexes);
        }
    }
    let explained: Value = sqlx::query_scalar(&format!("explain (analyze, format json) {CLAIM}"))
        .bind(8_i64)
        .bind("test")
        .bind(60.0)
        .bind("lost")
        .fetch_one(pool)
        .await
        .unwrap();
    let (mut removed, mut indexes) = (0.0, vec![]);
    walk(&explained[0]["Plan"], &mut removed, &mut indexes);
    (removed, indexes)
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_claim_reads_no_row_that_it_does_not_take_however_many_wait(pool: PgPool) {
    sqlx::raw_sql(
        "insert into outbox (id, case_id, sequence, ordinal, kind, intent, state, is_head, available_at)
         select gen_random_uuid(), 'P' || n, place, 0, 'k', '{}', case place when 1 then 'parked' else 'pending' end,
                place = 1, now() - interval '1 hour'
         from generate_series(1, 200) n, generate_series(1, 20) place;
         insert into outbox (id, case_id, sequence, ordinal, kind, intent, is_head, available_at, lease_until)
         select gen_random_uuid(), 'L' || n, 1, 0, 'k', '{}', true, now() + interval '1 hour', now() + interval '1 hour'
         from generate_series(1, 2000) n;
         insert into outbox (id, case_id, sequence, ordinal, kind, intent, is_head)
         select gen_random_uuid(), 'D' || n, 1, 0, 'k', '{}', true from generate_series(1, 2000) n;",
    )
    .execute(&pool)
    .await
    .unwrap();
    sqlx::raw_sql("vacuum analyze outbox").execute(&pool).await.unwrap();
    let (removed, indexes) = read_by_a_claim(&pool).await;
    assert_eq!(removed, 0.0, "{indexes:?}");
    assert!(indexes.iter().any(|index| index == "outbox_due_heads"), "{indexes:?}");
    assert!(!indexes.iter().any(|index| index == "(all rows)"), "{indexes:?}");
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_write_whose_intent_was_changed_in_the_outbox_is_parked_and_not_applied(store: PgPool) {
    let world = World::on(store).await;
    accept(&world, NOMS, "m1").await;
    let forged = r#"update outbox set intent = jsonb_set(intent, '{pom,surname}', '"LOVELACE"')"#;
    sqlx::raw_sql(forged).execute(&world.store).await.unwrap();
    assert_eq!(world.drain().await, [RelayStep::Parked]);
    assert_eq!(world.events(NOMS).await, ["PomAllocated", "DeliusWriteParked"]);
    assert!(world.poms(NOMS).await.is_empty());
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_failure_that_does_not_pass_parks_its_write_while_others_succeed(store: PgPool) {
    let world = World::on(store).await;
    let limits =
        manage_pom_cases_and_delius::delius::Limits { lock: Duration::from_millis(50), ..Default::default() };
    let delius = manage_pom_cases_and_delius::delius::Delius::new(world.delius.clone()).with_limits(limits);
    let config = RelayConfig {
        longest_backoff: Duration::ZERO,
        park_after_failing_for: Duration::ZERO,
        ..RelayConfig::of("test")
    };
    let relay = Relay::new(world.cases.clone(), delius, config);
    // Somebody holds the person's row and never lets go.
    let mut holder = world.delius.begin().await.unwrap();
    sqlx::query("select from offender where noms_number = $1 for update")
        .bind(NOMS)
        .execute(&mut *holder)
        .await
        .unwrap();
    accept(&world, NOMS, "m1").await;
    for _ in 0..3 {
        assert_eq!(relay.step().await.unwrap(), [RelayStep::Deferred], "nothing else succeeds either");
    }
    accept(&world, "A0002AA", "m2").await;
    let mut steps = vec![];
    while !world.events(NOMS).await.contains(&"DeliusWriteParked") && steps.len() < 10 {
        steps.extend(relay.step().await.unwrap());
    }
    assert!(matches!(steps.last(), Some(RelayStep::Parked)), "{steps:?}");
    assert_eq!(world.outcomes("A0002AA").await, ["PersonNotFound"]);
    holder.rollback().await.unwrap();
    world.end().await;
}
