//! Small questions to Delius.

use chrono::NaiveDate;
use manage_pom_cases_and_delius::{
    case::{Crn, NomsNumber},
    delius::{LiveCustody, NomsCursor, Responsible},
};
use sqlx::PgPool;

use crate::helpers::delius::{
    AUDIT, NOMS, SIGNED, allocation, apply, custody, deallocation, ground, handover, person, run,
};

fn noms(text: &str) -> NomsNumber {
    text.parse().unwrap()
}

fn crn(text: &str) -> Crn {
    text.parse().unwrap()
}

#[sqlx::test(migrations = "migrations/delius")]
async fn a_sentence_counts_with_a_noms_number_and_exactly_one_live_custody(pool: PgPool) {
    let (delius, person) = ground(&pool).await;
    let why = |found: LiveCustody| match found {
        LiveCustody::NotApplicable { noms, reason } => (noms, reason),
        LiveCustody::One(noms) => panic!("{noms}"),
    };
    let ask = |text: &str| {
        let (delius, crn) = (delius.clone(), crn(text));
        async move { delius.live_custody(&crn).await.unwrap() }
    };
    assert_eq!(why(ask("X999999").await), (None, "Delius has no person with this CRN".into()));
    assert_eq!(why(ask("X123456").await), (Some(noms(NOMS)), "the person has no live custody".into()));
    custody(&pool, person).await;
    assert_eq!(ask("X123456").await, LiveCustody::One(noms(NOMS)));
    custody(&pool, person).await;
    assert_eq!(why(ask("X123456").await), (Some(noms(NOMS)), "the person has several live custodies".into()));
    run(&pool, "update offender set noms_number = null").await;
    assert_eq!(why(ask("X123456").await), (None, "the person has no NOMS number".into()));
    run(&pool, "update offender set soft_deleted = 1").await;
    assert_eq!(why(ask("X123456").await).1, "Delius has no person with this CRN");
}

#[sqlx::test(migrations = "migrations/delius")]
async fn crn_and_noms_number_lead_to_each_other(pool: PgPool) {
    let (delius, _) = ground(&pool).await;
    assert_eq!(delius.noms_of(&crn("X123456")).await.unwrap(), Some(noms(NOMS)));
    assert_eq!(delius.noms_of(&crn("X999999")).await.unwrap(), None);
    assert_eq!(delius.crn_of(&noms(NOMS)).await.unwrap(), Some(crn("X123456")));
    assert_eq!(delius.crn_of(&noms("Z9999ZZ")).await.unwrap(), None);
    person(&pool, "X000002", NOMS).await;
    assert_eq!(delius.crn_of(&noms(NOMS)).await.unwrap(), None, "two persons have it");
    run(&pool, "update offender set noms_number = null where crn = 'X000002'").await;
    assert_eq!(delius.noms_of(&crn("X000002")).await.unwrap(), None);
}

#[sqlx::test(migrations = "migrations/delius")]
async fn the_bulk_list_has_everybody_in_custody_page_by_page(pool: PgPool) {
    let (delius, _) = ground(&pool).await;
    for number in 0..7 {
        let id = person(&pool, &format!("Y{number:06}"), &format!("B000{number}CD")).await;
        custody(&pool, id).await;
    }
    let of = |noms: &str| {
        format!(
            "(select custody_id from custody join disposal using (disposal_id)
        join event e using (event_id) join offender o on o.offender_id = e.offender_id where noms_number = '{noms}')"
        )
    };
    // Not listed: released to supervision, no prisoner number, two custodies, two persons, nobody.
    run(
        &pool,
        &format!(
            "update custody set custodial_status_id = (select standard_reference_list_id
             from r_standard_reference_list join r_reference_data_master using (reference_data_master_id)
             where code_set_name = 'THROUGHCARE STATUS' and code_value = 'P') where custody_id = {};
         update custody set prisoner_number = ' ' where custody_id = {};
         update custody set custodial_status_id = (select standard_reference_list_id
             from r_standard_reference_list join r_reference_data_master using (reference_data_master_id)
             where code_set_name = 'THROUGHCARE STATUS' and code_value = 'D') where custody_id = {}",
            of("B0001CD"),
            of("B0002CD"),
            of("B0003CD"),
        ),
    )
    .await;
    let fourth: i64 = sqlx::query_scalar("select offender_id from offender where noms_number = 'B0004CD'")
        .fetch_one(&pool)
        .await
        .unwrap();
    custody(&pool, fourth).await;
    let nobody = person(&pool, "Y999999", "UNKNOWN").await;
    custody(&pool, nobody).await;

    let mut cursor = NomsCursor::default();
    let (mut all, mut skipped, mut pages) = (vec![], 0, 0);
    loop {
        let page = delius.noms_in_custody(&cursor, 2).await.unwrap();
        all.extend(page.numbers.iter().map(ToString::to_string));
        skipped += page.skipped;
        pages += 1;
        match page.next {
            Some(next) => cursor = next,
            None => break,
        }
    }
    assert_eq!(all, ["B0000CD", "B0003CD", "B0005CD", "B0006CD"]);
    assert_eq!((skipped, pages), (1, 3));
    let rest = delius.noms_in_custody(&NomsCursor::after(&noms("B0003CD")), 10).await.unwrap();
    assert_eq!((rest.numbers, rest.next), (vec![noms("B0005CD"), noms("B0006CD")], None));
}

#[sqlx::test(migrations = "migrations/delius")]
async fn the_holdings_are_what_delius_has_now(pool: PgPool) {
    let (delius, person_id) = ground(&pool).await;
    let ask = || async { delius.holdings(&noms(NOMS)).await.unwrap() };
    let nothing = ask().await.unwrap();
    assert_eq!((nothing.pom, nothing.responsible, nothing.live_custodies), (None, None, 0));

    custody(&pool, person_id).await;
    apply(&delius, &handover(Some("2026-09-01"), Some("2026-10-01"), false)).await;
    apply(&delius, &allocation("2026-07-01T09:00:00Z", "MARY SOMERVILLE", "LEI")).await;
    apply(&delius, &allocation("2026-07-02T09:00:00Z", "ADA O'NEILL", "MDI")).await;
    run(
        &pool,
        &format!(
            "insert into responsible_officer (responsible_officer_id, offender_id, prison_offender_manager_id, start_date, {AUDIT})
             select nextval('responsible_officer_id_seq'), offender_id, max(prison_offender_manager_id), '2026-07-02 10:00', {SIGNED}
             from prison_offender_manager group by offender_id"
        ),
    )
    .await;
    let held = ask().await.unwrap();
    let pom = held.pom.unwrap();
    assert_eq!((pom.provider.as_str(), pom.prison.as_deref()), ("N04", Some("MDI")));
    assert_eq!(pom.since.to_string(), "2026-07-02 10:00:00");
    assert_eq!(pom.email.as_deref(), Some("o'neill@example.org"));
    assert!(pom.is_named("ada", "O'NEILL") && !pom.is_named("MARY", "SOMERVILLE") && !pom.unallocated);
    assert_eq!(held.responsible, Some(Responsible::Prison));
    assert_eq!(held.handover_start_date, NaiveDate::from_ymd_opt(2026, 9, 1));
    assert_eq!(held.handover_date, NaiveDate::from_ymd_opt(2026, 10, 1));

    apply(&delius, &deallocation("2026-07-03T09:00:00Z")).await;
    assert!(ask().await.unwrap().pom.unwrap().unallocated);
    assert_eq!(delius.holdings(&noms("Z9999ZZ")).await.unwrap(), None);
}
