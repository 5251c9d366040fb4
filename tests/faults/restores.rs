//! A database goes back in time: restored from a real backup, while the other one goes on. The service works on new
//! messages, and the commands of the page on disaster recovery, run in their order, end in the state of the model.

use std::{collections::BTreeMap, path::PathBuf};

use chrono::{DateTime, Utc};
use sqlx::PgPool;

use crate::{
    cluster::Cluster,
    databases::begun,
    ground::{Ground, noms, until},
    invariants::{self, Findings},
    service::{Service, command, run},
    stand_ins::Answer,
    stream::{Holding, STAFF, Stream},
};

const PAGE: &str = include_str!("../../docs/OPERATIONS.md");
const CASES: usize = 4;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: make test-faults"]
async fn the_store_is_restored_to_an_earlier_time_and_nothing_is_lost() {
    restored("The store is restored", &[|ground| &ground.store], 71).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: make test-faults"]
async fn delius_is_restored_to_an_earlier_time_and_nothing_is_lost() {
    restored("Delius is restored", &[|ground| &ground.delius], 72).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: make test-faults"]
async fn both_databases_are_restored_to_different_times_and_what_one_of_them_knows_is_not_lost() {
    let (store, delius): (Database, Database) = (|ground| &ground.store, |ground| &ground.delius);
    restored("Both are restored", &[store, delius], 73).await;
    restored("Both are restored", &[delius, store], 74).await;
}

type Database = fn(&Ground) -> &PgPool;

async fn restored(section: &str, databases: &[Database], seed: u64) {
    let cluster = Cluster::make();
    let ground = Ground::on(&cluster.url(), CASES).await;
    let (mut stream, service) = begun(&ground, seed, CASES).await;
    let mut backups: Vec<(Database, PathBuf)> = vec![];
    for database in databases {
        ground.queue.send(&stream.next(&ground, 12)).await;
        invariants::drained(&ground, &stream).await;
        // Of a running database, and of each at another time.
        backups.push((*database, cluster.dump(name(database(&ground)))));
    }
    if databases.len() == 1 {
        ground.queue.send(&stream.next(&ground, 20)).await;
        invariants::drained(&ground, &stream).await;
    }
    service.stop().await;
    for (database, backup) in &backups {
        cluster.restore(&mut ground.admin().await, name(database(&ground)), backup).await;
    }
    let [before, after] = &blocks(section)[..] else { panic!("two blocks of commands: {section}") };
    carry_out(&ground, before).await;
    let service = Service::start(&ground, &[]).await;
    ground.queue.send(&stream.next(&ground, 12)).await;
    until("the new messages are worked off", async || invariants::is_idle(&ground).await).await;
    tell_the_truth(&ground, &stream);
    carry_out(&ground, after).await;

    let mut findings = Findings::default();
    invariants::rows(&ground, &stream, &mut findings).await;
    assert!(findings.is_empty(), "{findings:#?}\nlogs: {}", ground.logs.display());
    for nothing in
        ["select count(*) from parked_messages", "select count(*) from outbox where state = 'parked'"]
    {
        assert_eq!(ground.count(nothing).await, 0, "{nothing}");
    }
    assert_eq!(ground.queue.dead().await, 0);
    service.stop().await;
    ground.end().await;
}

fn name(pool: &PgPool) -> String {
    pool.connect_options().get_database().unwrap().to_owned()
}

/// The blocks of commands in a section of the page.
fn blocks(section: &str) -> Vec<Vec<String>> {
    let (_, rest) = PAGE.split_once(&format!("### {section}\n")).expect(section);
    let section = rest.split("\n#").next().unwrap();
    let blocks = section.split("```").skip(1).step_by(2);
    blocks.map(|block| block.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()).collect()
}

/// Runs commands as they are printed; each has to succeed.
async fn carry_out(ground: &Ground, commands: &[String]) {
    for line in commands {
        let arguments = line.strip_prefix("manage-pom-cases-and-delius ").expect(line);
        let mut parts = vec![];
        // What is in quotes is one argument.
        for (place, part) in arguments.split('"').enumerate() {
            match place % 2 {
                0 => parts.extend(part.split_whitespace()),
                _ => parts.push(part),
            }
        }
        let ended = run(ground, &mut command(ground, &parts)).await;
        println!("{line}\n{}", ended.out);
        assert_eq!(ended.code, Some(0), "{line}\n{}{}", ended.out, ended.err);
    }
}

/// From now on Manage POM Cases says who holds each case in the end.
fn tell_the_truth(ground: &Ground, stream: &Stream) {
    for (case, happened) in &stream.happened {
        ground.mpc.mpc().allocation(&noms(*case), truth(happened));
    }
}

fn truth(happened: &BTreeMap<DateTime<Utc>, Holding>) -> Answer {
    match happened.values().last() {
        Some(Some((code, prison))) => {
            let (_, forename, surname) = STAFF.into_iter().find(|(known, ..)| known == code).unwrap();
            let email = format!("{surname}@staff.example").to_lowercase();
            Answer::allocated(*code, forename, surname, Some(&email), prison)
        }
        _ => Answer::not_found("Not allocated"),
    }
}
