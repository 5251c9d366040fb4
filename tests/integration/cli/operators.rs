//! The operator's commands, run as programs: decisions are recorded, and wrong settings are reported before any
//! connection is made.

use std::process::Output;

use chrono::{DateTime, Utc};
use manage_pom_cases_and_delius::{breakers::Breakers, case::CaseEvent};
use sqlx::PgPool;

use crate::{
    helpers::{
        command::{Ended, run},
        world::{CRN, NOMS, World, delivery},
    },
    stand_ins::Answer,
};

const OTHER_NOMS: &str = "B2345CD";
const RECEIVED: &str = "2026-07-01T10:00:00Z";

/// A message that was parked for a wrong address; the address is right now.
async fn with_a_parked_message(store: PgPool) -> World {
    let world = World::on(store).await;
    world.mpc.mpc().allocation(NOMS, Answer::page(404));
    let mut delivered = delivery(world.allocation("m1", "2026-07-01T09:00:00Z", 1).to_string());
    delivered.received_at = RECEIVED.parse().unwrap();
    world.ingest.accept_now(&delivered).await.unwrap();
    world.mpc.mpc().allocation(NOMS, Answer::allocated(1, "ADA", "BYRON", None, "LEI"));
    world
}

/// The decisions on the parked message, and whether it is still on the list.
async fn decided(world: &World) -> (Vec<String>, bool) {
    let decisions = "select decision || ' by ' || by_whom || ': ' || why from parked_decisions order by id";
    let decisions = sqlx::query_scalar(decisions).fetch_all(&world.store).await.unwrap();
    (decisions, !world.parked().await.is_empty())
}

const RETRY: [&str; 7] = ["parked", "retry", "1", "--by", "Op", "--why", "the address is right"];
const DECISION: &str = "retried by Op: the address is right";

#[sqlx::test(migrations = "migrations/store")]
async fn a_retried_message_keeps_the_time_at_which_it_was_received(store: PgPool) {
    let world = with_a_parked_message(store).await;
    let retried = run(&world, &RETRY).await;
    assert_eq!(retried.code, Some(0), "{}{}", retried.out, retried.err);
    let history = world.history(NOMS).await;
    let received: Vec<DateTime<Utc>> =
        history.iter().filter_map(CaseEvent::provenance).map(|provenance| provenance.received_at).collect();
    assert_eq!(received, [RECEIVED.parse::<DateTime<Utc>>().unwrap()]);
    assert_eq!(decided(&world).await, (vec![DECISION.to_owned()], false));
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn the_decision_to_retry_is_recorded_before_the_message_is_tried(store: PgPool) {
    let world = with_a_parked_message(store).await;
    world.mpc.mpc().break_down(Some(crate::stand_ins::Breakdown::ServerError));
    assert_eq!(run(&world, &RETRY).await.code, Some(1));
    assert_eq!(decided(&world).await, (vec![DECISION.to_owned()], true), "decided, and not lost");
    world.mpc.mpc().break_down(None);
    world.mpc.mpc().allocation(NOMS, Answer::page(404));
    assert_eq!(run(&world, &RETRY).await.code, Some(1));
    let again = "parkedAgain by Op: the address is right".to_owned();
    assert_eq!(decided(&world).await, (vec![DECISION.to_owned(), DECISION.to_owned(), again], true));
    world.end().await;
}

#[cfg(feature = "failpoints")]
#[sqlx::test(migrations = "migrations/store")]
async fn a_retry_that_dies_in_the_middle_has_its_decision_and_is_finished_by_the_next(store: PgPool) {
    let world = with_a_parked_message(store).await;
    let died = crate::helpers::command::command(&world, &RETRY)
        .env("FAILPOINTS", "appended=return")
        .output()
        .await
        .unwrap();
    assert_eq!(died.status.code(), None, "killed");
    assert_eq!(decided(&world).await, (vec![DECISION.to_owned()], true));
    assert_eq!(world.events(NOMS).await, ["PomAllocated"]);
    assert_eq!(run(&world, &RETRY).await.code, Some(0));
    assert_eq!(decided(&world).await, (vec![DECISION.to_owned(), DECISION.to_owned()], false));
    assert_eq!(world.events(NOMS).await.iter().filter(|name| **name == "PomAllocated").count(), 1);
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_case_is_replayed_by_its_crn(store: PgPool) {
    let world = World::on(store).await;
    world.mpc.mpc().allocation(NOMS, Answer::allocated(1, "ADA", "BYRON", None, "LEI"));
    world.apply(&world.allocation("m1", "2026-07-01T09:00:00Z", 1)).await;
    let by_crn = run(&world, &["replay", CRN, "--decisions"]).await;
    assert_eq!(by_crn.code, Some(0), "{}{}", by_crn.out, by_crn.err);
    assert_eq!(by_crn.out, run(&world, &["replay", NOMS, "--decisions"]).await.out);
    let unknown = run(&world, &["replay", "X999999"]).await;
    assert!(
        unknown.err.contains("neither the record nor Delius has a NOMS number for CRN X999999"),
        "{}",
        unknown.err
    );
    world.end().await;
}

/// Two messages of two cases that could not be accepted, because Manage POM Cases answered with an error.
async fn with_waiting_messages(store: PgPool) -> World {
    let world = World::on(store).await;
    world.mpc.mpc().break_down(Some(crate::stand_ins::Breakdown::ServerError));
    for (id, noms) in [("m1", NOMS), ("m2", OTHER_NOMS)] {
        let text = world.allocation(id, "2026-07-01T09:00:00Z", 1).to_string().replace(NOMS, noms);
        let mut message = delivery(text);
        message.received_at = RECEIVED.parse().unwrap();
        let failure = world.ingest.accept(&message).await.unwrap_err();
        world.ingest.keep_waiting(&message, &failure, &Breakers::default()).await.unwrap();
    }
    world
}

#[sqlx::test(migrations = "migrations/store")]
async fn waiting_messages_are_listed_by_the_same_filters_and_shown_in_the_history(store: PgPool) {
    let world = with_waiting_messages(store).await;
    let listed = async |more: &[&str]| -> Vec<String> {
        let ended = run(&world, &[&["parked", "list", "--waiting", "--json"], more].concat()).await;
        let found: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
        let ids = found.as_array().unwrap().iter().map(|each| each["messageId"].as_str().unwrap().to_owned());
        ids.collect()
    };
    assert_eq!(listed(&[]).await, ["m1", "m2"]);
    assert_eq!(listed(&["--case", OTHER_NOMS]).await, ["m2"]);
    assert_eq!(listed(&["--limit", "1"]).await, ["m1"]);
    assert!(listed(&["--reason", "no such answer"]).await.is_empty());
    assert!(listed(&["--since", "2026-07-01T11:00:00Z"]).await.is_empty(), "received at 10:00");
    let table = run(&world, &["parked", "list", "--waiting", "--case", NOMS]).await.out;
    assert!(table.contains("attempts") && table.ends_with("1 waiting messages\n"), "{table}");

    let history = run(&world, &["history", NOMS]).await;
    assert!(
        history.out.contains("Messages about this case that could not be accepted yet"),
        "{}",
        history.err
    );
    for (format, shows) in
        [("json", "\"waiting\""), ("csv", "WaitingMessage"), ("html", "could not be accepted yet")]
    {
        let history = run(&world, &["history", NOMS, "--format", format]).await;
        assert!(history.out.contains(shows), "{format}: {}", history.out);
    }
    let past = run(&world, &["history", NOMS, "--known-at", "2026-12-01", "--format", "json"]).await;
    assert!(!past.out.contains("waiting\""), "what can change takes no part in an answer about a past time");
    world.end().await;
}

/// The command without any settings but these.
async fn bare(arguments: &[&str], settings: &[(&str, &str)]) -> Ended {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_manage-pom-cases-and-delius"));
    let kept = ["PATH", "HOME", "LD_LIBRARY_PATH"].map(|name| (name, std::env::var_os(name)));
    command.args(arguments).env_clear();
    command.envs(kept.into_iter().filter_map(|(name, value)| Some((name, value?))));
    let Output { status, stdout, stderr } =
        command.envs(settings.iter().copied()).kill_on_drop(true).output().await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended { code: status.code(), out: text(stdout), err: text(stderr) }
}

#[tokio::test]
async fn a_missing_setting_is_named_by_its_variable_with_the_remedy() {
    for (arguments, setting, flag) in [
        (vec!["verify"], "DATABASE_URL", "--database-url"),
        (vec!["outbox", "list"], "DATABASE_URL", "--database-url"),
        (vec!["ingest", "a.json"], "DELIUS_DATABASE_URL", "--delius-database-url"),
        (vec!["publish", "a.json"], "TOPIC_ARN", "--topic-arn"),
        (vec!["serve"], "QUEUE_URL", "--queue-url"),
        (vec!["serve", "--roles", "api"], "AUTH_URL", "--auth-url"),
    ] {
        let ended = bare(&arguments, &[]).await;
        let line = format!("error: {setting}: not set; give it in the environment or as {flag}");
        assert!(ended.err.contains(&line), "{arguments:?}: {}", ended.err);
        assert_eq!(ended.code, Some(2), "{arguments:?}");
    }
}

#[tokio::test]
async fn all_wrong_settings_are_told_at_once_and_before_anybody_is_asked() {
    // Nothing listens on port 1.
    let settings = [
        ("DATABASE_URL", "postgres://nobody@127.0.0.1:1/store"),
        ("DELIUS_DATABASE_URL", "oracle://nobody@127.0.0.1:1/delius"),
        ("QUEUE_URL", "the queue"),
        ("BULK_QUEUE_URL", "queue of the bulk run"),
        ("MPC_URL", "moic"),
        ("AUTH_URL", "sign-in"),
        ("CLIENT_ID", "client"),
        ("BIND", "8080"),
        ("LDAP_URL", "the directory"),
        ("OUTCOME_TOPIC_ARN", "outcomes"),
    ];
    let ended = bare(&["serve"], &settings).await;
    assert_eq!(ended.code, Some(2));
    for (setting, _) in settings.iter().skip(1).filter(|(setting, _)| *setting != "CLIENT_ID") {
        assert!(ended.err.contains(&format!("error: {setting}: ")), "{setting}: {}", ended.err);
    }
    assert!(ended.err.contains("error: CLIENT_SECRET: not set"), "{}", ended.err);
    assert!(ended.err.contains("error: LDAP_BASE: not set"), "{}", ended.err);
    assert!(!ended.err.contains("cannot connect"), "{}", ended.err);

    let ended = bare(&["parked", "retry", "1", "--why", "why", "--by", "op"], &settings).await;
    assert!(ended.err.contains("error: MPC_URL: ") && !ended.err.contains("cannot connect"), "{}", ended.err);
}
