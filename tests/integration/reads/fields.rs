//! Each field of the case record, from real rows.

use manage_pom_cases_and_delius::{
    case::PersonId,
    delius::records::{CaseReader, Resourcing, RoshLevel},
};
use serde_json::json;
use sqlx::PgPool;

use crate::helpers::people::{decision, facts, ground, manage, person, register, run, staff};

#[sqlx::test(migrations = "migrations/delius")]
async fn a_full_record_reads_as_the_contract_shows_it(delius: PgPool) {
    let ground = ground(&delius).await;
    let ada = person(&delius, "X123456", Some("A1234BC")).await;
    let com = staff(&delius, &ground, "N07A007", ["Ada", "Mary", "Byron"], Some("AdaByron")).await;
    manage(&delius, &ground, ada, com, "2026-01-05 09:00:00").await;
    run(
        &delius,
        "UPDATE offender SET current_tier =
           (SELECT standard_reference_list_id FROM r_standard_reference_list WHERE code_value = 'UB2')",
    )
    .await;
    decision(&delius, ada, Some("R"), "2026-02-01 00:00:00").await;
    register(&delius, ada, "MAPP", "2026-02-02", Some("M2"), Some("M1")).await;
    register(&delius, ada, "DASO", "2026-02-03", None, None).await;
    register(&delius, ada, "RVRH", "2026-03-14", None, None).await;

    let facts = facts(&delius, "x123456").await;

    assert_eq!(
        serde_json::to_value(&facts.record).unwrap(),
        json!({
            "crn": "X123456", "nomsId": "A1234BC", "currentTier": "B2", "resourcing": "ENHANCED",
            "manager": {
                "code": "N07A007",
                "name": {"forename": "Ada Mary", "middleName": null, "surname": "Byron"},
                "email": null,
                "team": {"code": "N07T01", "description": "Team one",
                         "localDeliveryUnit": {"code": "N07LDU1", "description": "LDU one"}}
            },
            "mappaLevel": 2, "vloAssigned": true, "rosh": {"level": "VERY_HIGH", "startDate": "2026-03-14"}
        })
    );
    assert_eq!(facts.manager_user.as_deref(), Some("AdaByron"));
    assert!(!facts.noms_shared);
    let mappa = facts.mappa.expect("the MAPPA registration");
    assert_eq!((mappa.level, mappa.category), (Some(2), Some(1)));
    assert_eq!(mappa.level_description.as_deref(), Some("MAPPA Level 2"));
    assert_eq!(mappa.category_description.as_deref(), Some("MAPPA Category 1"));
    assert_eq!((mappa.start_date.to_string().as_str(), mappa.review_date), ("2026-02-02", None));
}

#[sqlx::test(migrations = "migrations/delius")]
async fn a_person_without_anything_has_a_record_of_nulls(delius: PgPool) {
    person(&delius, "X000001", None).await;
    assert_eq!(
        serde_json::to_value(facts(&delius, "X000001").await.record).unwrap(),
        json!({"crn": "X000001", "nomsId": null, "currentTier": null, "resourcing": null, "manager": null,
               "mappaLevel": 0, "vloAssigned": false, "rosh": null})
    );
}

#[sqlx::test(migrations = "migrations/delius")]
async fn a_case_record_is_found_by_either_identifier_and_a_batch_in_one_statement(delius: PgPool) {
    person(&delius, "X000001", Some("A0001AA")).await;
    person(&delius, "X000002", Some("A0002AA")).await;
    person(&delius, "X000003", None).await;
    let gone = person(&delius, "X000004", Some("A0004AA")).await;
    run(&delius, &format!("UPDATE offender SET soft_deleted = 1 WHERE offender_id = {gone}")).await;

    let people: Vec<PersonId> = ["A0001AA", "X000002", "X000003", "X000004", "A0004AA", "X999999"]
        .map(|it| it.parse().unwrap())
        .into();
    let found = CaseReader::new(delius).find(&people).await.unwrap();

    let crns: Vec<_> = found.iter().map(|it| it.record.crn.as_str()).collect();
    assert_eq!(crns, ["X000001", "X000002", "X000003"], "soft-deleted and unknown people are not found");
}

#[sqlx::test(migrations = "migrations/delius")]
async fn a_noms_number_that_two_live_people_share_says_so(delius: PgPool) {
    person(&delius, "X000001", Some("A0001AA")).await;
    let other = person(&delius, "X000002", Some("A0001AA")).await;
    assert!(facts(&delius, "X000001").await.noms_shared);

    run(&delius, &format!("UPDATE offender SET soft_deleted = 1 WHERE offender_id = {other}")).await;
    assert!(!facts(&delius, "X000001").await.noms_shared, "a deleted person does not count");
}

#[sqlx::test(migrations = "migrations/delius")]
async fn resourcing_is_the_latest_decision_of_an_active_event_with_an_active_disposal(delius: PgPool) {
    let ada = person(&delius, "X000001", None).await;
    let resourcing = || async { facts(&delius, "X000001").await.record.resourcing };

    decision(&delius, ada, Some("A"), "2026-01-01").await;
    assert_eq!(resourcing().await, Some(Resourcing::Normal));

    let later = decision(&delius, ada, Some("R"), "2026-02-01").await;
    assert_eq!(resourcing().await, Some(Resourcing::Enhanced));

    decision(&delius, ada, Some("A"), "").await;
    decision(&delius, ada, None, "2026-03-01").await;
    assert_eq!(
        resourcing().await,
        Some(Resourcing::Enhanced),
        "no date is no later date, no decision is none"
    );

    for (off, on) in [
        (
            format!("UPDATE event SET active_flag = 0 WHERE event_id = {later}"),
            "UPDATE event SET active_flag = 1",
        ),
        (
            format!("UPDATE event SET soft_deleted = 1 WHERE event_id = {later}"),
            "UPDATE event SET soft_deleted = 0",
        ),
        (
            format!(
                "UPDATE disposal SET active_flag = 0, termination_date = '2026-01-01' WHERE event_id = {later}"
            ),
            "UPDATE disposal SET active_flag = 1, termination_date = NULL",
        ),
        (
            format!("UPDATE disposal SET soft_deleted = 1 WHERE event_id = {later}"),
            "UPDATE disposal SET soft_deleted = 0",
        ),
    ] {
        run(&delius, &off).await;
        assert_eq!(resourcing().await, Some(Resourcing::Normal), "{off}");
        run(&delius, on).await;
        assert_eq!(resourcing().await, Some(Resourcing::Enhanced), "{on}");
    }

    decision(&delius, ada, Some("A"), "2026-02-01").await;
    assert_eq!(
        resourcing().await,
        Some(Resourcing::Normal),
        "of two decisions of one moment the later row wins"
    );

    decision(&delius, ada, Some("N"), "2026-04-01").await;
    assert_eq!(resourcing().await, None, "the decision N is the latest and says nothing");
}

#[sqlx::test(migrations = "migrations/delius")]
async fn the_manager_is_the_active_undeleted_com_allocated_last(delius: PgPool) {
    let ground = ground(&delius).await;
    let ada = person(&delius, "X000001", None).await;
    let first = staff(&delius, &ground, "N07A001", ["Ada", "", "One"], None).await;
    let second = staff(&delius, &ground, "N07A002", ["Bea", "", "Two"], None).await;
    let code = || async { facts(&delius, "X000001").await.record.manager.and_then(|it| it.code) };
    assert_eq!(code().await, None);

    let latest = manage(&delius, &ground, ada, first, "2026-02-01").await;
    manage(&delius, &ground, ada, second, "2026-01-01").await;
    assert_eq!(code().await.as_deref(), Some("N07A001"));

    manage(&delius, &ground, ada, second, "2026-02-01").await;
    assert_eq!(code().await.as_deref(), Some("N07A002"), "of two of one moment the later row wins");

    run(
        &delius,
        &format!(
            "UPDATE offender_manager SET active_flag = 0, end_date = '2026-03-01' WHERE offender_manager_id > {latest}"
        ),
    )
    .await;
    assert_eq!(code().await.as_deref(), Some("N07A001"), "inactive ones do not count");

    run(&delius, "UPDATE offender_manager SET soft_deleted = 1").await;
    assert_eq!(facts(&delius, "X000001").await.record.manager, None, "deleted ones do not count");
}

#[sqlx::test(migrations = "migrations/delius")]
async fn an_unallocated_case_has_a_team_and_nobody_in_it(delius: PgPool) {
    let ground = ground(&delius).await;
    let ada = person(&delius, "X000001", None).await;
    let nobody = staff(&delius, &ground, "N07T01U", ["Unallocated", "", "Staff"], Some("Nobody")).await;
    manage(&delius, &ground, ada, nobody, "2026-02-01").await;

    let facts = facts(&delius, "X000001").await;

    assert_eq!(facts.manager_user, None);
    assert_eq!(
        serde_json::to_value(facts.record.manager).unwrap(),
        json!({"code": null, "name": null, "email": null,
               "team": {"code": "N07T01", "description": "Team one",
                        "localDeliveryUnit": {"code": "N07LDU1", "description": "LDU one"}}})
    );
}

#[sqlx::test(migrations = "migrations/delius")]
async fn a_com_without_middle_name_or_user_is_served_with_nulls(delius: PgPool) {
    let ground = ground(&delius).await;
    let ada = person(&delius, "X000001", None).await;
    let com = staff(&delius, &ground, "N07A001", ["Ada", "", "One"], None).await;
    manage(&delius, &ground, ada, com, "2026-02-01").await;

    let facts = facts(&delius, "X000001").await;

    let manager = facts.record.manager.expect("a manager");
    let name = manager.name.unwrap();
    assert_eq!((name.forename.as_str(), name.middle_name), ("Ada", None));
    assert_eq!(facts.manager_user, None);
}

#[sqlx::test(migrations = "migrations/delius")]
async fn the_mappa_level_is_that_of_the_latest_live_registration(delius: PgPool) {
    let ada = person(&delius, "X000001", None).await;
    let level = || async { facts(&delius, "X000001").await.record.mappa_level };
    assert_eq!(level().await, 0, "without any registration");

    register(&delius, ada, "MAPP", "2026-01-01", Some("M1"), None).await;
    let deregistered = register(&delius, ada, "MAPP", "2026-03-01", Some("M3"), None).await;
    let deleted = register(&delius, ada, "MAPP", "2026-03-02", Some("M3"), None).await;
    assert_eq!(level().await, 3);
    run(&delius, &format!("UPDATE registration SET deregistered = 1 WHERE registration_id = {deregistered}"))
        .await;
    run(&delius, &format!("UPDATE registration SET soft_deleted = 1 WHERE registration_id = {deleted}"))
        .await;
    assert_eq!(level().await, 1, "registrations that are not live do not count");

    let tie = register(&delius, ada, "MAPP", "2026-01-01", Some("M2"), None).await;
    assert_eq!(level().await, 2, "equal dates and creation: the higher id");
    run(
        &delius,
        &format!("UPDATE registration SET created_datetime = '2020-01-01' WHERE registration_id = {tie}"),
    )
    .await;
    assert_eq!(level().await, 1, "equal dates: the one created later");

    register(&delius, ada, "MAPP", "2026-04-01", None, None).await;
    let facts = facts(&delius, "X000001").await;
    assert_eq!(facts.record.mappa_level, 0, "a registration without level counts as zero");
    assert_eq!(facts.mappa.map(|it| (it.level, it.category)), Some((None, None)));
}

#[sqlx::test(migrations = "migrations/delius")]
async fn mappa_details_carry_the_review_date_and_categories_by_number(delius: PgPool) {
    let ada = person(&delius, "X000001", None).await;
    for (level, category, numbers) in [("M0", "X9", (0, 0)), ("M3", "M4", (3, 4)), ("M1", "M2", (1, 2))] {
        run(&delius, "DELETE FROM registration").await;
        register(&delius, ada, "MAPP", "2026-01-01", Some(level), Some(category)).await;
        run(&delius, "UPDATE registration SET next_review_date = '2026-07-01'").await;
        let mappa = facts(&delius, "X000001").await.mappa.expect(level);
        assert_eq!((mappa.level, mappa.category), (Some(numbers.0), Some(numbers.1)), "{level} {category}");
        assert_eq!(mappa.review_date.map(|it| it.to_string()).as_deref(), Some("2026-07-01"));
    }
}

#[sqlx::test(migrations = "migrations/delius")]
async fn a_victim_liaison_officer_is_assigned_by_either_register(delius: PgPool) {
    let ada = person(&delius, "X000001", None).await;
    for kind in ["DASO", "INVI"] {
        assert!(!facts(&delius, "X000001").await.record.vlo_assigned);
        register(&delius, ada, kind, "2026-01-01", None, None).await;
        assert!(facts(&delius, "X000001").await.record.vlo_assigned, "{kind}");
        run(&delius, "UPDATE registration SET deregistered = 1").await;
        assert!(!facts(&delius, "X000001").await.record.vlo_assigned, "{kind} deregistered");
        run(&delius, "UPDATE registration SET deregistered = 0, soft_deleted = 1").await;
    }
}

#[sqlx::test(migrations = "migrations/delius")]
async fn the_risk_of_serious_harm_is_the_latest_live_registration_of_the_four_types(delius: PgPool) {
    let ada = person(&delius, "X000001", None).await;
    let rosh = || async {
        facts(&delius, "X000001").await.record.rosh.map(|it| (it.level, it.start_date.to_string()))
    };
    register(&delius, ada, "MAPP", "2026-05-01", Some("M3"), None).await;
    assert_eq!(rosh().await, None, "another register says nothing of harm");

    for (kind, date, level) in [
        ("RLRH", "2026-01-01", RoshLevel::Low),
        ("RMRH", "2026-01-02", RoshLevel::Medium),
        ("RHRH", "2026-01-03", RoshLevel::High),
        ("RVRH", "2026-01-04", RoshLevel::VeryHigh),
    ] {
        register(&delius, ada, kind, date, None, None).await;
        assert_eq!(rosh().await, Some((level, date.to_owned())));
    }
    let tie = register(&delius, ada, "RLRH", "2026-01-04", None, None).await;
    assert_eq!(
        rosh().await,
        Some((RoshLevel::Low, "2026-01-04".into())),
        "equal dates and creation: the higher id"
    );
    run(
        &delius,
        &format!("UPDATE registration SET created_datetime = '2020-01-01' WHERE registration_id = {tie}"),
    )
    .await;
    assert_eq!(rosh().await.map(|it| it.0), Some(RoshLevel::VeryHigh), "equal dates: the one created later");

    run(&delius, "UPDATE registration SET deregistered = 1 WHERE registration_date = '2026-01-04'").await;
    assert_eq!(rosh().await.map(|it| it.0), Some(RoshLevel::High), "what is not live does not count");

    // Under the same flag, and of no level.
    register(&delius, ada, "RISK", "2026-06-01", None, None).await;
    assert_eq!(
        rosh().await.map(|it| it.0),
        Some(RoshLevel::High),
        "a newer one of another type hides nothing"
    );
}

#[sqlx::test(migrations = "migrations/delius")]
async fn the_tier_is_read_by_its_code(delius: PgPool) {
    person(&delius, "X000001", None).await;
    for (code, tier) in
        [("UA1", Some("A1")), ("SPB", Some("B")), ("SPBI", Some("B")), ("SPNA", None), ("M", None)]
    {
        run(&delius, &format!("UPDATE offender SET current_tier = dev_reference('TIER', '{code}')")).await;
        assert_eq!(facts(&delius, "X000001").await.record.current_tier.as_deref(), tier, "{code}");
    }
}

#[sqlx::test(migrations = "migrations/delius")]
async fn what_is_dated_in_the_future_is_not_the_latest(delius: PgPool) {
    let ground = ground(&delius).await;
    let ada = person(&delius, "X000001", None).await;
    let [now, later] =
        ["N07A001", "N07A002"].map(|code| staff(&delius, &ground, code, ["Ada", "", "One"], None));
    let (now, later) = (now.await, later.await);
    for (com, since, level, rosh, decided) in
        [(now, "2026-01-01", "M1", "RLRH", "A"), (later, "2999-01-01", "M3", "RVRH", "R")]
    {
        manage(&delius, &ground, ada, com, since).await;
        register(&delius, ada, "MAPP", since, Some(level), None).await;
        register(&delius, ada, rosh, since, None, None).await;
        decision(&delius, ada, Some(decided), since).await;
    }
    let record = facts(&delius, "X000001").await.record;
    assert_eq!(record.manager.and_then(|it| it.code).as_deref(), Some("N07A001"));
    assert_eq!((record.mappa_level, record.resourcing), (1, Some(Resourcing::Normal)));
    assert_eq!(record.rosh.map(|it| it.level), Some(RoshLevel::Low));
}

#[sqlx::test(migrations = "migrations/delius")]
async fn a_manager_without_team_or_staff_of_ours_leaves_the_record_there(delius: PgPool) {
    let ground = ground(&delius).await;
    let ada = person(&delius, "X000001", None).await;
    let com = staff(&delius, &ground, "N07A001", ["Ada", "", "One"], Some("AdaOne")).await;
    manage(&delius, &ground, ada, com, "2026-02-01").await;
    run(&delius, "UPDATE offender_manager SET allocation_staff_id = NULL").await;
    let manager = facts(&delius, "X000001").await.record.manager.expect("a team without anybody");
    assert_eq!((manager.code, manager.name, manager.team.code.as_str()), (None, None, "N07T01"));
    run(&delius, "UPDATE offender_manager SET team_id = NULL").await;
    assert_eq!(facts(&delius, "X000001").await.record.manager, None);

    // An officer without a code is a person all the same.
    run(&delius, "UPDATE staff SET officer_code = NULL").await;
    manage(&delius, &ground, ada, com, "2026-03-01").await;
    let facts = facts(&delius, "X000001").await;
    let manager = facts.record.manager.expect("a manager");
    assert_eq!((manager.code, manager.name.map(|it| it.surname).as_deref()), (None, Some("One")));
    assert_eq!(facts.manager_user.as_deref(), Some("AdaOne"));
}
