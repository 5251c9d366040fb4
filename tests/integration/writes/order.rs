//! The same messages leave the same rows in Delius, in any order and however often they are delivered.

use serde_json::Value;
use sqlx::PgPool;

use crate::{
    helpers::world::{NOMS, World},
    stand_ins::Answer,
};

const STAFF: [(i64, &str, &str); 4] =
    [(1, "ADA", "BYRON"), (2, "MARY", "SOMERVILLE"), (3, "EMMY", "NOETHER"), (4, "SOPHIE", "GERMAIN")];

/// Thirty events of one case, one per hour; some repeat the holder, some remove the POM.
fn events() -> Vec<(String, Option<i64>, &'static str)> {
    let mut random = fastrand::Rng::with_seed(20260701);
    (0..30)
        .map(|number| {
            let at = format!("2026-07-{:02}T{:02}:00:00Z", 1 + number / 10, 8 + number % 10);
            let staff = if random.u8(0..6) == 0 { None } else { Some(random.i64(1..=4)) };
            (at, staff, if random.bool() { "LEI" } else { "MDI" })
        })
        .collect()
}

fn message(world: &World, number: usize, event: &(String, Option<i64>, &str)) -> Value {
    let (at, staff, prison) = event;
    let message = world.allocation(&format!("m{number}"), at, *staff).to_string();
    serde_json::from_str(&message.replace("LEI", prison)).unwrap()
}

/// Every staff code is known before the case begins, and one POM is responsible.
async fn prepare(world: &World) {
    for (number, (code, forename, surname)) in STAFF.into_iter().enumerate() {
        let noms = format!("A000{number}AA");
        world.mpc.mpc().allocation(&noms, Answer::allocated(code, forename, surname, None, "LEI"));
        let teaching = world.allocation(&format!("teach{number}"), "2026-06-01T09:00:00Z", code);
        let teaching: Value = serde_json::from_str(&teaching.to_string().replace(NOMS, &noms)).unwrap();
        world.accept(&teaching).await;
    }
    let (code, forename, surname) = STAFF[0];
    world.mpc.mpc().allocation(NOMS, Answer::allocated(code, forename, surname, None, "LEI"));
    world.apply(&world.allocation("start", "2026-06-30T09:00:00Z", code)).await;
    sqlx::query(
        "insert into responsible_officer (offender_id, prison_offender_manager_id, start_date)
         select offender_id, prison_offender_manager_id, allocation_date from prison_offender_manager",
    )
    .execute(&world.delius)
    .await
    .unwrap();
}

#[sqlx::test(migrations = "migrations/store")]
async fn thirty_events_shuffled_and_each_delivered_twice_leave_the_rows_of_the_order(store: PgPool) {
    let events = events();
    let in_order = World::on(store.clone()).await;
    prepare(&in_order).await;
    for (number, event) in events.iter().enumerate() {
        in_order.apply(&message(&in_order, number, event)).await;
    }
    let (poms, responsible) = (in_order.poms(NOMS).await, in_order.responsible(NOMS).await);
    assert!(poms.len() > 15, "{poms:#?}");
    assert!(responsible.len() > 15, "{responsible:#?}");
    in_order.end().await;

    for seed in 1..=3 {
        // One store serves several runs; only a superuser can empty it.
        sqlx::raw_sql(
            "set session_replication_role = replica;
             delete from outbox_attempts; delete from outbox; delete from message_receipts;
             delete from staff_directory; delete from unreflected_allocations; delete from events;
             set session_replication_role = origin",
        )
        .execute(&store)
        .await
        .unwrap();
        let shuffled = World::on(store.clone()).await;
        prepare(&shuffled).await;
        let mut deliveries: Vec<usize> = (0..events.len()).chain(0..events.len()).collect();
        fastrand::Rng::with_seed(seed).shuffle(&mut deliveries);
        for (position, number) in deliveries.into_iter().enumerate() {
            shuffled.accept(&message(&shuffled, number, &events[number])).await;
            if position % 3 == 0 {
                shuffled.drain().await;
            }
        }
        shuffled.drain().await;
        assert_eq!(shuffled.poms(NOMS).await, poms, "seed {seed}");
        assert_eq!(shuffled.responsible(NOMS).await, responsible, "seed {seed}");
        shuffled.end().await;
    }
}
