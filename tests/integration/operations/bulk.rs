//! The bulk handover update: everybody in custody once, however often it is stopped.

use std::{num::NonZeroU32, process::Stdio, sync::Arc};

use manage_pom_cases_and_delius::{
    case::NomsNumber,
    delius::{Delius, NomsCursor},
    ingest::Ingest,
    operations::bulk::{self, BulkRun, Destination, EnqueueEnd, runs},
};
use rustix::process::{Pid, Signal, kill_process};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::{
    helpers::{
        api::until,
        command,
        sqs::{TestQueue, aws},
        world::{CRN, NOMS, World, delivery},
    },
    stand_ins::{Answer, Breakdown},
};

const FAST: NonZeroU32 = NonZeroU32::new(10_000).unwrap();

/// Beside the one person, three more with a live custody each: one to be updated, one without a prisoner number, one in
/// post-sentence supervision; and one with two custodies.
async fn with_others(store: PgPool) -> World {
    let world = World::on(store).await;
    sqlx::raw_sql(
        "insert into offender (crn, noms_number)
         values ('X200001', 'A2001AA'), ('X200002', 'A2002AA'), ('X200003', 'A2003AA'), ('X200004', 'A2004AA');
         insert into event (offender_id) select offender_id from offender where crn like 'X2%';
         insert into event (offender_id) select offender_id from offender where crn = 'X200004';
         insert into disposal (event_id)
         select event_id from event join offender using (offender_id) where crn like 'X2%';
         insert into custody (disposal_id, prisoner_number, custodial_status_id)
         select disposal_id, case crn when 'X200002' then null else noms_number end,
                dev_reference('THROUGHCARE STATUS', case crn when 'X200003' then 'P' else 'D' end)
         from disposal join event e using (event_id) join offender o on o.offender_id = e.offender_id where crn like 'X2%'",
    )
    .execute(&world.delius)
    .await
    .unwrap();
    for noms in [NOMS, "A2001AA", "A2002AA", "A2003AA", "A2004AA"] {
        world.mpc.mpc().handover(noms, Answer::handover(noms, Some("2026-09-01"), None));
    }
    world
}

async fn in_custody(world: &World, run: &BulkRun) -> Vec<NomsNumber> {
    let cursor = run.cursor().map_or_else(NomsCursor::default, |noms| NomsCursor::after(&noms));
    Delius::new(world.delius.clone()).noms_in_custody(&cursor, 100).await.unwrap().numbers
}

fn here(world: &World) -> Destination {
    Destination::Here(Ingest::new(Arc::clone(&world.cases), Delius::new(world.delius.clone())))
}

#[sqlx::test(migrations = "migrations/store")]
async fn everybody_in_custody_is_refreshed_and_the_outcomes_are_counted(store: PgPool) {
    let world = with_others(store).await;
    let ended = command::run(&world, &["handovers", "refresh", "--all", "--rate", "1000"]).await;
    assert_eq!(ended.code, Some(0), "{}{}", ended.out, ended.err);
    assert!(ended.lines().contains(&"2  KeyDateCreated"), "{}", ended.out);
    for (noms, dates) in [(NOMS, 1), ("A2001AA", 1), ("A2002AA", 0), ("A2003AA", 0), ("A2004AA", 0)] {
        assert_eq!(world.key_dates(noms).await.len(), dates, "{noms}");
    }
    let finished = "select count(*) from bulk_runs where finished_at is not null and handed_over = 2";
    assert_eq!(world.count(finished).await, 1);

    // Another run, not the same one again.
    let again = command::run(&world, &["handovers", "refresh", "--all", "--rate", "1000"]).await;
    assert!(again.lines().contains(&"2  NoKeyDateChange"), "{}", again.out);
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_dry_run_writes_nothing_to_delius(store: PgPool) {
    let world = with_others(store).await;
    let ended = command::run(&world, &["handovers", "refresh", "--all", "--dry-run", "--rate", "1000"]).await;
    assert!(ended.lines().contains(&"2  DryRunKeyDateCreated"), "{}{}", ended.out, ended.err);
    assert_eq!(world.count_in_delius("select count(*) from key_date").await, 0);
    assert_eq!(world.count_in_delius("select count(*) from pom_cases_write_ledger").await, 0);
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn one_person_is_refreshed_by_either_identifier(store: PgPool) {
    let world = with_others(store).await;
    let dry = command::run(&world, &["handovers", "refresh", CRN, "--dry-run"]).await;
    assert_eq!(dry.code, Some(0), "{}{}", dry.out, dry.err);
    assert!(dry.out.contains("DryRunKeyDateCreated"), "{}", dry.out);
    assert!(world.key_dates(NOMS).await.is_empty());
    let wet = command::run(&world, &["handovers", "refresh", NOMS]).await;
    assert!(wet.out.contains("KeyDateCreated: key_date"), "{}", wet.out);
    assert_eq!(world.key_dates(NOMS).await, ["POM2=2026-09-01"]);
    assert_eq!(world.count("select count(*) from bulk_runs").await, 0, "one person is no run");
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_run_that_was_stopped_goes_on_behind_its_cursor_and_does_nothing_twice(store: PgPool) {
    let world = with_others(store).await;
    let (mut run, resumed) = runs::resume_or_begin(&world.store, false).await.unwrap();
    assert!(!resumed);
    let numbers = in_custody(&world, &run).await;
    let (destination, stop) = (here(&world), CancellationToken::new());
    stop.cancel();
    let to = (&world.store, &destination);
    let end = bulk::enqueue_all(to, &mut run, numbers[..1].to_vec(), FAST, &stop, |_, _| {}).await.unwrap();
    assert_eq!((end, run.handed_over), (EnqueueEnd::Stopped, 0), "nothing is taken up after the stop");

    let go = CancellationToken::new();
    let first = numbers[..1].to_vec();
    bulk::enqueue_all(to, &mut run, first, FAST, &go, |_, _| {}).await.unwrap();
    let (mut again, resumed) = runs::resume_or_begin(&world.store, false).await.unwrap();
    assert!(resumed);
    assert_eq!((again.id, again.cursor(), again.handed_over), (run.id, Some(numbers[0].clone()), 1));
    assert_eq!(in_custody(&world, &again).await, numbers[1..]);
    // As after a crash between accepting and moving the cursor: everything is handed over once more.
    let end = bulk::enqueue_all(to, &mut again, numbers.clone(), FAST, &go, |_, _| {}).await.unwrap();
    assert_eq!(end, EnqueueEnd::Complete);
    world.drain().await;
    for noms in &numbers {
        assert_eq!(world.outcomes(noms.as_str()).await, ["KeyDateCreated"], "once");
    }
    let report = bulk::report(&world.store, run.id).await.unwrap();
    assert_eq!((report.accounted, report.waiting), (2, 0));
    assert_eq!(report.outcomes, [("KeyDateCreated".to_owned(), 2)].into());
    runs::finish(&world.store, &again).await.unwrap();
    assert!(!runs::resume_or_begin(&world.store, false).await.unwrap().1);
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn the_report_tells_what_waits_what_is_parked_and_what_led_to_no_write(store: PgPool) {
    let world = with_others(store).await;
    world.mpc.mpc().handover(NOMS, Answer::with(200, "<html>"));
    world.mpc.mpc().handover("A2001AA", Answer::not_found("Not found"));
    let (mut run, _) = runs::resume_or_begin(&world.store, true).await.unwrap();
    let numbers = [NOMS, "A2001AA", "A2002AA"].map(|noms| noms.parse().unwrap()).to_vec();
    let destination = here(&world);
    let go = CancellationToken::new();
    bulk::enqueue_all((&world.store, &destination), &mut run, numbers, FAST, &go, |_, _| {}).await.unwrap();
    let report = bulk::report(&world.store, run.id).await.unwrap();
    assert_eq!((report.accounted, report.waiting), (3, 1));
    let expected = [("HandoverNotFound".to_owned(), 1), ("message parked: InvalidDetail".to_owned(), 1)];
    assert_eq!(report.outcomes, expected.into());
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_run_in_which_something_was_parked_is_complete_and_ends_with_exit_code_1(store: PgPool) {
    let world = with_others(store).await;
    world.mpc.mpc().handover(NOMS, Answer::with(200, "<html>"));
    let ended = command::run(&world, &["handovers", "refresh", "--all", "--rate", "1000"]).await;
    assert!(ended.lines().contains(&"1  message parked: InvalidDetail"), "{}{}", ended.out, ended.err);
    assert!(ended.lines().contains(&"1  KeyDateCreated"), "{}", ended.out);
    assert_eq!(ended.code, Some(1), "{}{}", ended.out, ended.err);
    assert_eq!(world.count("select count(*) from bulk_runs where finished_at is not null").await, 1);
    let one = command::run(&world, &["handovers", "refresh", "A2001AA"]).await;
    assert_eq!(one.code, Some(0), "{}{}", one.out, one.err);
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_run_whose_messages_are_not_worked_off_says_whose_and_does_not_wait_for_ever(store: PgPool) {
    let world = with_others(store).await;
    let queue = TestQueue::new("bulk").await;
    let run = async || {
        let arguments = ["handovers", "refresh", "--all", "--rate", "1000", "--patience", "1"];
        let mut command = command::command(&world, &arguments);
        let ended = command.env("BULK_QUEUE_URL", &queue.url).output().await.unwrap();
        (ended.status.code(), String::from_utf8(ended.stdout).unwrap())
    };
    let (code, said) = run().await;
    assert_eq!(code, Some(1), "{said}");
    for expected in ["2 messages are not accounted for", NOMS, "A2001AA", "retry-dlq", "--restart"] {
        assert!(said.contains(expected), "{said}");
    }
    let open = "select count(*) from bulk_runs where finished_at is null";
    assert_eq!(world.count(open).await, 1);

    for body in queue.take_bodies(2).await {
        world.ingest.accept(&delivery(body)).await.unwrap();
    }
    world.drain().await;
    let (code, said) = run().await;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("2  KeyDateCreated"), "{said}");
    assert_eq!(world.count(open).await, 0);
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn one_process_at_a_time_is_at_a_run(store: PgPool) {
    let turn = runs::lock_run(&store, false).await.unwrap();
    assert!(turn.is_some());
    assert!(runs::lock_run(&store, false).await.unwrap().is_none());
    assert!(runs::lock_run(&store, true).await.unwrap().is_some(), "a dry run is another matter");
    drop(turn);
    until("the turn is given back", || async { runs::lock_run(&store, false).await.unwrap().is_some() })
        .await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn with_a_queue_of_its_own_a_run_sends_and_leaves_the_work_to_the_service(store: PgPool) {
    let world = with_others(store).await;
    let queue = TestQueue::new("bulk").await;
    let (mut run, _) = runs::resume_or_begin(&world.store, false).await.unwrap();
    let numbers = in_custody(&world, &run).await;
    let destination = Destination::Queue { sqs: queue.sqs.clone(), url: queue.url.clone() };
    let go = CancellationToken::new();
    bulk::enqueue_all((&world.store, &destination), &mut run, numbers, FAST, &go, |_, _| {}).await.unwrap();
    assert_eq!(bulk::report(&world.store, run.id).await.unwrap().accounted, 0);

    let mut bodies = queue.take_bodies(2).await;
    bodies.push(bodies[0].clone());
    for body in bodies {
        world.ingest.accept(&delivery(body)).await.unwrap();
    }
    world.drain().await;
    let report = bulk::report(&world.store, run.id).await.unwrap();
    assert_eq!((report.accounted, report.waiting), (2, 0));
    assert_eq!(report.outcomes, [("KeyDateCreated".to_owned(), 2)].into());
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn ctrl_c_stops_a_run_that_waits_for_mpc_and_the_same_command_goes_on(store: PgPool) {
    let world = with_others(store).await;
    world.mpc.mpc().break_down(Some(Breakdown::ServerError));
    let arguments = ["handovers", "refresh", "--all", "--rate", "1000"];
    let running = command::command(&world, &arguments).stdout(Stdio::piped()).spawn().unwrap();
    until("it asks in vain", || async { !world.mpc.mpc().all_calls().is_empty() }).await;
    let pid = Pid::from_raw(running.id().unwrap().try_into().unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    let ended = running.wait_with_output().await.unwrap();
    let said = String::from_utf8(ended.stdout).unwrap();
    assert_eq!(ended.status.code(), Some(130), "{said}");
    assert!(said.contains("run the same command to continue: handovers refresh --all"), "{said}");

    world.mpc.mpc().break_down(None);
    let resumed = command::run(&world, &arguments).await;
    assert!(resumed.out.starts_with("resuming the run"), "{}", resumed.out);
    assert!(resumed.lines().contains(&"2  KeyDateCreated"), "{}", resumed.out);
    assert_eq!(world.count("select count(*) from bulk_runs").await, 1);
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_running_service_works_a_bulk_queue_off_and_tells_the_outcome_topic(store: PgPool) {
    let world = with_others(store).await;
    let (live, bulk, outcomes) =
        (TestQueue::new("live").await, TestQueue::new("bulk").await, TestQueue::new("outcomes").await);
    let sns = aws_sdk_sns::Client::new(&aws().await);
    let topic = sns.create_topic().name(&outcomes.name).send().await.unwrap().topic_arn.unwrap();
    sns.subscribe().topic_arn(&topic).protocol("sqs").endpoint(&outcomes.arn).send().await.unwrap();
    let mut service = command::command(&world, &["serve", "--roles", "ingest,relay"])
        .env("QUEUE_URL", &live.url)
        .env("BULK_QUEUE_URL", &bulk.url)
        .env("OUTCOME_TOPIC_ARN", &topic)
        .spawn()
        .unwrap();

    let refresh = command::command(&world, &["handovers", "refresh", "--all", "--rate", "1000"])
        .env("BULK_QUEUE_URL", &bulk.url)
        .output()
        .await
        .unwrap();
    let said = String::from_utf8(refresh.stdout).unwrap();
    assert!(said.contains("2  KeyDateCreated"), "{said}");
    assert_eq!(outcomes.take_bodies(2).await.len(), 2);
    until("what was worked off is deleted", || async { bulk.waiting().await == 0 }).await;

    service.kill().await.unwrap();
    world.end().await;
}
