//! One message, followed by its trace from the attribute of SNS to the outcome notice.

use std::collections::BTreeSet;

use manage_pom_cases_and_delius::{audit::history, trace::TraceContext};
use serde_json::{Value, json};
use sqlx::PgPool;

use super::process::Process;
use crate::{
    helpers::{
        sqs::{TestQueue, aws},
        world::{NOMS, World},
    },
    stand_ins::Answer,
};

const GIVEN: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// Notes the name of each session that inserts a prison offender manager.
const SESSIONS: &str = "
    create table sessions (name text not null);
    create function note_session() returns trigger language plpgsql as $$ begin
        insert into sessions values (current_setting('application_name')); return new; end $$;
    create trigger note_session before insert on prison_offender_manager for each row execute function note_session();";

fn trace_of(traceparent: &str) -> String {
    TraceContext::parse(traceparent).unwrap_or_else(|| panic!("{traceparent:?}")).trace_id()
}

/// A topic of the test's own, and a queue that hears it.
async fn topic() -> (String, TestQueue) {
    let (sns, queue) = (aws_sdk_sns::Client::new(&aws().await), TestQueue::new("outcomes").await);
    let arn = sns.create_topic().name(&queue.name).send().await.unwrap().topic_arn.unwrap();
    sns.subscribe().topic_arn(&arn).protocol("sqs").endpoint(&queue.arn).send().await.unwrap();
    (arn, queue)
}

/// The trace of the next notice.
async fn notice(queue: &TestQueue) -> String {
    let envelope: Value = serde_json::from_str(&queue.take_bodies(1).await[0]).unwrap();
    trace_of(envelope["MessageAttributes"]["traceparent"]["Value"].as_str().unwrap())
}

/// Every line of the log as an object, in which no text is JSON again.
fn lines(log: &str) -> Vec<Value> {
    let line = |line: &str| -> Value {
        let object: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
        for (name, value) in object.as_object().unwrap() {
            let text = value.as_str().unwrap_or_default();
            assert!(!text.starts_with(['{', '[']), "{name} is JSON inside a string: {line}");
        }
        object
    };
    log.lines().map(line).collect()
}

/// The value on the line itself, or in the labels of its work.
fn labelled<'a>(line: &'a Value, name: &str) -> Option<&'a str> {
    line[name].as_str().or_else(|| line["span"][name].as_str())
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_message_is_followed_by_its_trace_from_sns_to_the_outcome_notice(store: PgPool) {
    let world = World::on(store).await;
    sqlx::raw_sql(SESSIONS).execute(&world.delius).await.unwrap();
    world.mpc.mpc().allocation(NOMS, Answer::allocated(1, "ADA", "BYRON", None, "LEI"));
    let (queue, (arn, outcomes)) = (TestQueue::new("traced").await, topic().await);
    let settings = [("QUEUE_URL", queue.url.as_str()), ("OUTCOME_TOPIC_ARN", &arn), ("LOG_FORMAT", "json")];
    let service = Process::start(&world, "ingest,relay", &settings);

    let mut message = world.allocation("m1", "2026-07-01T09:00:00Z", 1);
    message["MessageAttributes"]["traceparent"] = json!({ "Type": "String", "Value": GIVEN });
    queue.send(&message.to_string(), &[]).await;
    service.logged("message recorded").await;
    service.logged("outcome notice published").await;
    let given = trace_of(GIVEN);
    assert_eq!(notice(&outcomes).await, given);

    // The next one brings no trace, so it gets one that follows from its id.
    world.mpc.mpc().allocation(NOMS, Answer::not_found("Not allocated"));
    queue.send(&world.allocation("m2", "2026-07-02T09:00:00Z", Value::Null).to_string(), &[]).await;
    let made = TraceContext::of_identity("m2").trace_id();
    assert_eq!(notice(&outcomes).await, made);

    let asked: Vec<String> = world.mpc.mpc().traces().iter().map(|header| trace_of(header)).collect();
    assert_eq!(asked, [given.clone(), made.clone()], "Manage POM Cases is asked within the trace");
    let stored: Vec<String> =
        sqlx::query_scalar("select metadata->>'traceparent' from events order by sequence")
            .fetch_all(&world.store)
            .await
            .unwrap();
    let stored: Vec<String> = stored.iter().map(|stored| trace_of(stored)).collect();
    assert_eq!(stored, [given.clone(), given.clone(), made.clone(), made.clone()], "with each event");
    let file = history::load(&world.store, &NOMS.parse().unwrap()).await.unwrap().unwrap();
    let explained = history::explain(&file, 1).unwrap();
    assert_eq!(explained.trace_id.as_ref(), Some(&given), "and an auditor is told");
    assert!(explained.to_string().contains(&format!("trace       {given}")), "{explained}");
    let sessions: Vec<String> =
        sqlx::query_scalar("select name from sessions").fetch_all(&world.delius).await.unwrap();
    let named = |trace: &String| format!("{} {trace}", env!("CARGO_PKG_NAME"));
    assert_eq!(
        sessions,
        [&given, &made].map(named),
        "the sessions of Delius say for which message they work"
    );

    service.stop_and_check_log(&[("m1", &given), ("m2", &made)]).await;
    world.end().await;
}

impl Process {
    /// Stops it: each line about a message or a case has the trace of the message, the message and the case.
    async fn stop_and_check_log(self, messages: &[(&str, &String)]) {
        self.signal(rustix::process::Signal::TERM);
        let (_, log) = self.ended().await;
        let mut said = BTreeSet::new();
        for line in lines(&log) {
            let about_case =
                ["message_id", "noms", "write_id"].iter().any(|name| labelled(&line, name).is_some());
            if !about_case {
                continue;
            }
            let trace = labelled(&line, "trace_id").unwrap_or_else(|| panic!("no trace: {line}"));
            let (message, _) =
                messages.iter().find(|(_, of)| *of == trace).unwrap_or_else(|| panic!("{line}"));
            assert_eq!(labelled(&line, "noms"), Some(NOMS), "{line}");
            // The notice is a matter of the write.
            let is_notice = line["message"] == "outcome notice published";
            assert!(is_notice || labelled(&line, "message_id") == Some(*message), "{line}");
            said.insert((*message, line["message"].as_str().unwrap_or_default().to_owned()));
        }
        for (message, _) in messages {
            for step in ["message recorded", "write settled", "outcome notice published"] {
                assert!(said.contains(&(*message, step.to_owned())), "{message}: {step} is missing in {log}");
            }
        }
    }
}
