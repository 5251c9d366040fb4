//! A whole service driven by hand: both databases of one test, stand-ins for Manage POM Cases and HMPPS Auth, the
//! ingestion and the relay. Nothing runs in the background: a test accepts messages and drains the outbox itself.

use std::{collections::BTreeMap, sync::Arc};

use chrono::Utc;
use manage_pom_cases_and_delius::{
    case::{CaseEvent, CaseServices, NomsNumber},
    delius::{self, Delius},
    event_store::{CaseStore, StoredIdentities, StoredStaffDirectory},
    ingest::{Delivery, Disposition, Ingest, NotAccepted, reflector},
    mpc::{ClientCredentials, MpcClient, TokenSource},
    relay::{Relay, RelayConfig, RelayStep},
};
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection, PgPool, postgres::PgPoolOptions};

use crate::stand_ins::{StandIns, StandInsConfig};

pub(crate) const NOMS: &str = "A1234BC";
pub(crate) const CRN: &str = "X123456";

pub(crate) struct World {
    pub(crate) store: PgPool,
    pub(crate) delius: PgPool,
    pub(crate) mpc: StandIns,
    pub(crate) cases: Arc<CaseStore>,
    pub(crate) ingest: Ingest,
    pub(crate) relay: Relay,
    delius_database: String,
}

impl World {
    /// A service on the test's store, with a Delius of its own in which one person is in prison.
    pub(crate) async fn on(store: PgPool) -> Self {
        let delius_database = format!("delius_{}", uuid::Uuid::now_v7().simple());
        let mut connection = store.acquire().await.unwrap();
        sqlx::query(&format!("create database {delius_database}")).execute(&mut *connection).await.unwrap();
        drop(connection);
        let options = (*store.connect_options()).clone().database(&delius_database);
        let delius_pool = PgPoolOptions::new().max_connections(10).connect_with(options).await.unwrap();
        delius::migrator().run(&delius_pool).await.unwrap();
        seed(&delius_pool).await;

        let mpc = StandIns::start(StandInsConfig::default()).await.unwrap();
        let cases = Self::cases_on(&store, &mpc);
        let gateway = Delius::new(delius_pool.clone());
        Self {
            ingest: Ingest::new(Arc::clone(&cases), gateway.clone()),
            relay: Relay::new(Arc::clone(&cases), gateway, RelayConfig::of("test")),
            store,
            delius: delius_pool,
            mpc,
            cases,
            delius_database,
        }
    }

    fn cases_on(store: &PgPool, mpc: &StandIns) -> Arc<CaseStore> {
        let credentials = ClientCredentials { id: "client".into(), secret: "secret".into() };
        let token = TokenSource::new(&mpc.auth_url(), credentials).unwrap();
        let client = Arc::new(MpcClient::new(&mpc.mpc_url(), token).unwrap());
        let staff = Arc::new(StoredStaffDirectory::new(store.clone()));
        let identities = Arc::new(StoredIdentities::new(store.clone()));
        Arc::new(CaseStore::new(store.clone(), CaseServices { mpc: client, staff, identities }))
    }

    /// Drops the Delius of the test. Not called by a test that fails: its databases stay to be looked at.
    pub(crate) async fn end(self) {
        self.delius.close().await;
        let mut admin = PgConnection::connect_with(&self.store.connect_options()).await.unwrap();
        sqlx::query(&format!("drop database {} with (force)", self.delius_database))
            .execute(&mut admin)
            .await
            .unwrap();
    }

    pub(crate) async fn accept(&self, message: &Value) -> Disposition {
        self.try_accept(message).await.unwrap()
    }

    pub(crate) async fn try_accept(&self, message: &Value) -> Result<Disposition, NotAccepted> {
        self.ingest.accept(&delivery(message.to_string())).await
    }

    /// Accepts the message and applies what it leads to.
    pub(crate) async fn apply(&self, message: &Value) -> Disposition {
        let disposition = self.accept(message).await;
        self.drain().await;
        disposition
    }

    /// Reflects and relays until nothing is due.
    pub(crate) async fn drain(&self) -> Vec<RelayStep> {
        let mut all = vec![];
        loop {
            let reflected = reflector::step(&self.cases).await.unwrap();
            let steps = self.relay.step().await.unwrap();
            if reflected == 0 && steps.is_empty() {
                return all;
            }
            all.extend(steps);
        }
    }

    /// The events of a case, by name.
    pub(crate) async fn events(&self, noms: &str) -> Vec<&'static str> {
        self.history(noms).await.iter().map(CaseEvent::name).collect()
    }

    pub(crate) async fn history(&self, noms: &str) -> Vec<CaseEvent> {
        let noms: NomsNumber = noms.parse().unwrap();
        self.cases.load(&noms).await.unwrap().into_iter().map(|event| event.payload).collect()
    }

    /// The outcomes of the writes of a case, in order.
    pub(crate) async fn outcomes(&self, noms: &str) -> Vec<&'static str> {
        let events = self.history(noms).await;
        events.iter().filter_map(CaseEvent::write_result).map(|result| result.outcome.name.as_str()).collect()
    }

    /// Who held the case, as Delius has it: start, end, team, officer's surname; live rows in order.
    pub(crate) async fn poms(&self, noms: &str) -> Vec<String> {
        sqlx::query_scalar(
            "select to_char(p.allocation_date, 'DD.HH24:MI:SS') || ' - '
                    || coalesce(to_char(p.end_date, 'DD.HH24:MI:SS'), 'open') || ' ' || t.code || ' ' || s.surname
             from prison_offender_manager p
             join offender o using (offender_id)
             join team t on t.team_id = p.allocation_team_id
             join staff s on s.staff_id = p.allocation_staff_id
             where o.noms_number = $1 and p.soft_deleted = 0
             order by p.allocation_date, p.prison_offender_manager_id",
        )
        .bind(noms)
        .fetch_all(&self.delius)
        .await
        .unwrap()
    }

    /// Who was responsible, as Delius has it, adjacent periods of one officer joined.
    pub(crate) async fn responsible(&self, noms: &str) -> Vec<String> {
        let rows: Vec<(String, Option<String>, String)> = sqlx::query_as(
            "select to_char(r.start_date, 'DD.HH24:MI:SS'), to_char(r.end_date, 'DD.HH24:MI:SS'),
                    coalesce(t.code || ' ' || s.surname, 'COM')
             from responsible_officer r
             join offender o using (offender_id)
             left join prison_offender_manager p using (prison_offender_manager_id)
             left join team t on t.team_id = p.allocation_team_id
             left join staff s on s.staff_id = p.allocation_staff_id
             where o.noms_number = $1 order by r.start_date",
        )
        .bind(noms)
        .fetch_all(&self.delius)
        .await
        .unwrap();
        let mut joined: Vec<(String, Option<String>, String)> = vec![];
        for (start, end, who) in rows {
            match joined.last_mut() {
                Some(last) if last.2 == who && last.1.as_ref() == Some(&start) => last.1 = end,
                _ => joined.push((start, end, who)),
            }
        }
        let open = |end: Option<String>| end.unwrap_or_else(|| "open".into());
        joined.into_iter().map(|(start, end, who)| format!("{start} - {} {who}", open(end))).collect()
    }

    /// Live key dates as `POM1=2026-08-01`.
    pub(crate) async fn key_dates(&self, noms: &str) -> Vec<String> {
        sqlx::query_scalar(
            "select l.code_value || '=' || k.key_date::date
             from key_date k join custody c using (custody_id) join disposal d using (disposal_id)
             join event e using (event_id) join offender o on o.offender_id = e.offender_id
             join r_standard_reference_list l on l.standard_reference_list_id = k.key_date_type_id
             where o.noms_number = $1 and k.soft_deleted = 0 order by l.code_value",
        )
        .bind(noms)
        .fetch_all(&self.delius)
        .await
        .unwrap()
    }

    pub(crate) async fn count(&self, sql: &str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.store).await.unwrap()
    }

    pub(crate) async fn count_in_delius(&self, sql: &str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.delius).await.unwrap()
    }

    /// The reasons for which messages are parked, oldest first.
    pub(crate) async fn parked(&self) -> Vec<String> {
        sqlx::query_scalar("select reason from parked_messages where state = 'parked' order by id")
            .fetch_all(&self.store)
            .await
            .unwrap()
    }

    /// An allocation message of this case, with a `detailUrl` on the stand-in.
    pub(crate) fn allocation(&self, id: &str, at: &str, staff_code: impl Into<Value>) -> Value {
        let url = format!("{}/api/allocation/{NOMS}/primary_pom", self.mpc.mpc_url());
        let information =
            json!({ "staffCode": staff_code.into(), "prisonId": "LEI", "eventTrigger": "user" });
        envelope(id, "offender-management.allocation.changed", at, Some(&url), &information)
    }

    pub(crate) fn handover(&self, id: &str, at: &str) -> Value {
        let url = format!("{}/api/handovers/{NOMS}", self.mpc.mpc_url());
        envelope(id, "offender-management.handover.changed", at, Some(&url), &Value::Null)
    }
}

pub(crate) fn delivery(body: impl Into<Vec<u8>>) -> Delivery {
    Delivery {
        body: body.into(),
        attributes: BTreeMap::new(),
        sqs_id: None,
        receive_count: 1,
        received_at: Utc::now(),
    }
}

/// An SNS envelope about the one person.
pub(crate) fn envelope(
    id: &str,
    event_type: &str,
    at: &str,
    detail_url: Option<&str>,
    information: &Value,
) -> Value {
    let mut event = json!({
        "eventType": event_type, "version": 1, "description": "An event",
        "personReference": { "identifiers": [{ "type": "NOMS", "value": NOMS }, { "type": "CRN", "value": CRN }] },
        "occurredAt": at,
    });
    if let Some(url) = detail_url {
        event["detailUrl"] = json!(url);
    }
    if !information.is_null() {
        event["additionalInformation"] = information.clone();
    }
    json!({
        "Type": "Notification", "MessageId": id, "TopicArn": "arn:aws:sns:eu-west-2:000000000000:events",
        "Message": event.to_string(), "Timestamp": at,
        "MessageAttributes": { "eventType": { "Type": "String", "Value": event_type } }
    })
}

/// A Delius offender event about the one person.
pub(crate) fn offender_event(event_type: &str, crn: &str) -> Value {
    json!({ "eventType": event_type, "offenderId": 1, "crn": crn, "sourceId": 7,
            "eventDatetime": "2026-07-01T09:00:00+01:00" })
}

/// Two prisons, the teams that allocations need, and one person with one live custody.
async fn seed(delius: &PgPool) {
    let sql = format!(
        "with prison as (
             insert into r_institution (nomis_cde_code, description)
             values ('LEI', 'Leeds'), ('MDI', 'Moorland') returning institution_id, nomis_cde_code),
         provider as (
             insert into probation_area (code, description, institution_id)
             select case nomis_cde_code when 'LEI' then 'N03' else 'N04' end,
                    case nomis_cde_code when 'LEI' then 'Leeds prison' else 'Moorland prison' end, institution_id
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
             insert into offender (crn, noms_number) values ('{CRN}', '{NOMS}') returning offender_id),
         sentence as (insert into event (offender_id) select offender_id from person returning event_id),
         disposal as (insert into disposal (event_id) select event_id from sentence returning disposal_id)
         insert into custody (disposal_id, prisoner_number) select disposal_id, '{NOMS}' from disposal"
    );
    sqlx::query(&sql).execute(delius).await.unwrap();
}
