//! People whom only the NOMIS staff code tells apart.

use sqlx::PgPool;

use crate::{
    helpers::world::{NOMS, World},
    stand_ins::Answer,
};

#[sqlx::test(migrations = "migrations/store")]
async fn two_poms_of_one_name_and_one_whose_name_changes_are_told_apart_by_their_codes(store: PgPool) {
    let world = World::on(store).await;
    for (id, at, code, surname) in [
        ("m1", "2026-07-01T09:00:00Z", 1, "BYRON"),
        ("m2", "2026-07-02T09:00:00Z", 2, "BYRON"),
        ("m3", "2026-07-03T09:00:00Z", 1, "LOVELACE"),
        ("m4", "2026-07-04T09:00:00Z", 2, "BYRON"),
    ] {
        world.mpc.mpc().allocation(NOMS, Answer::allocated(code, "ADA", surname, None, "LEI"));
        world.apply(&world.allocation(id, at, code)).await;
    }
    assert_eq!(world.outcomes(NOMS).await, ["PomAllocated"; 4], "two people take turns");
    let created = "select count(*) from staff where officer_code like 'N03A0%'";
    assert_eq!(world.count_in_delius(created).await, 2, "and nobody is created for the new name");
    assert_eq!(world.count("select count(*) from delius_staff where prison = 'LEI'").await, 2);
    world.end().await;
}
