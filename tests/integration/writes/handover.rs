//! Handover key dates on a real database.

use manage_pom_cases_and_delius::case::{OutcomeName, RowAction};
use sqlx::PgPool;

use crate::helpers::delius::{apply, custody, everything, ground, handover, outcome, person, run};

async fn dates(pool: &PgPool) -> Vec<String> {
    sqlx::query_scalar(
        "select type.code_value || ' ' || key_date::date || ' ' || soft_deleted || ' v' || row_version
         from key_date join r_standard_reference_list type on standard_reference_list_id = key_date_type_id
         order by key_date_id",
    )
    .fetch_all(pool)
    .await
    .unwrap()
}

#[sqlx::test(migrations = "migrations/delius")]
async fn dates_are_created_updated_left_and_deleted(pool: PgPool) {
    let (delius, person) = ground(&pool).await;
    custody(&pool, person).await;
    let created = apply(&delius, &handover(Some("2026-09-01"), Some("2026-10-01"), false)).await;
    assert_eq!(created.name, OutcomeName::KeyDateCreated);
    assert_eq!(created.properties["handoverDate"], "2026-10-01");
    assert_eq!(created.properties["handoverStartDate"], "2026-09-01");
    assert_eq!(dates(&pool).await, ["POM1 2026-09-01 0 v0", "POM2 2026-10-01 0 v0"]);

    let updated = apply(&delius, &handover(Some("2026-09-02"), Some("2026-10-01"), false)).await;
    assert_eq!(updated.name, OutcomeName::KeyDateUpdated);
    assert_eq!(updated.properties["existingPOM1"], "2026-09-01");
    assert_eq!(updated.properties["existingPOM2"], "2026-10-01");
    assert_eq!(dates(&pool).await, ["POM1 2026-09-02 0 v1", "POM2 2026-10-01 0 v0"]);

    let same = handover(Some("2026-09-02"), Some("2026-10-01"), false);
    assert_eq!(outcome(&delius, &same).await, OutcomeName::NoKeyDateChange);
    assert_eq!(dates(&pool).await, ["POM1 2026-09-02 0 v1", "POM2 2026-10-01 0 v0"]);

    let deleted = apply(&delius, &handover(None, Some("2026-10-01"), false)).await;
    assert_eq!(deleted.name, OutcomeName::KeyDateDeleted);
    assert_eq!(deleted.changes[0].action, RowAction::Delete);
    assert_eq!(deleted.changes[0].columns["key_date"].from.as_deref(), Some("2026-09-02"));
    assert_eq!(dates(&pool).await, ["POM2 2026-10-01 0 v0"]);

    let again = apply(&delius, &handover(Some("2026-09-02"), Some("2026-10-01"), false)).await;
    assert_eq!(again.name, OutcomeName::KeyDateCreated);
    assert_eq!(dates(&pool).await, ["POM2 2026-10-01 0 v0", "POM1 2026-09-02 0 v0"]);
}

#[sqlx::test(migrations = "migrations/delius")]
async fn a_dry_run_previews_what_the_write_does_and_writes_nothing(pool: PgPool) {
    let (delius, person) = ground(&pool).await;
    custody(&pool, person).await;
    apply(&delius, &handover(Some("2026-09-01"), None, false)).await;
    let before = everything(&pool).await;
    let dry = handover(Some("2026-09-02"), Some("2026-10-01"), true);
    let previewed = apply(&delius, &dry).await;
    assert_eq!(previewed.name, OutcomeName::DryRunKeyDateCreated);
    assert_eq!(everything(&pool).await, before, "not even in the ledger");

    let written = apply(&delius, &handover(Some("2026-09-02"), Some("2026-10-01"), false)).await;
    assert_eq!(written.name, OutcomeName::KeyDateCreated);
    assert_eq!(previewed.changes[0], written.changes[0]);
    assert_eq!(previewed.changes[1].row_id, "new");
    assert_eq!(previewed.changes[1].columns, written.changes[1].columns);
    // It is planned anew each time, and never taken for the write.
    assert_eq!(outcome(&delius, &dry).await, OutcomeName::DryRunNoKeyDateChange);
}

#[sqlx::test(migrations = "migrations/delius")]
async fn dates_need_exactly_one_live_custody(pool: PgPool) {
    let (delius, person_id) = ground(&pool).await;
    let write = || handover(Some("2026-09-01"), None, false);
    assert_eq!(outcome(&delius, &write()).await, OutcomeName::NoActiveCustodialSentence);
    custody(&pool, person_id).await;
    for (off, on) in [
        ("update custody set soft_deleted = 1", "update custody set soft_deleted = 0"),
        ("update disposal set soft_deleted = 1", "update disposal set soft_deleted = 0"),
        (
            "update disposal set active_flag = 0, termination_date = '2026-01-01'",
            "update disposal set active_flag = 1, termination_date = null",
        ),
        ("update event set soft_deleted = 1", "update event set soft_deleted = 0"),
        ("update event set active_flag = 0", "update event set active_flag = 1"),
    ] {
        run(&pool, off).await;
        assert_eq!(outcome(&delius, &write()).await, OutcomeName::NoActiveCustodialSentence, "{off}");
        run(&pool, on).await;
    }
    assert_eq!(outcome(&delius, &write()).await, OutcomeName::KeyDateCreated);
    custody(&pool, person_id).await;
    let refused = apply(&delius, &write()).await;
    assert_eq!(refused.name, OutcomeName::MultipleActiveCustodialSentences);
    assert_eq!(refused.properties["handoverStartDate"], "2026-09-01");
    person(&pool, "X999999", "A1234BC").await;
    assert_eq!(outcome(&delius, &write()).await, OutcomeName::DuplicatePerson);
    let mut unknown = write();
    unknown.noms = "Z9999ZZ".parse().unwrap();
    assert_eq!(outcome(&delius, &unknown).await, OutcomeName::PersonNotFound);
}
