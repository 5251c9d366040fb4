//! One person, many numbers: whatever order the messages arrive in, the record and Delius are those of one person.

use manage_pom_cases_and_delius::{
    audit::{history, history::subject_access},
    case::{Crn, NomsNumber, PersonId},
    event_store::identities,
    ingest::Disposition,
};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::{
    helpers::{command, delius, world::World},
    stand_ins::Answer,
};

const UPDATED: &str = "probation-case.prison-identifier.updated";
const ADDED: &str = "probation-case.prison-identifier.added";
pub(crate) const OLD: &str = "A1008BX";
pub(crate) const NEW: &str = "A1009BX";
pub(crate) const CASE: &str = "X900007";

pub(crate) fn message(
    id: &str,
    event_type: &str,
    at: &str,
    people: &[(&str, &str)],
    information: Value,
) -> Value {
    let identifiers: Vec<Value> =
        people.iter().map(|(kind, value)| json!({ "type": kind, "value": value })).collect();
    let event = json!({
        "eventType": event_type, "version": 1, "occurredAt": at,
        "personReference": { "identifiers": identifiers }, "additionalInformation": information,
    });
    json!({
        "Type": "Notification", "MessageId": id, "Message": event.to_string(), "Timestamp": at,
        "MessageAttributes": { "eventType": { "Type": "String", "Value": event_type } }
    })
}

fn allocation(world: &World, id: &str, noms: &str, at: &str, staff_code: i64) -> Value {
    let url = format!("{}/api/allocation/{noms}/primary_pom", world.mpc.mpc_url());
    let mut message = message(
        id,
        "offender-management.allocation.changed",
        at,
        &[("NOMS", noms)],
        json!({ "staffCode": staff_code, "prisonId": "LEI" }),
    );
    let mut event: Value = serde_json::from_str(message["Message"].as_str().unwrap()).unwrap();
    event["detailUrl"] = json!(url);
    message["Message"] = json!(event.to_string());
    message
}

fn replaced(id: &str, at: &str, crn: &str, from: &str, to: &str) -> Value {
    let information = json!({ "previousNomsNumber": from });
    message(id, UPDATED, at, &[("CRN", crn), ("NOMS", to)], information)
}

pub(crate) fn added(id: &str, at: &str, crn: &str, noms: &str) -> Value {
    message(id, ADDED, at, &[("CRN", crn), ("NOMS", noms)], json!({}))
}

pub(crate) async fn person(world: &World, crn: &str, noms: &str) {
    let person = delius::person(&world.delius, crn, noms).await;
    delius::custody(&world.delius, person).await;
}

async fn renumber(world: &World, crn: &str, noms: Option<&str>) {
    sqlx::query("update offender set noms_number = $2 where crn = $1")
        .bind(crn)
        .bind(noms)
        .execute(&world.delius)
        .await
        .unwrap();
}

/// Ada, Mary and Grace are known to our directory of staff codes.
async fn staff_codes(world: &World) {
    let sql = "insert into staff_directory values (1, 'ADA', 'BYRON', null, now()), (2, 'MARY', 'SOMERVILLE', null, now()),
               (3, 'GRACE', 'HOPPER', null, now())";
    sqlx::raw_sql(sql).execute(&world.store).await.unwrap();
}

pub(crate) fn ada(world: &World, noms: &str) {
    world.mpc.mpc().allocation(noms, Answer::allocated(1, "ADA", "BYRON", None, "LEI"));
}

/// Rows of one officer that follow each other without a gap, joined.
async fn periods(world: &World, noms: &str) -> Vec<String> {
    let mut joined: Vec<(String, String, String)> = vec![];
    for row in world.poms(noms).await {
        let (from, rest) = row.split_once(" - ").unwrap();
        let (until, who) = rest.split_once(' ').unwrap();
        match joined.last_mut() {
            Some(last) if last.2 == who && last.1 == from => until.clone_into(&mut last.1),
            _ => joined.push((from.to_owned(), until.to_owned(), who.to_owned())),
        }
    }
    joined.into_iter().map(|(from, until, who)| format!("{from} - {until} {who}")).collect()
}

async fn read(world: &World, id: &str) -> history::History {
    let id: PersonId = id.parse().unwrap();
    let person = identities::person(&world.store, &id, None, None).await.unwrap().unwrap();
    let file = history::load_person(&world.store, &person).await.unwrap().unwrap();
    history::build(&file, &history::Question::default())
}

/// Gus is allocated under the old number, which Delius then replaces.
pub(crate) async fn a_replaced_number(store: PgPool) -> World {
    let world = World::on(store).await;
    person(&world, CASE, OLD).await;
    staff_codes(&world).await;
    ada(&world, OLD);
    ada(&world, NEW);
    world.apply(&allocation(&world, "m1", OLD, "2026-07-01T09:00:00Z", 1)).await;
    renumber(&world, CASE, Some(NEW)).await;
    world.apply(&replaced("m2", "2026-07-10T09:00:00Z", CASE, OLD, NEW)).await;
    world
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_person_is_the_same_by_each_identifier(store: PgPool) {
    let world = a_replaced_number(store).await;
    assert!(world.events(OLD).await.contains(&"IdentityChanged"));
    assert_eq!(world.events(NEW).await[0], "IdentityChanged");
    assert_eq!(world.poms(NEW).await, ["01.10:00:00 - open N03POM Byron"]);

    let by_old = read(&world, OLD).await;
    assert_eq!(by_old.timeline.len(), 1);
    assert_eq!(by_old.numbers, [OLD, NEW]);
    let under: Vec<String> =
        by_old.entries.iter().map(|entry| entry.noms_id.as_ref().unwrap().to_string()).collect();
    assert_eq!(under[0], OLD);
    assert!(under.contains(&NEW.to_owned()), "{under:?}");
    for id in [NEW, CASE] {
        let other = read(&world, id).await;
        assert_eq!((&other.timeline, &other.entries), (&by_old.timeline, &by_old.entries), "{id}");
    }
    for id in [OLD, NEW, CASE] {
        let ended = command::run(&world, &["replay", id, "--decisions"]).await;
        assert_eq!(ended.code, Some(0), "{id}: {}{}", ended.out, ended.err);
        let ended = command::run(&world, &["history", id, "--by", "op", "--as-of", "2026-07-05"]).await;
        assert!(ended.out.contains("ADA BYRON (1), LEI, since 01/07/2026"), "{id}: {}", ended.out);
    }
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn subject_access_gives_what_is_held_under_every_number(store: PgPool) {
    let world = a_replaced_number(store).await;
    let id = PersonId::Crn(CASE.parse::<Crn>().unwrap());
    let person = identities::person(&world.store, &id, None, None).await.unwrap().unwrap();
    let file = history::load_person(&world.store, &person).await.unwrap().unwrap();
    let content = subject_access::content(&file, None, None).unwrap();
    let manager = content.held_by[0].prison_offender_manager.as_ref().unwrap();
    assert_eq!(manager.surname.as_deref(), Some("BYRON"));
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_late_fact_under_the_old_number_reaches_the_person(store: PgPool) {
    let world = a_replaced_number(store).await;
    let late = world.apply(&allocation(&world, "m3", OLD, "2026-07-05T09:00:00Z", 2)).await;
    let Disposition::Recorded { noms, .. } = late else { panic!("{late:?}") };
    assert_eq!(noms.as_str(), NEW, "recorded where the person is now");
    assert_eq!(
        periods(&world, NEW).await,
        ["01.10:00:00 - 05.10:00:00 N03POM Byron", "05.10:00:00 - open N03POM Somerville"]
    );
    let read = read(&world, NEW).await;
    let entry = read.entries.iter().find(|entry| entry.message_id.as_deref() == Some("m3")).unwrap();
    assert_eq!(
        entry.noms_id,
        Some(OLD.parse::<NomsNumber>().unwrap()),
        "and shown under the number it came by"
    );
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn what_was_refused_under_the_former_number_is_written_for_the_person(store: PgPool) {
    let world = World::on(store).await;
    person(&world, CASE, NEW).await;
    ada(&world, OLD);
    ada(&world, NEW);
    world.apply(&allocation(&world, "m1", OLD, "2026-07-01T09:00:00Z", 1)).await;
    assert_eq!(world.outcomes(OLD).await, ["PersonNotFound"]);
    world.apply(&replaced("m2", "2026-07-10T09:00:00Z", CASE, OLD, NEW)).await;
    assert_eq!(world.poms(NEW).await, ["01.10:00:00 - open N03POM Byron"]);
    assert_eq!(
        world.accept(&replaced("m2", "2026-07-10T09:00:00Z", CASE, OLD, NEW)).await,
        Disposition::Duplicate
    );
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn an_allocation_refused_for_two_persons_is_written_once_there_is_one(store: PgPool) {
    let world = World::on(store).await;
    person(&world, "X900005", OLD).await;
    person(&world, "X900006", OLD).await;
    ada(&world, OLD);
    world.apply(&allocation(&world, "m1", OLD, "2026-07-01T09:00:00Z", 1)).await;
    assert_eq!(world.outcomes(OLD).await, ["DuplicatePerson"]);
    sqlx::raw_sql("update offender set soft_deleted = 1 where crn = 'X900006'")
        .execute(&world.delius)
        .await
        .unwrap();
    world
        .apply(&message(
            "m2",
            UPDATED,
            "2026-07-10T09:00:00Z",
            &[("CRN", "X900005"), ("NOMS", OLD)],
            json!({}),
        ))
        .await;
    assert_eq!(world.poms(OLD).await, ["01.10:00:00 - open N03POM Byron"]);
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_number_that_moves_to_another_case_takes_pom_and_dates_along(store: PgPool) {
    let world = World::on(store).await;
    person(&world, "X900001", OLD).await;
    ada(&world, OLD);
    world.mpc.mpc().handover(OLD, Answer::handover(OLD, Some("2027-03-01"), Some("2027-02-01")));
    world.apply(&added("m0", "2026-07-01T08:00:00Z", "X900001", OLD)).await;
    assert_eq!(world.key_dates(OLD).await.len(), 2);
    renumber(&world, "X900001", None).await;
    person(&world, "X900002", OLD).await;
    world.apply(&added("m1", "2026-07-07T09:00:00Z", "X900002", OLD)).await;
    assert_eq!(world.poms(OLD).await, ["01.09:00:00 - open N03POM Byron"]);
    assert_eq!(world.key_dates(OLD).await, ["POM1=2027-02-01", "POM2=2027-03-01"]);
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_number_given_to_another_person_later_gives_nothing_of_the_former_one(store: PgPool) {
    let world = a_replaced_number(store).await;
    person(&world, "X900008", OLD).await;
    world.mpc.mpc().allocation(OLD, Answer::not_found("Not allocated"));
    world.apply(&added("m3", "2026-08-01T09:00:00Z", "X900008", OLD)).await;
    assert_eq!(world.poms(OLD).await, Vec::<String>::new());
    let other = read(&world, "X900008").await;
    assert_eq!((other.timeline.len(), other.numbers.len()), (0, 0));
    assert_eq!(read(&world, CASE).await.timeline.len(), 1, "the first person keeps the past");
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn merged_cases_are_recorded_in_both_and_an_unmerge_ends_the_link(store: PgPool) {
    let world = World::on(store).await;
    for (crn, noms) in [("X900001", OLD), ("X900002", NEW)] {
        person(&world, crn, noms).await;
        ada(&world, noms);
        world.apply(&added(crn, "2026-07-01T09:00:00Z", crn, noms)).await;
    }
    let merge = json!({ "sourceCRN": "X900001", "targetCRN": "X900002" });
    world.apply(&message("m1", "probation-case.merge.completed", "2026-07-10T09:00:00Z", &[], merge)).await;
    for noms in [OLD, NEW] {
        assert_eq!(world.events(noms).await.iter().filter(|name| **name == "IdentityChanged").count(), 1);
    }
    assert_eq!(read(&world, "X900001").await.numbers, [OLD, NEW]);
    let unmerge = json!({ "reactivatedCRN": "X900001", "unmergedCRN": "X900002" });
    world
        .apply(&message("m2", "probation-case.unmerge.completed", "2026-07-20T09:00:00Z", &[], unmerge))
        .await;
    assert_eq!(read(&world, "X900001").await.numbers, Vec::<String>::new());
    world.end().await;
}

/// All orders of four messages, each for a person of its own.
fn orders() -> Vec<[usize; 4]> {
    let mut orders = vec![];
    for code in 0..256 {
        let order = [code & 3, (code >> 2) & 3, (code >> 4) & 3, code >> 6];
        if (0..4).all(|place| order.contains(&place)) {
            orders.push(order);
        }
    }
    orders
}

#[sqlx::test(migrations = "migrations/store")]
async fn delius_ends_as_if_the_number_had_never_changed_in_any_order_of_messages(store: PgPool) {
    let world = World::on(store).await;
    staff_codes(&world).await;
    for (number, order) in orders().into_iter().enumerate() {
        let (crn, old, new) =
            (format!("X9100{number:02}"), format!("A20{number:02}BX"), format!("A21{number:02}BX"));
        person(&world, &crn, &new).await;
        for noms in [&old, &new] {
            world.mpc.mpc().allocation(noms, Answer::allocated(3, "GRACE", "HOPPER", None, "LEI"));
        }
        let id = |part: usize| format!("{number}-{part}");
        let messages = [
            allocation(&world, &id(0), &old, "2026-07-01T09:00:00Z", 1),
            allocation(&world, &id(1), &old, "2026-07-02T09:00:00Z", 2),
            allocation(&world, &id(2), &new, "2026-07-04T09:00:00Z", 3),
            replaced(&id(3), "2026-07-05T09:00:00Z", &crn, &old, &new),
        ];
        for place in order {
            world.apply(&messages[place]).await;
        }
        // Each comes a second time, and changes nothing.
        for message in &messages {
            assert_eq!(world.apply(message).await, Disposition::Duplicate);
        }
        assert_eq!(
            periods(&world, &new).await,
            [
                "01.10:00:00 - 02.10:00:00 N03POM Byron",
                "02.10:00:00 - 04.10:00:00 N03POM Somerville",
                "04.10:00:00 - open N03POM Hopper",
            ],
            "{order:?}"
        );
    }
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_row_in_delius_leads_to_the_record_of_the_person(store: PgPool) {
    let world = a_replaced_number(store).await;
    let row =
        world.count_in_delius("select min(prison_offender_manager_id) from prison_offender_manager").await;
    let row = format!("prison_offender_manager:{row}");
    let ended = command::run(&world, &["history", "--delius-row", &row, "--by", "auditor"]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.out.starts_with(&format!("Case {NEW}, entry 1: ")), "{}", ended.out);
    let explained = command::run(&world, &["history", OLD, "--explain", "1", "--by", "auditor"]).await;
    assert!(ended.out.starts_with(&explained.out), "{}{}", ended.out, explained.out);
    let reading = format!(
        "select count(*) from access_log where action = 'deliusRow' and case_id = '{NEW}' and position = 1"
    );
    assert_eq!(world.count(&reading).await, 1);
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_merged_person_answers_the_same_by_each_identifier_at_each_date_in_every_command(store: PgPool) {
    let world = a_replaced_number(store).await;
    world.apply(&allocation(&world, "m3", OLD, "2026-07-05T09:00:00Z", 2)).await;
    for noms in [OLD, NEW] {
        world.mpc.mpc().allocation(noms, Answer::allocated(2, "MARY", "SOMERVILLE", None, "LEI"));
    }
    let unknown = message("m4", "some.other.event", "2026-07-06T09:00:00Z", &[("NOMS", OLD)], json!({}));
    world.accept(&unknown).await;
    let now: String = sqlx::query_scalar(
        "select to_char(max(recorded_at) at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') from events",
    )
    .fetch_one(&world.store)
    .await
    .unwrap();
    let mut questions: Vec<Vec<&str>> = vec![
        vec!["history", "--as-of", "2026-07-20", "--known-at", &now],
        vec!["history", "--diff", "2026-07-01", "2026-07-20"],
        vec!["history", "--explain", "1"],
        vec!["history", "--explain", "3", "--format", "json"],
        vec!["replay", "--decisions"],
        vec!["reconcile"],
        vec!["outbox", "list", "--all", "--json", "--case"],
        vec!["parked", "list", "--all", "--json", "--case"],
    ];
    for date in ["2026-06-30", "2026-07-01", "2026-07-05", "2026-07-10", "2026-07-20"] {
        questions.push(vec!["history", "--as-of", date]);
    }
    for question in questions {
        let mut answers = vec![];
        for id in [OLD, NEW, CASE] {
            let ended = command::run(&world, &[&question[..], &[id]].concat()).await;
            assert_eq!(ended.code, Some(0), "{question:?} {id}: {}{}", ended.out, ended.err);
            answers.push(ended.out);
        }
        assert!(answers.iter().all(|other| *other == answers[0]), "{question:?}: {answers:#?}");
        assert!(answers[0].len() > 20, "{question:?}: {}", answers[0]);
    }
    let all = command::run(&world, &["reconcile", "--all", "--by", "op", "--why", "weekly"]).await;
    assert_eq!(all.code, Some(0), "{}{}", all.out, all.err);
    world.end().await;
}
