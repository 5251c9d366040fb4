//! Two versions at once: a running process survives the migrations of the next version, and starts again after them, as in
//! a rollback.

use crate::{
    databases::begun,
    ground::{Ground, until},
    invariants,
    service::{Service, command, run},
};

/// What a later version could add: columns with defaults, a table, an index, and its entry in the list of migrations.
const LATER: &str = "
    alter table events add column later text not null default 'later';
    alter table journal add column later text not null default 'later';
    alter table outbox add column later integer not null default 0;
    alter table outbox_attempts add column later text;
    alter table message_receipts add column later text not null default 'later';
    alter table parked_messages add column later jsonb not null default '{}';
    alter table staff_directory add column later text;
    alter table unreflected_allocations add column later timestamptz not null default clock_timestamp();
    alter table case_records add column later text not null default 'later';
    alter table change_feed_heartbeat add column later bigint not null default 0;
    create table later_facts (id bigint generated always as identity primary key, fact text not null);
    create index later_events on events (recorded_at);
    insert into _sqlx_migrations (version, description, success, checksum, execution_time)
    values (9000, 'later', true, '\\x00', 1);";

#[tokio::test(flavor = "multi_thread")]
async fn an_older_version_goes_on_under_a_later_schema_and_starts_again_on_it() {
    let ground = Ground::lay(4).await;
    let (mut stream, service) = begun(&ground, 71, 4).await;
    let receipts = "select count(*) from message_receipts";
    let before = ground.count(receipts).await;
    ground.queue.send(&stream.next(&ground, 30)).await;
    until("work has begun", async || ground.count(receipts).await > before + 3).await;
    // One transaction: where it and the service wait for each other, it is the one to run again.
    until("the later schema is there", async || match sqlx::raw_sql(LATER).execute(&ground.store).await {
        Ok(_) => true,
        Err(error) if error.as_database_error().is_some_and(|it| it.code().as_deref() == Some("40P01")) => {
            false
        }
        Err(error) => panic!("{error}"),
    })
    .await;
    ground.queue.send(&stream.next(&ground, 20)).await;
    invariants::hold(&ground, &stream).await;
    let said = service.log();
    assert!(!said.contains(" ERROR "), "{said}");
    service.stop().await;

    let migrate = run(&ground, &mut command(&ground, &["migrate"])).await;
    assert_eq!(migrate.code, Some(0), "{}", migrate.err);
    let service = Service::start_as(&ground, "api,ingest,relay", &[]).await;
    ground.queue.send(&stream.next(&ground, 10)).await;
    invariants::hold(&ground, &stream).await;
    for arguments in [&["verify"][..], &["replay", "--all"], &["rebuild"]] {
        let ended = run(&ground, &mut command(&ground, arguments)).await;
        assert_eq!(ended.code, Some(0), "{arguments:?}: {}{}", ended.out, ended.err);
    }
    service.stop().await;
    ground.end().await;
}
