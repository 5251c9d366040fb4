//! The cache in slow motion: the test blocks and releases the source, so that every order of events can be produced.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use manage_pom_cases_and_delius::case_records::{
    CaseRecordsConfig, FeedHealth, FreshnessDemand, Origin, RecordAnswer, feed, invalidate,
};
use sqlx::PgPool;

use crate::helpers::{
    api::{Settings, feed_is_current, until},
    scripted::{Replica, Scripted, id, said},
};

#[sqlx::test(migrations = "migrations/store")]
async fn a_record_is_read_once_then_served_from_memory_and_after_a_restart_from_the_store(store: PgPool) {
    let source = Scripted::new();
    source.set("X000001", "A1");
    let replica = Replica::trusting(&store, &source).await;
    assert_eq!(replica.read("X000001").await, ("A1".into(), Some(Origin::Delius)));
    assert_eq!(replica.read("X000001").await, ("A1".into(), Some(Origin::Memory)));
    assert_eq!(replica.read("A0001AA").await, ("A1".into(), Some(Origin::Store)), "known by its other name");
    assert_eq!(replica.read("A0001AA").await, ("A1".into(), Some(Origin::Memory)));

    let restarted = Replica::trusting(&store, &source).await;
    assert_eq!(restarted.read("X000001").await, ("A1".into(), Some(Origin::Store)));
    assert_eq!(source.reads(), 1);
}

#[sqlx::test(migrations = "migrations/store")]
async fn an_invalidation_is_heard_by_every_replica_whatever_name_the_record_is_kept_under(store: PgPool) {
    let source = Scripted::new();
    source.set("X000001", "A1");
    source.set("X000002", "B1");
    let (one, two) = (Replica::trusting(&store, &source).await, Replica::trusting(&store, &source).await);
    for replica in [&one, &two] {
        for person in ["X000001", "A0001AA", "X000002"] {
            replica.read(person).await;
            assert_eq!(replica.read(person).await.1, Some(Origin::Memory));
        }
    }
    source.set("X000001", "A2");
    source.set("X000002", "B2");
    invalidate(&store, &[id("X000001")]).await.unwrap();
    for replica in [&one, &two] {
        for person in ["X000001", "A0001AA"] {
            until("the new value is served", || async { replica.read(person).await.0 == "A2" }).await;
        }
        assert_eq!(replica.read("X000002").await, ("B1".into(), Some(Origin::Memory)), "another case stays");
    }
}

#[sqlx::test(migrations = "migrations/store")]
async fn an_invalidation_by_noms_number_drops_whoever_has_it(store: PgPool) {
    let source = Scripted::new();
    source.set("X000001", "A1");
    let replica = Replica::trusting(&store, &source).await;
    replica.read("A0001AA").await;
    source.set("X000001", "A2");
    invalidate(&store, &[id("A0001AA")]).await.unwrap();
    until("the new value is served", || async { replica.read("A0001AA").await.0 == "A2" }).await;
    until("by CRN too", || async { replica.read("X000001").await.0 == "A2" }).await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_read_that_began_before_an_invalidation_leaves_nothing_old_behind(store: PgPool) {
    for by in ["X000001", "A0001AA"] {
        sqlx::query("DELETE FROM case_records").execute(&store).await.unwrap();
        let source = Scripted::new();
        source.set("X000001", "A1");
        let replica = Replica::trusting(&store, &source).await;
        source.hold_up();
        let records = Arc::clone(&replica.records);
        let old = tokio::spawn(async move { said(records.read(&id(by), FreshnessDemand::Current).await) });
        until("the old read has begun", || async { source.reads() == 1 }).await;

        source.set("X000001", "A2");
        invalidate(&store, &[id("X000001")]).await.unwrap();
        source.let_go(1);
        until("it is refused by the store and reads again", || async { source.reads() == 2 }).await;
        source.let_go(100);

        assert_eq!(old.await.unwrap().0, "A2", "who waits is not given the old value either ({by})");
        assert_eq!(replica.read(by).await.0, "A2", "{by}");
        let kept: Vec<String> = sqlx::query_scalar(
            "SELECT facts->'record'->>'currentTier' FROM case_records WHERE facts IS NOT NULL",
        )
        .fetch_all(&store)
        .await
        .unwrap();
        assert_eq!(kept, ["A2"], "{by}");
    }
}

#[sqlx::test(migrations = "migrations/store")]
async fn an_older_read_that_ends_later_does_not_replace_a_newer_one(store: PgPool) {
    let source = Scripted::new();
    source.set("X000001", "A1");
    let replica = Replica::start(&store, &source, Settings::default().records).await;
    source.hold_up();
    let records = Arc::clone(&replica.records);
    let old =
        tokio::spawn(async move { said(records.read(&id("X000001"), FreshnessDemand::ReadThrough).await) });
    until("the old read has begun", || async { source.reads() == 1 }).await;
    source.set("X000001", "A2");
    let records = Arc::clone(&replica.records);
    let new =
        tokio::spawn(async move { said(records.read(&id("X000001"), FreshnessDemand::ReadThrough).await) });
    until("the new read has begun", || async { source.reads() == 2 }).await;
    // Both are released; whichever stores first, the newer one stays.
    source.let_go(100);
    assert_eq!(new.await.unwrap().0, "A2");
    old.await.unwrap();
    until("both are cached", || async { replica.records.is_idle() }).await;
    let kept: String = sqlx::query_scalar("SELECT facts->'record'->>'currentTier' FROM case_records")
        .fetch_one(&store)
        .await
        .unwrap();
    assert_eq!(kept, "A2");
}

#[sqlx::test(migrations = "migrations/store")]
async fn many_askers_share_one_read(store: PgPool) {
    let source = Scripted::new();
    source.set("X000001", "A1");
    let replica = Replica::start(&store, &source, Settings::default().records).await;
    source.hold_up();
    let asking = (0..50).map(|_| {
        let records = Arc::clone(&replica.records);
        tokio::spawn(async move { said(records.read(&id("X000001"), FreshnessDemand::Current).await) })
    });
    let asking: Vec<_> = asking.collect();
    until("a read has begun", || async { source.reads() > 0 }).await;
    source.let_go(1);
    source.let_go(100);
    for asker in asking {
        assert_eq!(asker.await.unwrap(), ("A1".into(), Some(Origin::Delius)));
    }
    assert!(source.reads() < 10, "{} reads for 50 askers", source.reads());
}

#[sqlx::test(migrations = "migrations/store")]
async fn nothing_kept_is_served_while_the_feed_is_unknown_or_lags(store: PgPool) {
    let source = Scripted::new();
    source.set("X000001", "A1");
    let replica = Replica::start(&store, &source, Settings::default().records).await;
    until("the replica hears", || async { replica.records.receives_invalidations() }).await;
    for tier in ["A1", "A2", "A3"] {
        source.set("X000001", tier);
        assert_eq!(
            replica.read("X000001").await,
            (tier.into(), Some(Origin::Delius)),
            "nobody polls the feed"
        );
    }
    feed_is_current(&store).await;
    until("kept records are served", || async { replica.read("X000001").await.1 == Some(Origin::Memory) })
        .await;

    feed::heartbeat(&store, "ingest-2", Duration::from_secs(5), None).await.unwrap();
    until("a second consumer lags", || async { replica.records.feed_health() == FeedHealth::Lagging }).await;
    source.set("X000001", "A4");
    assert_eq!(replica.read("X000001").await, ("A4".into(), Some(Origin::Delius)));

    feed::leave(&store, "ingest-2").await.unwrap();
    until("it has left", || async { replica.records.feed_health() == FeedHealth::Current }).await;
    assert_eq!(replica.read("X000001").await, ("A4".into(), Some(Origin::Memory)));
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_change_without_message_is_unseen_only_up_to_the_bound_and_never_by_who_wants_no_cache(
    store: PgPool,
) {
    let source = Scripted::new();
    source.set("X000001", "A1");
    let replica = Replica::trusting(&store, &source).await;
    replica.read("X000001").await;
    source.set("X000001", "A2");
    assert_eq!(replica.read("X000001").await, ("A1".into(), Some(Origin::Memory)));
    assert_eq!(
        said(replica.records.read(&id("X000001"), FreshnessDemand::ReadThrough).await),
        ("A2".into(), Some(Origin::Delius))
    );
    until("what was read through is cached", || async { replica.read("X000001").await.0 == "A2" }).await;

    let bounded = CaseRecordsConfig { max_age: Duration::ZERO, ..Settings::default().records };
    let replica = Replica::start(&store, &source, bounded).await;
    source.set("X000001", "A3");
    assert_eq!(replica.read("X000001").await, ("A3".into(), Some(Origin::Delius)));
}

#[sqlx::test(migrations = "migrations/store")]
async fn while_delius_is_down_the_last_record_is_served_as_stale_but_not_one_that_was_invalidated(
    store: PgPool,
) {
    let source = Scripted::new();
    source.set("X000001", "A1");
    source.set("X000002", "B1");
    let bounded = CaseRecordsConfig { max_age: Duration::ZERO, ..Settings::default().records };
    let replica = Replica::start(&store, &source, bounded).await;
    for person in ["X000001", "X000002"] {
        replica.read(person).await;
    }
    source.down.store(true, Ordering::SeqCst);
    assert_eq!(replica.read("X000001").await, ("A1".into(), Some(Origin::Stale)));
    assert_eq!(replica.read("A0001AA").await, ("A1".into(), Some(Origin::Stale)));
    assert_eq!(replica.read("X000003").await.0, "Unavailable", "a fault is never \"not found\"");
    let no_cache = replica.records.read(&id("X000001"), FreshnessDemand::ReadThrough).await;
    assert_eq!(said(no_cache).0, "Unavailable", "who wants no cache gets none");

    invalidate(&store, &[id("X000002")]).await.unwrap();
    assert_eq!(replica.read("X000002").await.0, "Unavailable", "its reader was told that it changed");

    let people = [id("X000001"), id("X000002")];
    assert!(replica.records.read_all(&people, FreshnessDemand::Current).await.is_err());
    let some = replica.records.read_all(&people[..1], FreshnessDemand::Current).await.unwrap();
    assert!(matches!(some[&people[0]], RecordAnswer::Found(_, Origin::Stale)));

    source.down.store(false, Ordering::SeqCst);
    until("Delius is tried again", || async {
        replica.read("X000001").await == ("A1".into(), Some(Origin::Delius))
    })
    .await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_record_older_than_the_limit_is_not_served_even_when_delius_is_down(store: PgPool) {
    let source = Scripted::new();
    source.set("X000001", "A1");
    let replica = Replica::start(&store, &source, Settings::default().records).await;
    replica.read("X000001").await;
    source.down.store(true, Ordering::SeqCst);
    sqlx::query("UPDATE case_records SET loaded_at = loaded_at - interval '5 hours'")
        .execute(&store)
        .await
        .unwrap();
    assert_eq!(replica.read("X000001").await.0, "Unavailable");
}

#[sqlx::test(migrations = "migrations/store")]
async fn not_found_is_believed_until_any_invalidation_is_heard(store: PgPool) {
    let source = Scripted::new();
    let config = CaseRecordsConfig { negative_age: Duration::from_secs(3600), ..Settings::default().records };
    let replica = Replica::start(&store, &source, config).await;
    feed_is_current(&store).await;
    until("not found is believed", || async {
        let before = source.reads();
        assert_eq!(replica.read("A0001AA").await.0, "NotFound");
        source.reads() == before
    })
    .await;
    source.set("X000001", "A1");
    invalidate(&store, &[id("X000001")]).await.unwrap();
    until("the case has got its number", || async { replica.read("A0001AA").await.0 == "A1" }).await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_person_who_is_gone_from_delius_is_gone_from_what_is_kept(store: PgPool) {
    let source = Scripted::new();
    source.set("X000001", "A1");
    let replica = Replica::trusting(&store, &source).await;
    replica.read("X000001").await;
    source.tiers.lock().unwrap().clear();
    assert_eq!(said(replica.records.read(&id("A0001AA"), FreshnessDemand::ReadThrough).await).0, "NotFound");
    until("nobody is found", || async { replica.read("X000001").await.0 == "NotFound" }).await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn what_is_incomplete_for_want_of_the_directory_is_served_and_not_kept(store: PgPool) {
    let source = Scripted::new();
    source.set("X000001", "A1");
    source.complete.store(false, Ordering::SeqCst);
    let replica = Replica::trusting(&store, &source).await;
    for _ in 0..2 {
        assert_eq!(replica.read("X000001").await, ("A1".into(), Some(Origin::Delius)));
    }
    source.complete.store(true, Ordering::SeqCst);
    replica.read("X000001").await;
    assert_eq!(replica.read("X000001").await.1, Some(Origin::Memory));
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_batch_reads_only_what_is_not_kept_and_all_of_that_at_once(store: PgPool) {
    let source = Scripted::new();
    for crn in ["X000001", "X000002", "X000003", "X000004"] {
        source.set(crn, "A1");
    }
    let replica = Replica::trusting(&store, &source).await;
    replica.read("X000001").await;
    let other = Replica::trusting(&store, &source).await;
    other.read("X000002").await;
    assert_eq!(source.reads(), 2);
    let people = ["X000001", "X000002", "X000003", "A0004AA", "X000009"].map(id);
    let answers = replica.records.read_all(&people, FreshnessDemand::Current).await.unwrap();
    let origins: Vec<_> = people.iter().map(|it| said(Ok::<_, ()>(answers[it].clone())).1).collect();
    let (memory, kept, delius) = (Some(Origin::Memory), Some(Origin::Store), Some(Origin::Delius));
    assert_eq!(origins, [memory, kept, delius, delius, None]);
    assert_eq!(source.reads(), 3, "one read for all that is missing");
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_record_read_by_a_former_number_is_dropped_with_that_of_the_present_one(store: PgPool) {
    let source = Scripted::new();
    source.set("X000001", "A1");
    let replica = Replica::trusting(&store, &source).await;
    sqlx::raw_sql(
        "insert into identity_facts (case_id, sequence, ordinal, kind, one, other, at, recorded_at)
         values ('A0009AA', 1, 0, 'replaced', 'A0009AA', 'A0001AA', now(), now())",
    )
    .execute(&store)
    .await
    .unwrap();
    assert_eq!(replica.read("A0009AA").await.0, "A1");
    for (by, tier) in [("X000001", "A2"), ("A0001AA", "A3")] {
        source.set("X000001", tier);
        invalidate(&store, &[id(by)]).await.unwrap();
        until("the new value is served", || async { replica.read("A0009AA").await.0 == tier }).await;
    }
}
