//! Two processes that could lead the journal.

use manage_pom_cases_and_delius::audit::journal::LEADER;

use crate::{
    ground::{Ground, until},
    invariants,
    service::Service,
    stream::Stream,
};

/// Database sessions that are in the middle of a journal batch.
const IN_A_BATCH: &str = "
    select count(distinct pid) from pg_locks
    where database = (select oid from pg_database where datname = current_database())
      and relation = 'journal'::regclass and mode = 'RowExclusiveLock' and granted";

#[tokio::test(flavor = "multi_thread")]
async fn one_process_keeps_the_journal_and_when_it_is_killed_in_a_batch_the_other_goes_on() {
    let ground = Ground::lay(3).await;
    let mut stream = Stream::new(35, 3);
    // The process hangs between the entries of its first batch and their commit.
    let leader = Service::start(&ground, &[("FAILPOINTS", "journalling=pause")]).await;
    ground.queue.send(&stream.teach(&ground)).await;
    until("the leader is in the middle of a batch", async || ground.count(IN_A_BATCH).await == 1).await;

    let other = Service::start(&ground, &[]).await;
    until("the other one sees that somebody leads", async || {
        other.log().contains("another process is journal leader")
    })
    .await;
    let leads = format!(
        "select count(*) from pg_locks
         where database = (select oid from pg_database where datname = current_database())
           and locktype = 'advisory' and granted and objsubid = 1
           and (classid::bigint << 32 | objid::bigint) = {LEADER}"
    );
    assert_eq!((ground.count(&leads).await, ground.count(IN_A_BATCH).await), (1, 1));
    assert_eq!(ground.count("select count(*) from journal").await, 0, "nothing is committed yet");

    let more = stream.next(&ground, 8);
    leader.kill().await;
    ground.queue.send(&more).await;
    invariants::hold(&ground, &stream).await;
    other.stop().await;
    ground.end().await;
}
