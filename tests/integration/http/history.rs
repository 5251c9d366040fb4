//! Histories and subject access requests over HTTP, with real tokens.

use std::sync::Arc;

use manage_pom_cases_and_delius::{
    audit::{
        evidence::EvidenceFile,
        journal::{Journal, checkpoint::Checkpoint},
    },
    case::sha256_hex,
    case_records::CaseRecords,
    delius::Delius,
    http::{self, Api, Role},
    operations::erasure,
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::{
    helpers::{
        api::{self, Replica, Settings, authenticator, delius_beside, from_delius, stand_ins},
        audit::{allocated, append, enter, noms, settle},
    },
    journal::evidence::{publish, signer},
    stand_ins::StandIns,
};

struct World {
    replica: Replica,
    auth: StandIns,
    store: PgPool,
}

fn with_history(api: Api, store: &PgPool, delius: &PgPool) -> Api {
    let routes = http::history::routes(store, &Delius::new(delius.clone()), api.authenticator());
    api.with_routes(routes, http::history::documentation())
}

impl World {
    async fn start(store: PgPool) -> Self {
        let (auth, delius) = (stand_ins().await, delius_beside(&store).await);
        sqlx::query(
            "insert into offender (crn, noms_number) values ('X123456', 'A1234BC'), ('X000002', null)",
        )
        .execute(&delius)
        .await
        .unwrap();
        let records = CaseRecords::new(store.clone(), from_delius(&delius), Settings::default().records);
        let records = Arc::new(records);
        let api = api::api(&records, Settings::default().api, authenticator(&auth));
        let replica = Replica::serve(&with_history(api, &store, &delius), records, &auth).await;
        let case = noms("A1234BC");
        append(&store, &case, 0, &[allocated("m1", "2026-07-01T09:00:00Z", 1)]).await;
        append(&store, &case, 1, &[allocated("m2", "2026-07-10T09:00:00Z", 2)]).await;
        Self { replica, auth, store }
    }

    async fn ask(
        &self,
        role: Role,
        path: &str,
        accept: &str,
    ) -> (StatusCode, reqwest::header::HeaderMap, String) {
        let token = self.auth.token(&[role.authority()]).unwrap();
        let request = self.replica.bare(Method::GET, path).bearer_auth(token).header("Accept", accept);
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        (status, headers, response.text().await.unwrap())
    }

    async fn history(&self, path: &str) -> (StatusCode, Value) {
        let (status, _, body) = self.ask(Role::Audit, path, "application/json").await;
        (status, serde_json::from_str(&body).unwrap())
    }

    async fn readings(&self) -> Vec<Value> {
        sqlx::query_scalar(
            "select jsonb_build_array(action, case_id, as_of, format, found) from access_log order by id",
        )
        .fetch_all(&self.store)
        .await
        .unwrap()
    }
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_history_is_read_by_either_identifier_as_of_a_time(store: PgPool) {
    let world = World::start(store).await;
    let (status, story) = world.history("/case-records/a1234bc/history?as_of=2026-07-05").await;
    assert_eq!((status, &story["answer"]["holder"]["staffCode"]), (StatusCode::OK, &json!(1)));
    let (_, story) = world.history("/case-records/X123456/history").await;
    assert_eq!(story["answer"]["holder"]["staffCode"], 2);
    assert_eq!(
        world.readings().await,
        [
            json!(["history", "A1234BC", "2026-07-05T22:59:59.999999+00:00", "json", true]),
            json!(["history", "A1234BC", null, "json", true]),
        ]
    );
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_history_is_handed_over_in_the_form_that_is_accepted(store: PgPool) {
    let world = World::start(store).await;
    let path = "/case-records/A1234BC/history";
    let (_, headers, csv) = world.ask(Role::Audit, path, "text/csv").await;
    assert_eq!(headers["content-type"], "text/csv; charset=utf-8");
    assert_eq!(headers["content-disposition"], "attachment; filename=\"history-A1234BC.csv\"");
    assert_eq!(csv.lines().count(), 4);
    let (_, headers, page) = world.ask(Role::Audit, path, "text/html,*/*;q=0.1").await;
    assert!(headers["content-security-policy"].to_str().unwrap().contains("default-src 'none'"));
    assert!(page.starts_with("<!DOCTYPE html>"));
    let (status, ..) = world.ask(Role::Audit, path, "application/pdf").await;
    assert_eq!(status, StatusCode::NOT_ACCEPTABLE);
    let (status, ..) = world.ask(Role::CaseDetail, path, "text/csv").await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert_eq!(world.readings().await.len(), 2, "only what is handed over is a reading");
}

#[sqlx::test(migrations = "migrations/store")]
async fn pages_lead_on_by_position(store: PgPool) {
    let world = World::start(store).await;
    let (_, first) = world.history("/case-records/A1234BC/history?limit=1").await;
    assert_eq!((&first["entries"][0]["position"], &first["page"]["next"]), (&json!(1), &json!(1)));
    let (_, second) = world.history("/case-records/A1234BC/history?limit=1&after=1").await;
    assert_eq!((&second["entries"][0]["position"], &second["page"]["next"]), (&json!(2), &json!(null)));
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_wrong_question_is_refused_and_an_unknown_case_is_not_found(store: PgPool) {
    let world = World::start(store).await;
    for path in [
        "/case-records/nobody/history",
        "/case-records/A1234BC/history?as_of=yesterday",
        "/case-records/A1234BC/history?as-of=2026-07-05",
        "/case-records/A1234BC/history?limit=0",
    ] {
        assert_eq!(world.history(path).await.0, StatusCode::BAD_REQUEST, "{path}");
    }
    for path in
        ["/case-records/Z9999ZZ/history", "/case-records/X000002/history", "/case-records/X999999/history"]
    {
        assert_eq!(world.history(path).await.0, StatusCode::NOT_FOUND, "{path}");
    }
}

#[sqlx::test(migrations = "migrations/store")]
async fn an_entry_is_given_with_the_chain_from_its_message_to_delius(store: PgPool) {
    let world = World::start(store).await;
    settle(&world.store, &noms("A1234BC"), 2, 1, "77").await;
    enter(&world.store, &Journal::new(world.store.clone()), 3).await;
    for path in ["/case-records/A1234BC/history/1", "/case-records/x123456/history/3"] {
        let (status, entry) = world.history(path).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        let evidence = &entry["message"]["evidence"];
        assert_eq!(
            (&entry["message"]["messageId"], &evidence["body"], &evidence["intact"]),
            (&json!("m1"), &json!("{\"message\":\"m1\"}"), &json!(true))
        );
        assert_eq!(entry["message"]["receipts"][0]["disposition"], "recorded");
        assert_eq!(entry["journal"]["position"], 1);
        assert_eq!(entry["entry"]["writes"][0]["changes"][0]["rowId"], "77");
    }
    assert_eq!(world.readings().await, vec![json!(["explain", "A1234BC", null, "json", true]); 2]);

    let (_, story) = world.history("/case-records/A1234BC/history").await;
    let evidence = &story["entries"][1]["evidence"];
    assert_eq!(evidence["messageSha256"], sha256_hex(b"{\"message\":\"m2\"}"));
    assert_eq!((&evidence["journal"]["position"], &evidence["fetched"]), (&json!(3), &json!([])));

    assert_eq!(world.history("/case-records/A1234BC/history/99").await.0, StatusCode::NOT_FOUND);
    assert_eq!(world.history("/case-records/Z9999ZZ/history/1").await.0, StatusCode::NOT_FOUND);
    assert_eq!(world.history("/case-records/A1234BC/history/first").await.0, StatusCode::BAD_REQUEST);
    let (status, ..) =
        world.ask(Role::CaseDetail, "/case-records/A1234BC/history/1", "application/json").await;
    assert_eq!(status, StatusCode::FORBIDDEN);
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_subject_access_request_gives_what_is_held_or_says_that_nothing_is(store: PgPool) {
    let world = World::start(store).await;
    let ask = async |query: &str| {
        let path = format!("/subject-access-request{query}");
        let (status, _, body) = world.ask(Role::Sar, &path, "application/json").await;
        (status.as_u16(), body)
    };
    let (status, body) = ask("?prn=A1234BC").await;
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, body["content"]["heldBy"].as_array().unwrap().len()), (200, 2));
    assert_eq!(ask("?crn=X123456&toDate=2026-07-05").await.0, 200);
    assert_eq!(ask("?prn=A1234BC&toDate=2026-06-30").await, (204, String::new()));
    assert_eq!(ask("?prn=Z9999ZZ").await.0, 204);
    assert_eq!(ask("").await.0, 209);
    for query in [
        "?prn=nobody",
        "?prn=A1234BC&crn=X123456",
        "?prn=A1234BC&fromDate=1/7/2026",
        "?prn=A1234BC&fromDate=2026-07-02&toDate=2026-07-01",
    ] {
        assert_eq!(ask(query).await.0, 400, "{query}");
    }
    let actions: Vec<Value> = world.readings().await.into_iter().map(|reading| reading[0].clone()).collect();
    assert_eq!(actions, vec![json!("subjectAccess"); 4]);
}

#[sqlx::test(migrations = "migrations/store")]
async fn the_routes_of_this_room_are_in_the_document(store: PgPool) {
    let (auth, delius) = (stand_ins().await, delius_beside(&store).await);
    let records = CaseRecords::new(store.clone(), from_delius(&delius), Settings::default().records);
    let api = api::api(&Arc::new(records), Settings::default().api, authenticator(&auth));
    let api = with_history(api, &store, &delius);
    let document = serde_json::to_value(&*api.documentation()).unwrap();
    for route in api.routes() {
        assert!(document["paths"][route.template()].is_object(), "{}", route.template());
    }
    assert!(document["paths"]["/subject-access-request"]["get"]["security"].is_array());
}

#[sqlx::test(migrations = "migrations/store")]
async fn the_evidence_of_a_person_is_handed_over_to_an_auditor_and_recorded(store: PgPool) {
    let world = World::start(store).await;
    let path = "/case-records/x123456/evidence";
    let (status, headers, _) = world.ask(Role::Audit, path, "*/*").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "no checkpoint is published yet");
    assert!(headers.contains_key("retry-after"));
    publish(&world.store).await;
    let (status, headers, body) = world.ask(Role::Audit, path, "*/*").await;
    assert_eq!(status, StatusCode::OK, "{body}");
    assert_eq!(headers["content-disposition"], "attachment; filename=\"evidence-A1234BC.json\"");
    let file = EvidenceFile::from_text(&body).unwrap();
    assert_eq!(file.counts["event"], 2);
    assert!(Checkpoint::verify(&file.checkpoint, &[signer().verifier().clone()]).is_ok());
    for (path, expected) in [
        ("/case-records/A9999ZZ/evidence", StatusCode::NOT_FOUND),
        ("/case-records/A1234BC/evidence?as-of=2026-07-05", StatusCode::BAD_REQUEST),
    ] {
        assert_eq!(world.ask(Role::Audit, path, "*/*").await.0, expected, "{path}");
    }
    assert_eq!(world.ask(Role::CaseDetail, path, "*/*").await.0, StatusCode::FORBIDDEN);
    let readings = world.readings().await;
    assert_eq!(readings[1], json!(["evidence", "A1234BC", null, null, true]));
    assert_eq!(readings.len(), 3, "{readings:?}");
}

#[sqlx::test(migrations = "migrations/store")]
async fn after_an_erasure_a_subject_access_request_is_answered_with_nothing_held(store: PgPool) {
    let world = World::start(store).await;
    let paths = ["/subject-access-request?prn=A1234BC", "/subject-access-request?crn=X123456"];
    for path in paths {
        assert_eq!(world.ask(Role::Sar, path, "*/*").await.0, StatusCode::OK, "{path}");
    }
    let subject = erasure::subject(&world.store, &"A1234BC".parse().unwrap()).await.unwrap();
    erasure::apply(&world.store, &subject, "operator", "request").await.unwrap().unwrap();
    for path in paths {
        let (status, _, body) = world.ask(Role::Sar, path, "*/*").await;
        assert_eq!((status, body.as_str()), (StatusCode::NO_CONTENT, ""), "{path}");
    }
    let (status, story) = world.history("/case-records/A1234BC/history").await;
    assert_eq!((status, &story["erasures"][0]["by"]), (StatusCode::OK, &json!("operator")));
    append(&world.store, &noms("A1234BC"), 0, &[allocated("m3", "2026-08-01T09:00:00Z", 1)]).await;
    assert_eq!(world.ask(Role::Sar, paths[0], "*/*").await.0, StatusCode::OK, "a new stream");
}
