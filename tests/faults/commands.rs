//! Commands that are killed in the middle and run again.

use std::{path::PathBuf, process::Stdio};

use aws_sdk_sqs::types::QueueAttributeName;
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::{
    databases::begun,
    ground::{Ground, until},
    invariants::{self, Findings},
    queue,
    service::{Service, command, run},
    stream::Stream,
};

/// Writes these messages to files in a new directory.
struct Files(PathBuf);

impl Files {
    fn of(messages: &[String]) -> Self {
        let directory = std::env::temp_dir().join(format!("pom-cases-files-{}", uuid::Uuid::now_v7()));
        std::fs::create_dir(&directory).unwrap();
        for (number, message) in messages.iter().enumerate() {
            std::fs::write(directory.join(format!("{number:03}.json")), message).unwrap();
        }
        Self(directory)
    }

    fn paths(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).unwrap();
        let mut paths: Vec<_> =
            entries.map(|entry| entry.unwrap().path().to_str().unwrap().to_owned()).collect();
        paths.sort();
        paths
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A command on these files.
fn on_files(ground: &Ground, name: &str, files: &Files) -> tokio::process::Command {
    let paths = files.paths();
    let arguments: Vec<&str> = std::iter::once(name).chain(paths.iter().map(String::as_str)).collect();
    command(ground, &arguments)
}

/// `ingest` is killed at each failpoint and then run again with the same files.
async fn ingest_dies_at(points: &[&str], seed: u64) {
    let ground = Ground::lay(3).await;
    let mut stream = Stream::new(seed, 3);
    let teaching = Files::of(&stream.teach(&ground));
    assert_eq!(run(&ground, &mut on_files(&ground, "ingest", &teaching)).await.code, Some(0));
    for point in points {
        let files = Files::of(&stream.next(&ground, 5));
        let mut dying = on_files(&ground, "ingest", &files);
        dying.env("FAILPOINTS", format!("{point}=2*off->return"));
        assert_eq!(run(&ground, &mut dying).await.code, None, "{point}: killed by a signal");
        for _ in 0..2 {
            let again = run(&ground, &mut on_files(&ground, "ingest", &files)).await;
            assert_eq!(again.code, Some(0), "{point}: {}", again.err);
            assert!(again.out.contains("duplicate"), "{point}: {}", again.out);
            // No service is running that could finish the work of the killed command.
            let waiting = "select count(*) from outbox where state <> 'done'";
            assert_eq!(ground.count(waiting).await, 0, "{point}: {}", again.out);
        }
    }
    let journal = Service::start_as(&ground, "relay", &[]).await;
    invariants::hold(&ground, &stream).await;
    journal.stop().await;
    ground.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ingest_of_files_that_is_killed_goes_on_where_it_was() {
    ingest_dies_at(&["appended"], 61).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: make test-faults"]
async fn an_ingest_of_files_that_is_killed_anywhere_goes_on_where_it_was() {
    let points = [
        "fetched",
        "appending",
        "appended",
        "claimed",
        "planned",
        "delius_written",
        "delius_committed",
        "outcome_recorded",
        "finished",
    ];
    ingest_dies_at(&points, 62).await;
}

/// SNS gives every publication a new id, so a message that is published again is recorded again; in Delius it changes
/// nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_publish_that_is_killed_has_published_what_it_said_and_repeated_it_changes_nothing_more() {
    let ground = Ground::lay(3).await;
    let (mut stream, service) = begun(&ground, 63, 3).await;
    let config = aws_config::defaults(aws_config::BehaviorVersion::latest());
    let sns = aws_sdk_sns::Client::new(
        &config.endpoint_url(std::env::var("AWS_ENDPOINT_URL").unwrap()).load().await,
    );
    let name = uuid::Uuid::now_v7().simple().to_string();
    let topic = sns.create_topic().name(name).send().await.unwrap().topic_arn.unwrap();
    let arn = queue::attribute(&ground.queue.sqs, &ground.queue.url, QueueAttributeName::QueueArn).await;
    sns.subscribe().topic_arn(&topic).protocol("sqs").endpoint(arn).send().await.unwrap();

    let files = Files::of(&stream.next(&ground, 14));
    let count = files.paths().len();
    let recorded = async || {
        // The messages that introduced the names did not come through this topic.
        ground
            .count(
                "select count(distinct message_id) from message_receipts where message_id not like 'teach%'",
            )
            .await
    };
    let mut publishing = on_files(&ground, "publish", &files);
    let mut publishing = publishing.env("TOPIC_ARN", &topic).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(publishing.stdout.take().unwrap()).lines();
    for _ in 0..count / 2 {
        lines.next_line().await.unwrap().unwrap();
    }
    publishing.kill().await.unwrap();
    let mut said = count / 2;
    while let Ok(Some(_)) = lines.next_line().await {
        said += 1;
    }
    let said = i64::try_from(said).unwrap();
    until("what it said it published is recorded", async || recorded().await >= said).await;

    let again = run(&ground, on_files(&ground, "publish", &files).env("TOPIC_ARN", &topic)).await;
    assert_eq!(again.code, Some(0), "{}", again.err);
    let everything = said + i64::try_from(count).unwrap();
    until("everything is recorded and applied", async || {
        recorded().await >= everything
            && ground.count("select count(*) from outbox where state <> 'done'").await == 0
            && ground.queue.counts().await == (0, 0)
    })
    .await;
    let mut findings = Findings::default();
    invariants::rows(&ground, &stream, &mut findings).await;
    assert!(findings.is_empty(), "{findings:#?}");
    assert!(recorded().await <= everything + 1, "one more may have gone out when it was killed");
    sns.delete_topic().topic_arn(topic).send().await.unwrap();
    service.stop().await;
    ground.end().await;
}
