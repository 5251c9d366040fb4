//! An evidence file proves a case to somebody who has nothing else, and shows every change of itself.

use std::path::PathBuf;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use manage_pom_cases_and_delius::audit::{
    evidence::{self, EvidenceError, EvidenceFile},
    history::{self, Access, Question},
    journal::{
        checkpoint::{Signer, Verifier},
        publish::Publisher,
    },
};
use manage_pom_cases_and_delius::case::identity::Person;
use serde_json::json;
use sqlx::PgPool;
use tokio::process::Command;

use crate::{
    cli::audit::run,
    helpers::{
        audit::{allocated, append, enter_all, noms},
        command,
        world::{NOMS, World, envelope},
    },
    messages::identity::{CASE, NEW, OLD, a_replaced_number, added, person},
    stand_ins::Answer,
};

pub(crate) fn signer() -> Signer {
    Signer::new("test/journal", "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=").unwrap()
}

/// A case with two allocations, dates, a duplicate and a parked message, all entered and covered by a checkpoint.
pub(crate) async fn covered(world: &World) {
    let pool = &world.store;
    world.mpc.mpc().allocation(NOMS, Answer::allocated(485_926, "ADA", "BYRON", None, "LEI"));
    world.mpc.mpc().handover(NOMS, Answer::handover(NOMS, Some("2026-09-01"), None));
    world.apply(&world.allocation("m1", "2026-07-01T09:00:00Z", 485_926)).await;
    world.apply(&world.handover("m2", "2026-07-02T09:00:00Z")).await;
    world.accept(&world.allocation("m1", "2026-07-01T09:00:00Z", 485_926)).await;
    let foreign = Some("https://elsewhere.example/api");
    let information = json!({ "staffCode": 1, "prisonId": "LEI" });
    let event_type = "offender-management.allocation.changed";
    world.accept(&envelope("m3", event_type, "2026-07-03T09:00:00Z", foreign, &information)).await;
    append(pool, &noms("B2222BB"), 0, &[allocated("other", "2026-07-01T09:00:00Z", 7)]).await;
    publish(pool).await;
}

/// Enters everything into the journal and publishes a checkpoint over all of it.
pub(crate) async fn publish(pool: &PgPool) {
    let publisher =
        Publisher { signer: Some(signer().into()), every: std::time::Duration::ZERO, ..Publisher::default() };
    enter_all(pool).await;
    let covered =
        "select coalesce((select max(size) from checkpoints), 0) = (select max(position) from journal)";
    while !sqlx::query_scalar::<_, bool>(covered).fetch_one(pool).await.unwrap() {
        publisher.publish_if_due(pool).await.unwrap();
    }
}

pub(crate) async fn exported(pool: &PgPool) -> EvidenceFile {
    let access = Access::cli("auditor");
    evidence::export(pool, &Person::only(noms(NOMS)), &Question::default(), &access).await.unwrap().unwrap()
}

/// The command without anything that a database or a network needs.
pub(crate) async fn offline(arguments: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_manage-pom-cases-and-delius"))
        .args(arguments)
        .env_clear()
        .output()
        .await
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(text).unwrap())
}

pub(crate) struct File(PathBuf);

impl File {
    pub(crate) fn new() -> Self {
        Self(std::env::temp_dir().join(format!("evidence-{}.json", uuid::Uuid::now_v7())))
    }

    pub(crate) fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_file_made_here_is_proved_where_there_is_only_the_binary(store: PgPool) {
    let world = World::on(store).await;
    covered(&world).await;
    let file = File::new();
    let made = run(&world.store, &["evidence", "export", NOMS, "--out", file.path()]).await;
    assert_eq!(made.code, 0, "{}", made.err);
    let readers: i64 = world.count("select count(*) from access_log where action = 'evidence'").await;
    assert_eq!(readers, 1);

    let key = signer().verifier().to_string();
    let (code, said) = offline(&["evidence", "verify", file.path(), "--key", &key]).await;
    assert_eq!(code, 0, "{said}");
    assert!(
        said.starts_with("proved: ") && said.contains("the checkpoint is signed by a given key"),
        "{said}"
    );
    let (code, said) = offline(&["evidence", "verify", file.path()]).await;
    assert!(code == 0 && said.contains("THE SIGNATURE WAS NOT CHECKED"), "{said}");
    let other = Signer::new("test/journal", "CAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAg=").unwrap();
    let (code, said) =
        offline(&["evidence", "verify", file.path(), "--key", &other.verifier().to_string()]).await;
    assert!(code == 1 && said.contains("not signed by any of the given keys"), "{said}");

    let here = run(&world.store, &["history", NOMS, "--format", "csv"]).await;
    let (code, there) = offline(&["history", "--from", file.path(), "--format", "csv"]).await;
    let story = |text: &str| {
        text.lines().filter(|line| !line.contains("Answer")).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!((code, story(&there)), (0, story(&here.out)));
    for format in ["table", "json", "html"] {
        assert_eq!(offline(&["history", "--from", file.path(), "--format", format]).await.0, 0, "{format}");
    }
    let (code, explained) = offline(&["history", "--from", file.path(), "--explain", "1"]).await;
    assert!(code == 0 && explained.contains("(matches the bytes)"), "{explained}");
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn one_flipped_byte_anywhere_is_found(store: PgPool) {
    let world = World::on(store).await;
    covered(&world).await;
    let file = exported(&world.store).await;
    let keys = [signer().verifier().clone()];
    assert!(evidence::verify(&file, &keys).await.is_ok());
    let text = file.to_text().unwrap();
    assert_eq!(EvidenceFile::from_text(&text).unwrap(), file);
    for place in 0..text.len() {
        let mut bytes = text.clone().into_bytes();
        bytes[place] ^= 1 << fastrand_of(place);
        let read = String::from_utf8(bytes).map(|text| EvidenceFile::from_text(&text));
        assert!(!matches!(read, Ok(Ok(_))), "byte {place} of {}", text.len());
    }
    world.end().await;
}

/// Another bit for every byte, and the same in every run.
fn fastrand_of(place: usize) -> usize {
    place.wrapping_mul(7) % 8
}

async fn refused(file: &EvidenceFile, change: impl FnOnce(&mut EvidenceFile)) -> EvidenceError {
    let keys: [Verifier; 1] = [signer().verifier().clone()];
    let mut forged = file.clone();
    change(&mut forged);
    // As a forger would, who makes the hash of the file fit.
    let forged = EvidenceFile::from_text(&forged.to_text().unwrap()).unwrap();
    evidence::verify(&forged, &keys).await.unwrap_err()
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_forgery_with_a_fitting_hash_is_found_too(store: PgPool) {
    let world = World::on(store).await;
    covered(&world).await;
    let file = exported(&world.store).await;
    let entry = |what| matches!(what, EvidenceError::Entry { .. });
    for place in 0..file.entries.len() {
        // The last canonical byte is a digit of a time, in every source.
        let flip = |text: &str| {
            if text.starts_with('A') { text.replacen('A', "B", 1) } else { format!("A{}", &text[1..]) }
        };
        assert!(
            entry(refused(&file, |it| it.entries[place].salt = flip(&it.entries[place].salt)).await),
            "{place}"
        );
        assert!(entry(refused(&file, |it| it.entries[place].position += 1).await), "{place}");
        assert!(entry(refused(&file, |it| _ = it.entries[place].proof.pop()).await), "{place}");
        let other = (place + 1) % file.entries.len();
        assert!(entry(refused(&file, |it| it.entries[place].bytes = it.entries[other].bytes.clone()).await));
        let left_out = refused(&file, |it| _ = it.entries.remove(place)).await;
        assert_eq!(left_out, EvidenceError::Counts, "{place}");
    }
    let later = |it: &mut EvidenceFile| it.checkpoint = it.checkpoint.replace("time 20", "time 19");
    assert!(matches!(refused(&file, later).await, EvidenceError::Checkpoint(_)));
    assert!(entry(refused(&file, |it| it.parts[0].noms = noms("B2222BB")).await));
    assert!(matches!(refused(&file, |it| _ = it.writes.pop()).await, EvidenceError::Replay(_)));
    let intent = |it: &mut EvidenceFile| it.writes[0].intent = it.writes[1].intent.clone();
    assert!(matches!(refused(&file, intent).await, EvidenceError::Replay(_)));
    let counts = |it: &mut EvidenceFile| *it.counts.values_mut().next().unwrap() += 1;
    assert_eq!(refused(&file, counts).await, EvidenceError::Counts);
    let attempts =
        |it: &mut EvidenceFile| it.parked_bodies.values_mut().for_each(|body| body.insert_str(0, "AAAA"));
    assert!(entry(refused(&file, attempts).await));
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_file_as_of_a_time_holds_what_was_known_then(store: PgPool) {
    let world = World::on(store).await;
    covered(&world).await;
    let case = history::load(&world.store, &noms(NOMS)).await.unwrap().unwrap();
    let question = Question { known_at: Some(case.events[1].recorded_at), ..Question::default() };
    let access = Access::cli("auditor");
    let file =
        evidence::export(&world.store, &Person::only(noms(NOMS)), &question, &access).await.unwrap().unwrap();
    assert_eq!(evidence::case_of(&file).unwrap().events.len(), 2);
    let proved = evidence::verify(&file, &[signer().verifier().clone()]).await.unwrap();
    assert_eq!((proved.events, proved.not_covered), (2, 0));
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn without_a_checkpoint_there_is_no_evidence_and_what_it_does_not_cover_is_counted(store: PgPool) {
    append(&store, &noms(NOMS), 0, &[allocated("m1", "2026-07-01T09:00:00Z", 1)]).await;
    let none = run(&store, &["evidence", "export", NOMS]).await;
    assert!(none.code == 1 && none.err.contains("no checkpoint is published yet"), "{}", none.err);
    publish(&store).await;
    append(&store, &noms(NOMS), 1, &[allocated("m2", "2026-07-02T09:00:00Z", 2)]).await;
    let file = exported(&store).await;
    assert_eq!((file.counts["event"], file.not_covered), (1, 2));
    let unknown = run(&store, &["evidence", "export", "B2222BB"]).await;
    assert!(unknown.code == 1 && unknown.err.contains("nothing is recorded for B2222BB"), "{}", unknown.err);
}

#[sqlx::test(migrations = "migrations/store")]
async fn the_file_of_a_person_proves_what_is_recorded_under_every_number_by_any_identifier(store: PgPool) {
    let world = a_replaced_number(store).await;
    publish(&world.store).await;
    let key = signer().verifier().to_string();
    let mut events = vec![];
    for id in [OLD, NEW, CASE] {
        let file = File::new();
        let made =
            command::run(&world, &["evidence", "export", id, "--by", "auditor", "--out", file.path()]).await;
        assert_eq!(made.code, Some(0), "{id}: {}", made.err);
        let (code, said) = offline(&["evidence", "verify", file.path(), "--key", &key]).await;
        assert!(code == 0 && said.contains(&format!("entries of {OLD}, {NEW}\n")), "{id}: {said}");
        let here = command::run(&world, &["history", id, "--by", "auditor", "--format", "csv"]).await;
        let (code, there) = offline(&["history", "--from", file.path(), "--format", "csv"]).await;
        let story = |text: &str| -> Vec<String> {
            text.lines().filter(|line| !line.contains("Answer")).map(str::to_owned).collect()
        };
        assert_eq!((code, story(&there)), (0, story(&here.out)), "{id}");
        let file = EvidenceFile::from_text(&std::fs::read_to_string(file.path()).unwrap()).unwrap();
        events.push((file.noms_id, file.counts));
    }
    assert!(events.iter().all(|other| *other == events[0]), "{events:?}");
    let both = (world.events(OLD).await.len() + world.events(NEW).await.len()) as u64;
    assert_eq!(events[0].1["event"], both);
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn what_another_person_has_under_the_same_number_is_not_in_the_file(store: PgPool) {
    let world = a_replaced_number(store).await;
    let other = "X900008";
    person(&world, other, OLD).await;
    world.mpc.mpc().allocation(OLD, Answer::not_found("Not allocated"));
    world.apply(&added("m3", "2026-08-01T09:00:00Z", other, OLD)).await;
    publish(&world.store).await;
    let mut texts = vec![];
    for id in [CASE, other] {
        let file = File::new();
        let made =
            command::run(&world, &["evidence", "export", id, "--by", "auditor", "--out", file.path()]).await;
        assert_eq!(made.code, Some(0), "{id}: {}", made.err);
        let key = signer().verifier().to_string();
        let (code, said) = offline(&["evidence", "verify", file.path(), "--key", &key]).await;
        assert!(code == 0 && said.contains(&format!("{OLD} (without what is another person's)")), "{said}");
        let read = EvidenceFile::from_text(&std::fs::read_to_string(file.path()).unwrap()).unwrap();
        let decoded: Vec<String> = read
            .entries
            .iter()
            .map(|entry| String::from_utf8_lossy(&STANDARD.decode(&entry.bytes).unwrap()).into_owned())
            .collect();
        texts.push(decoded.join("\n"));
    }
    assert!(texts[0].contains("m1") && !texts[0].contains(other) && !texts[0].contains("m3"));
    assert!(texts[1].contains("m3") && !texts[1].contains(CASE) && !texts[1].contains("BYRON"));
    world.end().await;
}
