//! The read API under faults. It must answer 200 with a current value (or with a warning) or 503 with `Retry-After`:
//! never 404 or 429 for a fault, and never a value that it should know to be out of date.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::StatusCode;
use rustix::process::{Signal, kill_process};

use crate::{
    caller::{Answered, CRN, Caller, set_tier},
    cluster::Cluster,
    ground::{Ground, until},
    invariants,
    service::Service,
    stream::changed,
    tcp_proxy::{Door, Mode},
};

/// More than a process has connections.
const CASES: usize = 30;

const TIERS: [&str; 4] = ["A1", "B2", "C3", "D0"];

/// The API process behind its own proxies, and an ingest process that receives the change feed without faults.
struct Reading {
    ground: Ground,
    caller: Caller,
    ingest: Service,
    api: Service,
    url: String,
    store: Door,
    delius: Door,
    round: usize,
}

/// Whether an answer is allowed during a fault.
fn judge(answered: &Answered) {
    match answered.status {
        StatusCode::OK => {}
        StatusCode::SERVICE_UNAVAILABLE => assert!(answered.retry_after, "{answered:?}"),
        _ => panic!("{answered:?}"),
    }
}

impl Reading {
    async fn of(ground: Ground) -> Self {
        let server = ground.server();
        let (store, delius) = (Door::to(server).await, Door::to(server).await);
        let ingest = Service::start_as(&ground, "ingest", &[]).await;
        set_tier(&ground, TIERS[0]).await;
        has_managers(&ground).await;
        let api = Self::start(&ground, &store, &delius).await;
        let (caller, url) = (Caller::of(&ground), api.api_url());
        Self { ground, caller, ingest, api, url, store, delius, round: 0 }
    }

    async fn start(ground: &Ground, store: &Door, delius: &Door) -> Service {
        let (store, delius) = (ground.url_of(&ground.store, store), ground.url_of(&ground.delius, delius));
        let environment = [("DATABASE_URL", store.as_str()), ("DELIUS_DATABASE_URL", delius.as_str())];
        Service::start_as(ground, "api", &environment).await
    }

    fn tier(&self) -> &'static str {
        TIERS[self.round % TIERS.len()]
    }

    async fn ask(&self) -> Answered {
        self.caller.ask(&self.url, CRN).await.unwrap()
    }

    /// Waits until the record is served from memory.
    async fn keeps(&self) {
        until("the record is kept and memory is trusted", async || {
            let answered = self.ask().await;
            let trusted = self.caller.figure(&self.url, "case_records_current").await == Some(1.0);
            answered.claims(self.tier()) && answered.kept && trusted
        })
        .await;
    }

    /// Changes the value in Delius and waits until its change-feed message is accepted.
    async fn change(&mut self) {
        self.round += 1;
        set_tier(&self.ground, self.tier()).await;
        let id = format!("change-{}", self.round);
        self.ground.queue.send(&[changed(&id, CRN)]).await;
        let receipt = format!("select count(*) from message_receipts where message_id = '{id}'");
        until("the message is accepted", async || self.ground.count(&receipt).await == 1).await;
    }

    /// Checks that the old value is never served as current again: the process has received the invalidation, or has
    /// noticed that it receives none.
    async fn has_dropped(&self, old: &str) {
        until("the old value is not claimed any more", async || {
            let answered = self.ask().await;
            judge(&answered);
            !answered.claims(old)
        })
        .await;
        for answered in join_all((0..8).map(|_| self.ask())).await {
            judge(&answered);
            assert!(!answered.claims(old), "{answered:?}");
        }
    }

    /// Asks for everybody at once, and for an unknown person when Delius is down.
    async fn everybody(&self, has_delius: bool) {
        let unknown = (!has_delius).then(|| format!("X9{:05}", self.round));
        let people = (1..=CASES).map(|person| format!("X{person:06}")).chain(unknown);
        let asked = people.map(async |crn| self.caller.ask(&self.url, &crn).await.unwrap());
        join_all(asked).await.iter().for_each(judge);
    }

    /// Waits until the service works again, without a restart.
    async fn heals(&mut self) {
        self.keeps().await;
        let unknown = self.caller.ask(&self.url, "X999999").await.unwrap();
        assert_eq!(unknown.status, StatusCode::NOT_FOUND);
        let people = (1..=CASES).map(|person| format!("X{person:06}"));
        for crn in people {
            let answered = self.caller.ask(&self.url, &crn).await.unwrap();
            assert_eq!(answered.status, StatusCode::OK, "{crn}: {answered:?}");
        }
        assert!(self.api.is_running());
    }

    /// Breaks one network for a while, and changes the value meanwhile.
    async fn suffers(&mut self, which: fn(&Self) -> &Door, mode: Mode) {
        // Open as many connections as possible, so that the fault hits all of them.
        let people = (1..=CASES).map(|person| format!("X{person:06}"));
        join_all(people.map(async |crn| self.caller.ask_delius(&self.url, &crn).await.unwrap())).await;
        self.keeps().await;
        let (old, before) = (self.tier(), which(self).suffered());
        let asked = async {
            let people = (1..=CASES).map(|person| format!("X{person:06}"));
            join_all(people.map(async |crn| self.caller.ask_delius(&self.url, &crn).await.unwrap())).await
        };
        let begins = async {
            which(self).set(Mode::Delay(Duration::from_millis(200)));
            until("it is asked", async || which(self).suffered() > before + 5).await;
            which(self).set(mode);
        };
        let (answered, ()) = tokio::join!(asked, begins);
        answered.iter().for_each(judge);
        self.change().await;
        self.has_dropped(old).await;
        if !matches!(mode, Mode::Delay(_)) {
            let has_delius = !std::ptr::eq(which(self), &raw const self.delius);
            self.everybody(has_delius).await;
        }
        assert!(which(self).suffered() > before);
        which(self).set(Mode::Pass);
        self.heals().await;
    }

    async fn end(self) {
        assert_eq!(invariants::names_in(&self.ground.said()), Vec::<&str>::new());
        self.api.stop().await;
        self.ingest.stop().await;
        self.ground.end().await;
    }
}

/// Gives the records a name that could leak into a log.
async fn has_managers(ground: &Ground) {
    let (.., forename, surname) = crate::stream::STAFF[2];
    sqlx::query(
        "with manager as (
             insert into staff (officer_code, forename, surname, probation_area_id)
             select 'N03Z123', $1, $2, probation_area_id from probation_area where code = 'N03'
             returning staff_id, probation_area_id)
         insert into offender_manager (offender_id, team_id, allocation_staff_id, probation_area_id)
         select offender_id, team_id, staff_id, manager.probation_area_id
         from offender, manager join team on team.probation_area_id = manager.probation_area_id
         where team.code like '%POM'",
    )
    .bind(forename)
    .bind(surname)
    .execute(&ground.delius)
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_while_delius_or_the_store_is_refused_are_right_or_503_and_heal() {
    let mut reading = Reading::of(Ground::lay(CASES).await).await;
    reading.suffers(|it| &it.delius, Mode::Refuse).await;
    reading.suffers(|it| &it.store, Mode::Refuse).await;
    reading.end().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: make test-faults"]
async fn reads_while_a_network_swallows_everything_or_is_slow_are_right_or_503_and_heal() {
    let mut reading = Reading::of(Ground::lay(CASES).await).await;
    for mode in [Mode::Swallow, Mode::Delay(Duration::from_millis(700))] {
        reading.suffers(|it| &it.delius, mode).await;
        reading.suffers(|it| &it.store, mode).await;
    }
    reading.end().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: make test-faults"]
async fn reads_while_postgresql_crashes_are_right_or_503_and_heal() {
    let cluster = Cluster::make();
    let mut reading = Reading::of(Ground::on(&cluster.url(), CASES).await).await;
    for _ in 0..3 {
        reading.keeps().await;
        cluster.crash();
        for _ in 0..5 {
            // Nothing has changed, so the old value is still right.
            judge(&reading.ask().await);
            reading.everybody(false).await;
        }
        cluster.start();
        for pool in [&reading.ground.store, &reading.ground.delius] {
            until("the test is connected again", async || {
                sqlx::query("select 1").execute(pool).await.is_ok()
            })
            .await;
        }
        let old = reading.tier();
        reading.change().await;
        reading.has_dropped(old).await;
        reading.heals().await;
    }
    reading.end().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: make test-faults"]
async fn reads_of_an_api_that_is_killed_and_started_are_right_or_not_answered() {
    let mut reading = Reading::of(Ground::lay(CASES).await).await;
    for _ in 0..3 {
        reading.keeps().await;
        let old = reading.tier();
        let asking = async {
            let asked = (0..20).map(|_| reading.caller.ask(&reading.url, CRN));
            join_all(asked).await
        };
        let pid = reading.api.pid();
        let kill = async {
            tokio::task::yield_now().await;
            kill_process(pid, Signal::KILL).unwrap();
        };
        let (answered, ()) = tokio::join!(asking, kill);
        for answered in answered.into_iter().flatten() {
            judge(&answered);
            assert!(answered.claims(old) || answered.stale || answered.status != StatusCode::OK);
        }
        reading.api.ended().await;
        reading.change().await;
        reading.api = Reading::start(&reading.ground, &reading.store, &reading.delius).await;
        reading.url = reading.api.api_url();
        for _ in 0..5 {
            let answered = reading.ask().await;
            judge(&answered);
            assert!(!answered.claims(old), "{answered:?}");
        }
        reading.heals().await;
    }
    reading.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_keys_of_hmpps_auth_cannot_be_had_nobody_is_told_that_the_token_is_bad() {
    let ground = Ground::lay(1).await;
    let caller = Caller::of(&ground);
    ground.doors.mpc.set(Mode::Refuse);
    let api = Service::start_as(&ground, "api", &[]).await;
    for _ in 0..3 {
        let answered = caller.ask(&api.api_url(), CRN).await.unwrap();
        assert_eq!(answered.status, StatusCode::SERVICE_UNAVAILABLE, "{answered:?}");
        assert!(answered.retry_after);
    }
    ground.doors.mpc.set(Mode::Pass);
    let url = api.api_url();
    until("it answers", async || caller.ask(&url, CRN).await.unwrap().status == StatusCode::OK).await;
    api.stop().await;
    ground.end().await;
}
