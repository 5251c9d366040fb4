//! The environment of one fault test: its own two databases and queue, stand-ins for Manage POM Cases and HMPPS Auth, and
//! invented cases.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use manage_pom_cases_and_delius::{
    case::{CaseServices, NoIdentityChanges},
    delius,
    event_store::{self, CaseStore, StoredStaffDirectory},
    mpc::NotConfigured,
};
use sqlx::{
    Connection, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use url::Url;

use crate::{
    queue::Queue,
    stand_ins::{Answer, StandIns, StandInsConfig},
    stream::STAFF,
    tcp_proxy::Door,
};

pub(crate) struct Ground {
    pub(crate) store: PgPool,
    pub(crate) delius: PgPool,
    pub(crate) cases: CaseStore,
    pub(crate) mpc: StandIns,
    pub(crate) queue: Queue,
    /// Directory of the logs, one file per process.
    pub(crate) logs: PathBuf,
    pub(crate) doors: Doors,
    password: Option<String>,
    admin: PgConnectOptions,
}

/// The proxies between the service and each of its dependencies.
pub(crate) struct Doors {
    pub(crate) store: Door,
    pub(crate) delius: Door,
    pub(crate) sqs: Door,
    pub(crate) mpc: Door,
}

/// Polls until the condition is true.
pub(crate) async fn until(what: &str, holds: impl AsyncFnMut() -> bool) {
    assert!(within(Duration::from_secs(120), holds).await, "never: {what}");
}

/// Polls until the condition is true, at most for this time.
pub(crate) async fn within(limit: Duration, mut holds: impl AsyncFnMut() -> bool) -> bool {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(limit, waiting).await.is_ok()
}

impl Ground {
    /// Uses the server that `make test` started.
    pub(crate) async fn lay(cases: usize) -> Self {
        let url = std::env::var("DATABASE_URL").expect("DATABASE_URL: run the tests by `make test-faults`");
        Self::on(&url, cases).await
    }

    /// Uses this server.
    pub(crate) async fn on(url: &str, cases: usize) -> Self {
        let admin: PgConnectOptions = url.parse().unwrap();
        let password = Url::parse(url).unwrap().password().map(str::to_owned);
        let unique = uuid::Uuid::now_v7().simple().to_string();
        let (store, delius) = (format!("faults_store_{unique}"), format!("faults_delius_{unique}"));
        let mut connection = PgConnection::connect_with(&admin).await.unwrap();
        for name in [&store, &delius] {
            sqlx::query(&format!("create database {name}")).execute(&mut connection).await.unwrap();
        }
        let pool = async |name: &str| {
            let options = PgPoolOptions::new().max_connections(4);
            options.connect_with(admin.clone().database(name)).await.unwrap()
        };
        let (store, delius) = (pool(&store).await, pool(&delius).await);
        event_store::migrator().run(&store).await.unwrap();
        delius::migrator().run(&delius).await.unwrap();
        seed(&delius, cases).await;
        let staff = Arc::new(StoredStaffDirectory::new(store.clone()));
        let services =
            CaseServices { mpc: Arc::new(NotConfigured), staff, identities: Arc::new(NoIdentityChanges) };
        let mpc = StandIns::start(StandInsConfig::default()).await.unwrap();
        let server = SocketAddr::new([127, 0, 0, 1].into(), admin.get_port());
        let sqs = Url::parse(&std::env::var("AWS_ENDPOINT_URL").unwrap()).unwrap();
        let doors = Doors {
            store: Door::to(server).await,
            delius: Door::to(server).await,
            sqs: Door::to(sqs.socket_addrs(|| None).unwrap()[0]).await,
            mpc: Door::to(mpc.address()).await,
        };
        let logs = std::env::temp_dir().join(format!("pom-cases-faults-{unique}"));
        std::fs::create_dir(&logs).unwrap();
        let ground = Self {
            cases: CaseStore::new(store.clone(), services),
            mpc,
            doors,
            password,
            // As every queue of probation integration.
            queue: Queue::make(3).await,
            logs,
            store,
            delius,
            admin,
        };
        for (number, (code, forename, surname)) in STAFF.into_iter().enumerate() {
            let email = format!("{surname}@staff.example").to_lowercase();
            let answer = Answer::allocated(code, forename, surname, Some(&email), "LEI");
            ground.mpc.mpc().allocation(&teaching_noms(number), answer);
        }
        ground
    }

    /// A failing test does not get here, so its databases and logs remain for inspection.
    pub(crate) async fn end(self) {
        let names =
            [&self.store, &self.delius].map(|pool| pool.connect_options().get_database().unwrap().to_owned());
        self.store.close().await;
        self.delius.close().await;
        let mut admin = PgConnection::connect_with(&self.admin).await.unwrap();
        for name in names {
            sqlx::query(&format!("drop database {name} with (force)")).execute(&mut admin).await.unwrap();
        }
        self.queue.remove().await;
        std::fs::remove_dir_all(&self.logs).unwrap();
    }

    /// A connection to the server that belongs to no database of the test.
    pub(crate) async fn admin(&self) -> PgConnection {
        PgConnection::connect_with(&self.admin).await.unwrap()
    }

    /// Renames the database of Delius away, as while it is restored, or back.
    pub(crate) async fn hide_delius(&self, hide: bool) {
        let name = self.delius.connect_options().get_database().unwrap().to_owned();
        let away = format!("{name}_away");
        let (from, to) = if hide { (&name, &away) } else { (&away, &name) };
        let mut admin = self.admin().await;
        let rename = format!("alter database {from} rename to {to}");
        let cut = "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1";
        // Somebody may connect between the two statements.
        for _ in 0..100 {
            sqlx::query(cut).bind(from).execute(&mut admin).await.unwrap();
            if sqlx::query(&rename).execute(&mut admin).await.is_ok() {
                return;
            }
        }
        panic!("the database of Delius is never free");
    }

    /// Address of its PostgreSQL.
    pub(crate) fn server(&self) -> SocketAddr {
        SocketAddr::new([127, 0, 0, 1].into(), self.admin.get_port())
    }

    /// A new log file for one more process.
    pub(crate) fn new_log(&self) -> PathBuf {
        self.logs.join(format!("{}.log", uuid::Uuid::now_v7().simple()))
    }

    /// The logs of all processes, in the order of their starts.
    pub(crate) fn said(&self) -> String {
        let mut logs: Vec<_> =
            std::fs::read_dir(&self.logs).unwrap().map(|entry| entry.unwrap().path()).collect();
        logs.sort();
        logs.iter().map(|log| String::from_utf8_lossy(&std::fs::read(log).unwrap()).into_owned()).collect()
    }

    /// URL of this database behind this proxy.
    pub(crate) fn url_of(&self, pool: &PgPool, door: &Door) -> String {
        let options = pool.connect_options();
        let password = self.password.as_deref().map(|password| format!(":{password}")).unwrap_or_default();
        let (user, database) = (options.get_username(), options.get_database().unwrap());
        format!("postgres://{user}{password}@{}/{database}", door.address)
    }

    /// URL of Manage POM Cases behind its proxy.
    pub(crate) fn mpc_url(&self) -> String {
        format!("http://{}", self.doors.mpc.address)
    }

    pub(crate) async fn count(&self, sql: &str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.store).await.unwrap()
    }
}

/// The NOMS number of a case of the stream.
pub(crate) fn noms(case: usize) -> String {
    format!("B{case:04}BB")
}

/// The case by which the service learns the name behind a staff code.
pub(crate) fn teaching_noms(number: usize) -> String {
    format!("A{number:04}AA")
}

/// Two prisons with their teams and placeholders, and people with one live custody each.
async fn seed(delius: &PgPool, cases: usize) {
    let sql = "
        with prison as (
            insert into r_institution (nomis_cde_code, description)
            values ('LEI', 'Leeds'), ('MDI', 'Moorland') returning institution_id, nomis_cde_code),
        provider as (
            insert into probation_area (code, description, institution_id)
            select case nomis_cde_code when 'LEI' then 'N03' else 'N04' end, nomis_cde_code || ' prison', institution_id
            from prison returning probation_area_id, code),
        teams as (
            insert into team (code, description, probation_area_id)
            select code || 'POM', 'Offender managers of ' || code, probation_area_id from provider
            union all select code || 'ALL', 'Unallocated of ' || code, probation_area_id from provider
            returning team_id, code, probation_area_id),
        unallocated as (
            insert into staff (officer_code, forename, surname, probation_area_id)
            select code || 'U', 'Unallocated', 'Staff', probation_area_id from teams where code like '%ALL'
            returning staff_id, officer_code),
        membership as (
            insert into staff_team (staff_id, team_id)
            select staff_id, team_id from unallocated join teams on officer_code = code || 'U' returning 1),
        person as (
            insert into offender (crn, noms_number)
            select 'X' || lpad(row_number() over ()::text, 6, '0'), noms from unnest($1::text[]) as people (noms)
            returning offender_id, noms_number),
        sentence as (insert into event (offender_id) select offender_id from person returning event_id),
        disposal as (insert into disposal (event_id) select event_id from sentence returning disposal_id)
        insert into custody (disposal_id, prisoner_number) select disposal_id, 'P' || disposal_id from disposal";
    let people: Vec<String> = (0..cases).map(noms).chain((0..STAFF.len()).map(teaching_noms)).collect();
    sqlx::query(sql).bind(people).execute(delius).await.unwrap();
}
