//! One person is one member of staff, however the name is spelt and whatever the database's language.

use manage_pom_cases_and_delius::{
    case::{AddressedWrite, DeliusWrite, OutcomeName},
    delius::{LedgerLookup, OtherStaff, StaffRows},
};
use sqlx::PgPool;

use crate::helpers::delius::{allocation, apply, count, ground, staff};

fn named(forename: &str, surname: &str) -> AddressedWrite {
    let mut write = allocation("2026-07-01T09:00:00Z", "ADA BYRON", "LEI");
    let DeliusWrite::AllocatePom { pom, .. } = &mut write.write else { unreachable!() };
    (pom.forename, pom.surname) = (forename.to_owned(), surname.to_owned());
    write
}

#[sqlx::test(migrations = "migrations/delius")]
async fn a_member_of_staff_is_found_under_every_spelling_of_the_name(pool: PgPool) {
    let (delius, _) = ground(&pool).await;
    for (number, (held, given)) in [
        (["Jo  Ann", "Whitlocktest"], ["Jo  Ann", "Whitlocktest"]),
        (["Jo\u{a0}Anne", "Whitlocktest "], ["JO ANNE", "WHITLOCKTEST"]),
        (["Niamh", "O'Learytest"], ["NIAMH", "O\u{2019}LEARYTEST"]),
        (["Niamha", "O\u{2bc}Learytest"], ["NIAMHA", "O'LEARYTEST"]),
        (["RENÉE", "GARÇONTEST"], ["Renée", "Garçontest"]),
        (["Rene\u{301}e", "Duvaltest"], ["RENÉE", "DUVALTEST"]),
        (["Renée", "Duvalltest"], ["RENE\u{301}E", "DUVALLTEST"]),
        (["Ada", "Smith\u{2011}Jonestest"], ["ADA", "SMITH-JONESTEST"]),
        (["Zo\u{200b}e", "Straußtest"], ["ZOE", "STRAUSSTEST"]),
    ]
    .into_iter()
    .enumerate()
    {
        let id = staff(&pool, &format!("N03B{number:03}"), held[0], held[1]).await;
        let outcome = apply(&delius, &named(given[0], given[1])).await;
        assert_eq!(outcome.name, OutcomeName::PomAllocated, "{held:?} {given:?}");
        let allocated =
            format!("prison_offender_manager where allocation_staff_id = {id} and soft_deleted = 0");
        assert_eq!(count(&pool, &allocated).await, 1, "{held:?} {given:?}");
    }
    assert_eq!(count(&pool, "staff where officer_code like 'N03A0%'").await, 0, "nobody was created");
}

#[sqlx::test(migrations = "migrations/delius")]
async fn who_is_created_has_the_name_in_title_case_and_is_found_again(pool: PgPool) {
    let (delius, _) = ground(&pool).await;
    for (forename, surname) in
        [("RENE\u{301}E", "DUVAL\u{200b}TEST"), ("RENÉE", "DUVALTEST"), ("renée", "duvaltest")]
    {
        apply(&delius, &named(forename, surname)).await;
    }
    let stored: Vec<(String, String)> =
        sqlx::query_as("select forename, surname from staff where officer_code like 'N03A0%'")
            .fetch_all(&pool)
            .await
            .unwrap();
    assert_eq!(stored, [("Rene\u{301}e".to_owned(), "Duvaltest".to_owned())]);
}

#[sqlx::test(migrations = "migrations/delius")]
async fn people_whom_only_the_staff_code_tells_apart_are_told_apart_by_what_it_was_written_to(pool: PgPool) {
    let (delius, _) = ground(&pool).await;
    let first = apply(&delius, &named("ADA", "BYRON")).await.staff_id().unwrap();
    // The other Ada Byron of the same prison: not the row of the first one's code.
    let of_others = |staff_id, surname: &str| {
        vec![OtherStaff { staff_id, forename: "ADA".to_owned(), surname: surname.to_owned() }]
    };
    let other = StaffRows { of_pom: None, of_others: of_others(first, "BYRON") };
    let second = delius
        .apply_for(&named("ADA", "BYRON"), &other, LedgerLookup::First)
        .await
        .unwrap()
        .staff_id()
        .unwrap();
    assert_ne!(first, second);
    assert_eq!(count(&pool, "staff where surname = 'Byron'").await, 2);

    // A name that changed is still the same person.
    let known = StaffRows { of_pom: Some(first), of_others: of_others(second, "BYRON") };
    let married = delius.apply_for(&named("ADA", "LOVELACE"), &known, LedgerLookup::First).await.unwrap();
    assert_eq!((married.name, married.staff_id()), (OutcomeName::PomAllocated, Some(first)));
    let again = delius.apply_for(&named("ADA", "LOVELACE"), &known, LedgerLookup::First).await.unwrap();
    assert_eq!(
        (again.name, again.staff_id()),
        (OutcomeName::NoPomChange, Some(first)),
        "also where nothing changes"
    );

    // A row that is no longer active in the provider is not meant, nor one of another provider: then the name decides.
    sqlx::query("update staff set end_date = '2026-01-01', start_date = '2020-01-01' where staff_id = $1")
        .bind(first)
        .execute(&pool)
        .await
        .unwrap();
    let lovelace = delius
        .apply_for(&named("ADA", "LOVELACE"), &known, LedgerLookup::First)
        .await
        .unwrap()
        .staff_id()
        .unwrap();
    assert!(lovelace != first && lovelace != second);
    let elsewhere = staff(&pool, "N04A001", "Ada", "Byron").await;
    let known = StaffRows { of_pom: Some(elsewhere), of_others: vec![] };
    assert_eq!(
        delius.apply_for(&named("ADA", "BYRON"), &known, LedgerLookup::First).await.unwrap().staff_id(),
        Some(second)
    );
}
