//! After an erasure nothing of ours identifies the person, everything else still verifies, and the service goes on.

use manage_pom_cases_and_delius::{
    audit::{
        history::{self, Access, Action, subject_access},
        journal::verify::FindingKind,
    },
    case::Crn,
    ingest::Disposition,
    operations::erasure::{self, RemovedRows},
};
use serde_json::{Value, json};
use sqlx::{Executor, PgPool};

use crate::{
    cli::audit::run,
    helpers::{
        audit::{allocated, append, check, enter_all, learned, noms, tamper},
        world::{CRN, NOMS, World, envelope, offender_event},
    },
    messages::identity::{CASE, NEW, OLD, a_replaced_number, ada, added, message, person},
    stand_ins::Answer,
};

/// Everything that the database holds, as text.
async fn dump(pool: &PgPool) -> String {
    let tables: Vec<String> = sqlx::query_scalar(
        "select table_name::text from information_schema.tables
         where table_schema = 'public' and table_type = 'BASE TABLE' order by 1",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    let mut connection = pool.acquire().await.unwrap();
    connection.execute("set bytea_output = 'escape'").await.unwrap();
    let mut dump = String::new();
    for table in tables {
        let rows: Vec<String> = sqlx::query_scalar(&format!("select t::text from {table} t"))
            .fetch_all(&mut *connection)
            .await
            .unwrap();
        for row in rows {
            dump += &format!("{table}: {row}\n");
        }
    }
    connection.execute("reset bytea_output").await.unwrap();
    dump
}

fn mentions(dump: &str, name: &str) -> Vec<String> {
    dump.lines().filter(|line| line.contains(name)).map(str::to_owned).collect()
}

/// Erases whom the identifier means.
async fn erase(pool: &PgPool, id: &str, why: &str) -> Option<RemovedRows> {
    let subject = erasure::subject(pool, &id.parse().unwrap()).await.unwrap();
    erasure::apply(pool, &subject, "operator", why).await.unwrap()
}

/// One person with everything that can be recorded about them, and another person.
async fn two_people(world: &World) {
    let pool = &world.store;
    world.mpc.mpc().allocation(NOMS, Answer::allocated(485_926, "ADA", "BYRON", None, "LEI"));
    world.mpc.mpc().handover(NOMS, Answer::handover(NOMS, Some("2026-09-01"), None));
    world.apply(&world.allocation("message-1", "2026-07-01T09:00:00Z", 485_926)).await;
    world.apply(&world.handover("message-2", "2026-07-02T09:00:00Z")).await;
    world.accept(&world.allocation("message-1", "2026-07-01T09:00:00Z", 485_926)).await;
    let foreign = "https://elsewhere.example/api";
    world
        .accept(&envelope(
            "message-3",
            "offender-management.allocation.changed",
            "2026-07-03T09:00:00Z",
            Some(foreign),
            &json!({ "staffCode": 1, "prisonId": "LEI" }),
        ))
        .await;
    // Never known as being about the case: only its bytes name the person.
    world
        .accept(&envelope("message-4", "some.other.event", "2026-07-04T09:00:00Z", None, &json!(null)))
        .await;
    world.accept(&offender_event("OFFENDER_MANAGER_CHANGED", CRN)).await;
    sqlx::raw_sql(&format!(
        "insert into parked_decisions (parked_id, decision, by_whom, why)
         select id, 'skipped', 'operator', 'why' from parked_messages where message_id = 'message-3';
         insert into outbox_attempts (outbox_id, attempt, worker, error) select id, 9, 'w', 'e' from outbox limit 1;
         insert into case_records (crn, noms_number, generation, facts, loaded_at)
         values ('{CRN}', '{NOMS}', 1, '{{}}', now())
         on conflict (crn) do update set noms_number = excluded.noms_number;
         insert into erasure_requests (message_id, crn, case_id, body, requested_at)
         values ('message-5', '{CRN}', '{NOMS}', 'about {CRN}', now());
         insert into reconcile_accepted (case_id, difference, by_whom, why) values ('{NOMS}', 'BYRON differs', 'op', 'why');
         insert into waiting_decisions (message_id, decision, by_whom, why) values ('message-2', 'retried', 'op', 'why');
         insert into outcome_notices (write_id, case_id, outcome, applied_at)
         select id, case_id, 'PomAllocated', now() from outbox limit 1;
         insert into bulk_runs (id, dry_run, started_at, cursor)
         values ('00000000-0000-0000-0000-000000000001', true, now(), '{NOMS}');
         insert into rebuilds (last_case, finished_at) values ('{NOMS}', now())"
    ))
    .execute(pool)
    .await
    .unwrap();
    let person = manage_pom_cases_and_delius::case::identity::Person::only(noms(NOMS));
    history::load_for(pool, &person, Access::cli("auditor").to(Action::History)).await.unwrap().unwrap();
    append(pool, &noms("B2222BB"), 0, &[learned("other", "2026-07-01T09:00:00Z", 7)]).await;
    enter_all(pool).await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn nothing_that_is_kept_names_the_person_and_everything_else_verifies(store: PgPool) {
    let world = World::on(store).await;
    let pool = &world.store;
    two_people(&world).await;
    let before = check(pool).await.unwrap();
    let names = [NOMS, CRN, "BYRON", "message-1", "message-2", "message-3", "message-4", "message-5"];
    let dumped = dump(pool).await;
    for name in names {
        assert!(!mentions(&dumped, name).is_empty(), "{name} is there to be erased");
    }

    let why = "requested by the probation service";
    let erased = run(pool, &["erasure", "apply", NOMS, "--by", "operator", "--why", why, "--yes"]).await;
    assert_eq!(erased.code, 0, "{}{}", erased.out, erased.err);
    assert!(erased.out.starts_with("erased: "), "{}", erased.out);
    let dumped = dump(pool).await;
    // Of the other person the same invented names are kept.
    let dumped: String =
        dumped.lines().filter(|line| !line.contains("B2222BB")).map(|it| format!("{it}\n")).collect();
    for name in [NOMS, CRN, "message-1", "message-2", "message-3", "message-4", "message-5", "485926"] {
        assert_eq!(mentions(&dumped, name), Vec::<String>::new(), "{name}");
    }
    assert_eq!(world.count("select count(*) from staff_directory").await, 1, "staff of the other case stay");

    enter_all(pool).await;
    let after = check(pool).await.unwrap();
    assert_eq!((after.erasures, after.size), (1, before.size + 1), "the erasure is a leaf itself");
    assert!(after.erased > 5 && after.events == 1, "{after:?}");
    let verified = run(pool, &["verify"]).await;
    assert!(verified.code == 0 && verified.out.contains("1 recorded erasures removed"), "{}", verified.out);
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn an_erased_case_is_answered_and_begins_anew(store: PgPool) {
    let world = World::on(store).await;
    let pool = &world.store;
    two_people(&world).await;
    erase(pool, NOMS, "past its retention").await.unwrap();
    assert_eq!(erase(pool, NOMS, "again").await, None);

    for format in ["table", "json", "csv", "html"] {
        let history = run(pool, &["history", NOMS, "--format", format]).await;
        assert_eq!(history.code, 0, "{}", history.err);
        let said = ["by operator: past its retention", "\"why\": \"past its retention\""];
        assert!(said.iter().any(|said| history.out.contains(said)), "{format}: {}", history.out);
    }
    let file = history::load(pool, &noms(NOMS)).await.unwrap().unwrap();
    assert_eq!(subject_access::content(&file, None, None), None);
    assert_eq!(world.count(&format!("select count(*) from access_log where case_id = '{NOMS}'")).await, 0);

    world.mpc.mpc().allocation(NOMS, Answer::allocated(2, "MARY", "SOMERVILLE", None, "LEI"));
    world.apply(&world.allocation("m9", "2026-08-01T09:00:00Z", 2)).await;
    assert_eq!(world.outcomes(NOMS).await.len(), 1, "the write of the new stream is applied");
    assert_eq!(world.poms(NOMS).await.len(), 2);
    let history = run(pool, &["history", NOMS]).await;
    assert!(history.out.contains("by operator: past its retention"), "{}", history.out);
    for command in [&["replay", "--all"][..], &["replay", NOMS], &["rebuild"], &["verify"]] {
        let ran = run(pool, command).await;
        assert_eq!(ran.code, 0, "{command:?}: {}{}", ran.out, ran.err);
    }
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn an_erasure_asks_for_the_number_once_more_and_never_keeps_it(pool: PgPool) {
    append(&pool, &noms("A1111AA"), 0, &[allocated("m1", "2026-07-01T09:00:00Z", 1)]).await;
    let unconfirmed = run(&pool, &["erasure", "apply", "A1111AA", "--by", "op", "--why", "request"]).await;
    assert!(
        unconfirmed.code == 1 && unconfirmed.err.contains("the identifier was not repeated"),
        "{}",
        unconfirmed.err
    );
    let why = "request about a1111aa";
    let naming = run(&pool, &["erasure", "apply", "A1111AA", "--by", "op", "--why", why, "--yes"]).await;
    assert!(naming.code == 1 && naming.err.contains("it must not name the person"), "{}", naming.err);
    let unknown =
        run(&pool, &["erasure", "apply", "B2222BB", "--by", "op", "--why", "request", "--yes"]).await;
    assert!(unknown.code == 1 && unknown.err.contains("nothing is held for B2222BB"), "{}", unknown.err);
    assert_eq!(history::load(&pool, &noms("A1111AA")).await.unwrap().unwrap().events.len(), 1);
}

#[sqlx::test(migrations = "migrations/store")]
async fn requests_and_cases_past_their_retention_are_listed(pool: PgPool) {
    append(&pool, &noms("A1111AA"), 0, &[allocated("m1", "2026-07-01T09:00:00Z", 1)]).await;
    append(&pool, &noms("B2222BB"), 0, &[allocated("m2", "2026-07-01T09:00:00Z", 1)]).await;
    sqlx::raw_sql(
        "insert into erasure_requests (message_id, crn, case_id, body, requested_at)
         values ('m3', 'X123456', 'B2222BB', '', '2026-07-02T09:00:00Z')",
    )
    .execute(&pool)
    .await
    .unwrap();
    tamper(
        &pool,
        "update events set recorded_at = now() - interval '8 years' where aggregate_id = 'A1111AA'",
    )
    .await;
    let requests = run(&pool, &["erasure", "list"]).await;
    assert!(
        requests.out.starts_with("B2222BB  requested 02/07/2026 10:00:00 BST for CRN X123456; last event ")
    );
    assert!(!requests.out.contains("A1111AA"), "{}", requests.out);
    let both = run(&pool, &["erasure", "list", "--retention-years", "7"]).await;
    assert!(both.out.contains("\nA1111AA  past its retention; last event "), "{}", both.out);
}

#[sqlx::test(migrations = "migrations/store")]
async fn rows_that_are_gone_without_a_recorded_erasure_are_missing(pool: PgPool) {
    append(&pool, &noms("A1111AA"), 0, &[allocated("m1", "2026-07-01T09:00:00Z", 1)]).await;
    append(&pool, &noms("B2222BB"), 0, &[allocated("m2", "2026-07-01T09:00:00Z", 1)]).await;
    enter_all(&pool).await;
    erase(&pool, "A1111AA", "request").await.unwrap();
    enter_all(&pool).await;
    tamper(&pool, "create table before as table erasures; delete from erasures").await;
    let finding = check(&pool).await.unwrap_err();
    assert_eq!((finding.position, finding.kind), (1, FindingKind::Missing { source: "event" }));
    // An erasure that is made to cover more than it did.
    tamper(
        &pool,
        "insert into erasures overriding system value table before;
         update erasures set positions = positions || 3::bigint; delete from events;
         delete from message_receipts",
    )
    .await;
    assert_eq!(check(&pool).await.unwrap_err().name(), "missing");
    tamper(&pool, "update erasures set positions = positions || 4::bigint").await;
    let finding = check(&pool).await.unwrap_err();
    assert_eq!((finding.position, finding.kind), (5, FindingKind::Edited { source: "caseErased" }));
}

/// A request of the probation service, which names the CRN only.
fn request(id: &str, crn: &str) -> Value {
    let event_type = "probation-case.deleted.gdpr";
    message(id, event_type, "2026-07-04T09:00:00Z", &[("CRN", crn)], json!({}))
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_request_to_erase_a_person_is_recorded_once_and_listed_until_it_is_carried_out(store: PgPool) {
    let world = World::on(store).await;
    let pool = &world.store;
    append(pool, &noms(NOMS), 0, &[allocated("m1", "2026-07-01T09:00:00Z", 1)]).await;
    sqlx::raw_sql(&format!(
        "insert into case_records (crn, noms_number, generation, facts, loaded_at)
         values ('{CRN}', '{NOMS}', 1, '{{}}', now())"
    ))
    .execute(pool)
    .await
    .unwrap();
    let crn: Crn = CRN.parse().unwrap();
    assert_eq!(world.accept(&request("request-6", CRN)).await, Disposition::ErasureRequested(crn));
    assert_eq!(world.accept(&request("request-6", CRN)).await, Disposition::Duplicate);
    assert_eq!(world.parked().await, Vec::<String>::new());
    assert_eq!(world.count("select count(*) from case_records where facts is not null").await, 0);
    let other = world.accept(&request("request-7", "X999999")).await;
    assert!(matches!(other, Disposition::ErasureRequested(_)), "of nobody whom we know: listed all the same");

    let listed = run(pool, &["erasure", "list"]).await;
    let lines: Vec<&str> = listed.out.lines().collect();
    assert!(lines[0].starts_with(&format!("{NOMS}  requested ")), "{}", listed.out);
    assert!(lines[0].contains(&format!("for CRN {CRN}")), "{}", listed.out);
    assert!(lines[1].starts_with("no case known  requested ") && lines.len() == 2, "{}", listed.out);
    for id in [CRN, "X999999"] {
        let why = "requested by the probation service";
        let erased = run(pool, &["erasure", "apply", id, "--by", "op", "--why", why, "--yes"]).await;
        assert_eq!(erased.code, 0, "{id}: {}", erased.err);
    }
    assert_eq!(run(pool, &["erasure", "list"]).await.out, "nobody is due for erasure\n");
    let dumped = dump(pool).await;
    for name in [NOMS, CRN, "X999999", "request-6", "request-7"] {
        assert_eq!(mentions(&dumped, name), Vec::<String>::new(), "{name}");
    }
    enter_all(pool).await;
    assert_eq!(check(pool).await.unwrap().erasures, 2);
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn an_erasure_by_a_former_number_covers_every_number_of_the_person_and_nobody_else(store: PgPool) {
    let world = a_replaced_number(store).await;
    let pool = &world.store;
    // Somebody else whose Delius case was taken for the same person's, and is not any more.
    let other = "X900008";
    person(&world, other, "A1010BX").await;
    ada(&world, "A1010BX");
    world.apply(&added("m3", "2026-07-01T09:00:00Z", other, "A1010BX")).await;
    for (id, event_type, at, information) in [
        (
            "m4",
            "probation-case.merge.completed",
            "2026-07-11T09:00:00Z",
            json!({ "sourceCRN": other, "targetCRN": CASE }),
        ),
        (
            "m5",
            "probation-case.unmerge.completed",
            "2026-07-12T09:00:00Z",
            json!({ "reactivatedCRN": other, "unmergedCRN": CASE }),
        ),
    ] {
        world.apply(&message(id, event_type, at, &[], information)).await;
    }
    sqlx::raw_sql(&format!(
        "insert into case_records (crn, noms_number, generation, facts, loaded_at)
         values ('{other}', 'A1010BX', 1, '{{}}', now())
         on conflict (crn) do update set noms_number = 'A1010BX', facts = '{{}}', loaded_at = now()"
    ))
    .execute(pool)
    .await
    .unwrap();
    world
        .accept(&message("m6", "some.other.event", "2026-07-13T09:00:00Z", &[("CRN", other)], json!({})))
        .await;
    let kept = ["case_records where crn", "parked_messages where message_id"];
    enter_all(pool).await;

    let events = (world.events(OLD).await.len() + world.events(NEW).await.len()) as u64;
    let removed = erase(pool, OLD, "requested by the probation service").await.unwrap();
    assert_eq!(removed["events"], events, "of both numbers");
    enter_all(pool).await;
    assert_eq!(check(pool).await.unwrap().erasures, 1);
    let dumped = dump(pool).await;
    for name in [OLD, NEW] {
        let left = mentions(&dumped, name);
        assert!(left.is_empty(), "{name}: {left:?}");
    }
    for (table, key) in kept.iter().zip([other, "m6"]) {
        assert_eq!(world.count(&format!("select count(*) from {table} = '{key}'")).await, 1, "{table}");
    }
    for number in [OLD, NEW] {
        let file = history::load(pool, &noms(number)).await.unwrap().unwrap();
        assert!(file.is_erased() && file.erasures.len() == 1, "{number}");
    }
    assert!(world.events("A1010BX").await.contains(&"IdentityChanged"));
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_number_that_two_persons_had_is_erased_for_both_or_for_neither(store: PgPool) {
    let world = a_replaced_number(store).await;
    person(&world, "X900008", OLD).await;
    world.mpc.mpc().allocation(OLD, Answer::not_found("Not allocated"));
    world.apply(&added("m3", "2026-08-01T09:00:00Z", "X900008", OLD)).await;
    let arguments =
        ["erasure", "apply", NEW, "--by", "op", "--why", "request", "--yes", "--with-shared-numbers"];
    let refused = run(&world.store, &arguments[..8]).await;
    let said = format!("another person had or has the number {OLD}");
    assert!(refused.code == 1 && refused.err.contains(&said), "{}", refused.err);
    assert!(!world.events(NEW).await.is_empty());
    let erased = run(&world.store, &arguments).await;
    assert_eq!(erased.code, 0, "{}", erased.err);
    assert!(world.events(NEW).await.is_empty() && world.events(OLD).await.is_empty());
    world.end().await;
}
