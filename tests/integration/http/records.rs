//! The routes that Manage POM Cases reads.

use manage_pom_cases_and_delius::{
    case::{CaseEvent, IdentityChange, IdentityReason, IdentityRole, Inherited, PersonId},
    http::Role,
};
use reqwest::{Method, StatusCode, header};
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    helpers::{
        api::{Replica, Settings, delius_beside, feed_is_current, from_delius, read, stand_ins},
        audit::{append, noms, provenance, utc},
        people::{ground, manage, person, register, run, staff},
    },
    stand_ins::StandIns,
};

pub(super) struct World {
    pub(super) delius: PgPool,
    auth: StandIns,
    pub(super) api: Replica,
}

/// Two people with a COM, one of them with MAPPA and RoSH registrations, and one without anything.
pub(super) async fn world(store: &PgPool) -> World {
    let (auth, delius) = (stand_ins().await, delius_beside(store).await);
    let ground = ground(&delius).await;
    let com = staff(&delius, &ground, "N07A007", ["Ada", "Mary", "Byron"], Some("AdaByron")).await;
    for (crn, noms) in [("X000001", Some("A0001AA")), ("X000002", Some("A0002AA"))] {
        let id = person(&delius, crn, noms).await;
        manage(&delius, &ground, id, com, "2026-01-05").await;
        if crn == "X000001" {
            register(&delius, id, "MAPP", "2026-02-02", Some("M2"), Some("M1")).await;
            register(&delius, id, "RHRH", "2026-02-03", None, None).await;
        }
    }
    person(&delius, "X000003", None).await;
    let api = Replica::start(store, from_delius(&delius), &auth, Settings::default()).await;
    World { delius, auth, api }
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_record_is_the_same_by_either_identifier_in_any_case(store: PgPool) {
    let world = world(&store).await;
    let (status, record) = world.api.get_json("/case-records/X000001").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!((&record["crn"], &record["nomsId"]), (&json!("X000001"), &json!("A0001AA")));
    assert_eq!(
        record["manager"]["name"],
        json!({"forename": "Ada Mary", "middleName": null, "surname": "Byron"})
    );
    assert_eq!(record["manager"]["email"], Value::Null);
    assert_eq!((&record["mappaLevel"], &record["rosh"]["level"]), (&json!(2), &json!("HIGH")));
    for id in ["x000001", "A0001AA", "a0001aa"] {
        assert_eq!(world.api.get_json(&format!("/case-records/{id}")).await.1, record, "{id}");
    }
    let (_, unlinked) = world.api.get_json("/case-records/X000003").await;
    assert_eq!(unlinked["nomsId"], Value::Null);
}

#[sqlx::test(migrations = "migrations/store")]
async fn equal_spellings_of_a_path_have_one_answer(store: PgPool) {
    let world = world(&store).await;
    let address = world.api.url.trim_start_matches("http://").to_owned();
    let token = world.auth.token(&[Role::CaseDetail.authority()]).unwrap();
    // By hand, because HTTP clients tidy the path up before they send it.
    let status = async |target: &str| {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        let request = format!(
            "GET {target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer[9..12].parse::<u16>().unwrap()
    };
    for (target, expected) in [
        ("/case-records/X000001", 200),
        ("/case-records/%58000001", 200),
        ("/case-records/%78000001", 200),
        ("/case%2Drecords/X00000%31", 200),
        ("/case-records/X000001%20", 200),
        ("/case-records/%09X000001%20", 200),
        ("/case-records/X000001/", 200),
        ("//case-records/X000001", 200),
        ("///case-records//X000001//", 200),
        ("//case-records//X000001/risks//mappa", 200),
        ("/case-records/X000001?a=//%58", 200),
        ("http://example.test/case-records/X000001", 200),
        ("http://example.test//case-records/%58000001", 200),
        ("/case-records/%2558000001", 400),
        ("/case-records/X000001%2Frisks", 400),
        ("/case-records/X000001%00", 400),
        ("/case-records/%FF", 400),
        ("/case-records/%5", 400),
        ("/case-records/+X000001", 400),
        ("/case-records/..", 400),
        ("/Case-Records/X000001", 404),
        ("//", 404),
        ("/%2Fhealth", 404),
        ("/health//ping", 200),
        ("//%68ealth/ping", 200),
    ] {
        assert_eq!(status(target).await, expected, "{target}");
    }
}

#[sqlx::test(migrations = "migrations/store")]
async fn errors_have_one_shape_and_404_means_that_there_is_no_such_thing(store: PgPool) {
    let world = world(&store).await;
    for (path, status, message) in [
        ("/case-records/X999999", 404, "Person with crn of X999999 not found"),
        ("/case-records/A9999AA", 404, "Person with nomsId of A9999AA not found"),
        ("/case-records/X999999/risks/mappa", 404, "Person with crn of X999999 not found"),
        (
            "/case-records/X000003/risks/mappa",
            404,
            "MAPPA registration of person with crn of X000003 not found",
        ),
        (
            "/case-records/X000003/risks/rosh",
            404,
            "RoSH registration of person with crn of X000003 not found",
        ),
        ("/case-records/Byron", 400, "Not a CRN or NOMS number: expected X123456 or A1234BC"),
        ("/case-records/Byron/risks/rosh", 400, "Not a CRN or NOMS number: expected X123456 or A1234BC"),
        ("/nothing/here", 404, "There is no such route"),
        ("/case-records/X000001/other", 404, "There is no such route"),
        ("/", 404, "There is no such route"),
    ] {
        let (answered, body) = world.api.get_json(path).await;
        assert_eq!(
            (answered.as_u16(), body),
            (status, json!({"status": status, "message": message})),
            "{path}"
        );
    }
    for (method, path, allow) in [
        (Method::DELETE, "/case-records/X000001", "GET, HEAD"),
        (Method::GET, "/case-records", "POST"),
        (Method::POST, "/health/ping", "GET, HEAD"),
        (Method::OPTIONS, "/info", "GET, HEAD"),
    ] {
        let answer = world.api.request(method.clone(), path).send().await.unwrap();
        assert_eq!(answer.headers()[header::ALLOW], allow, "{method} {path}");
        let (status, body) = read(answer).await;
        assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(body, json!({"status": 405, "message": "The route does not take this method"}));
    }
}

#[sqlx::test(migrations = "migrations/store")]
async fn risks_are_read_on_their_own(store: PgPool) {
    let world = world(&store).await;
    run(&world.delius, "UPDATE registration SET next_review_date = '2026-08-02'").await;
    assert_eq!(
        world.api.get_json("/case-records/X000001/risks/mappa").await,
        (
            StatusCode::OK,
            json!({"level": 2, "levelDescription": "MAPPA Level 2", "category": 1,
                   "categoryDescription": "MAPPA Category 1", "startDate": "2026-02-02", "reviewDate": "2026-08-02"})
        )
    );
    assert_eq!(
        world.api.get_json("/case-records/A0001AA/risks/rosh").await,
        (StatusCode::OK, json!({"level": "HIGH", "startDate": "2026-02-03"}))
    );
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_noms_number_that_several_people_share_cannot_be_answered_and_each_is_served_by_crn(store: PgPool) {
    let world = world(&store).await;
    person(&world.delius, "X000009", Some("A0001AA")).await;
    let answer = world.api.get("/case-records/A0001AA").await;
    assert!(answer.headers().contains_key("retry-after"), "whoever is told 4xx does not come again today");
    let (status, body) = read(answer).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(body["message"], "Several people in Delius share the nomsId of A0001AA: ask by CRN");
    assert_eq!(world.api.get_json("/case-records/X000001").await.0, StatusCode::OK);
    feed_is_current(&store).await;
    world.api.trusts_its_memory().await;
    assert_eq!(world.api.get_json("/case-records/X000001").await.0, StatusCode::OK);
    assert_eq!(
        world.api.get_json("/case-records/A0001AA").await.0,
        StatusCode::SERVICE_UNAVAILABLE,
        "kept records say so too"
    );
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_record_is_read_by_every_number_that_the_person_had(store: PgPool) {
    let world = world(&store).await;
    let event = CaseEvent::IdentityChanged {
        provenance: provenance("m1", utc("2026-07-01T09:00:00Z")),
        change: IdentityChange {
            from: PersonId::Noms(noms("A0009AA")),
            to: PersonId::Noms(noms("A0001AA")),
            reason: IdentityReason::PrisonRecordsMerged,
            crn: None,
        },
        role: IdentityRole::Former,
        given_on: None,
        inherited: Inherited::default(),
        released: vec![],
    };
    let unknown = world.api.get_json("/case-records/A0009AA").await;
    assert_eq!(unknown.0, StatusCode::NOT_FOUND);
    append(&store, &noms("A0009AA"), 0, &[event]).await;
    for path in ["", "/risks/mappa", "/risks/rosh"] {
        let present = world.api.get_json(&format!("/case-records/A0001AA{path}")).await;
        assert_eq!(present.0, StatusCode::OK, "{path}");
        assert_eq!(world.api.get_json(&format!("/case-records/a0009aa{path}")).await, present, "{path}");
    }
    run(
        &world.delius,
        "update offender set current_tier = null, noms_number = 'A0008AA' where crn = 'X000001'",
    )
    .await;
    let gone = world.api.get_json("/case-records/A0009AA").await;
    assert_eq!(gone.0, StatusCode::NOT_FOUND, "Delius decides who has the present number");
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_caller_who_has_the_record_is_told_so_and_head_sends_no_body(store: PgPool) {
    let world = world(&store).await;
    let first = world.api.get("/case-records/X000001").await;
    assert_eq!(first.headers()[header::CACHE_CONTROL], "private, no-cache");
    assert!(!first.headers().contains_key(header::AGE), "straight from Delius");
    let etag = first.headers()[header::ETAG].clone();
    let body = first.bytes().await.unwrap();

    let conditional = |tag: &str| {
        world.api.request(Method::GET, "/case-records/X000001").header(header::IF_NONE_MATCH, tag).send()
    };
    let unchanged = conditional(etag.to_str().unwrap()).await.unwrap();
    assert_eq!(unchanged.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(unchanged.headers()[header::ETAG], etag);
    assert!(unchanged.bytes().await.unwrap().is_empty());
    assert_eq!(conditional("\"other\"").await.unwrap().bytes().await.unwrap(), body);

    let head = world.api.request(Method::HEAD, "/case-records/X000001").send().await.unwrap();
    assert_eq!(head.status(), StatusCode::OK);
    assert_eq!(head.headers()[header::CONTENT_LENGTH], body.len().to_string().as_str());
    assert_eq!(head.headers()[header::ETAG], etag);
    assert!(head.bytes().await.unwrap().is_empty());

    run(&world.delius, "UPDATE offender SET noms_number = 'A0007AA' WHERE crn = 'X000001'").await;
    let changed = conditional(etag.to_str().unwrap()).await.unwrap();
    assert_eq!(changed.status(), StatusCode::OK, "nothing is kept while the feed is unknown");
    assert_ne!(changed.headers()[header::ETAG], etag);
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_request_is_answered_under_the_callers_request_id(store: PgPool) {
    let world = world(&store).await;
    let answer =
        world.api.bare(Method::GET, "/health/ping").header("x-request-id", "mpc-42").send().await.unwrap();
    assert_eq!(answer.headers()["x-request-id"], "mpc-42");
    assert_eq!(read(answer).await, (StatusCode::OK, json!({"status": "UP"})));
    let answer = world.api.bare(Method::GET, "/nothing").send().await.unwrap();
    assert_eq!(answer.headers()["x-request-id"].len(), 36);
}

#[sqlx::test(migrations = "migrations/store")]
async fn every_route_is_in_the_openapi_document_and_answers_fit_it(store: PgPool) {
    let world = world(&store).await;
    let (_, document) = read(world.api.bare(Method::GET, "/openapi.json").send().await.unwrap()).await;
    let records = std::sync::Arc::clone(&world.api.records);
    let api = crate::helpers::api::api(
        &records,
        Settings::default().api,
        crate::helpers::api::authenticator(&world.auth),
    );
    let mut documented: Vec<&str> =
        document["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    let mut routes: Vec<&str> = api.routes().iter().map(|route| route.template()).collect();
    documented.sort_unstable();
    routes.sort_unstable();
    assert_eq!(documented, routes);
    for route in api.routes() {
        for method in route.methods().iter().filter(|method| **method != Method::HEAD) {
            let operation = &document["paths"][route.template()][method.as_str().to_lowercase()];
            assert!(operation.is_object(), "{method} {}", route.template());
            let secured = operation["security"].as_array().is_some_and(|it| !it.is_empty());
            let is_open = route.access() == manage_pom_cases_and_delius::http::RouteAccess::Open;
            assert_ne!(secured, is_open, "{method} {}", route.template());
        }
    }
    assert!(document.to_string().contains(Role::CaseDetail.authority()));

    for (path, schema) in [
        ("/case-records/X000001", "CaseRecord"),
        ("/case-records/X000003", "CaseRecord"),
        ("/case-records/X000001/risks/mappa", "Mappa"),
        ("/case-records/X000001/risks/rosh", "Rosh"),
        ("/case-records/X999999", "ProblemBody"),
    ] {
        let (_, body) = world.api.get_json(path).await;
        fits(&body, &json!({"$ref": format!("#/components/schemas/{schema}")}), &document, path);
    }
}

#[sqlx::test(migrations = "migrations/store")]
async fn health_says_how_current_what_is_kept_is_known_to_be(store: PgPool) {
    let world = world(&store).await;
    feed_is_current(&store).await;
    world.api.trusts_its_memory().await;
    let (status, body) = read(world.api.bare(Method::GET, "/health").send().await.unwrap()).await;
    assert_eq!((status, &body["status"]), (StatusCode::OK, &json!("UP")));
    let details = json!({"changeFeed": "current", "hearsInvalidations": "yes"});
    assert_eq!(body["components"]["caseRecords"], json!({"status": "UP", "details": details}));
}

/// Asserts that a value has exactly the members that its schema requires or allows, of the types it says.
fn fits(value: &Value, schema: &Value, document: &Value, at: &str) {
    if let Some(name) = schema["$ref"].as_str() {
        let schema = document.pointer(&name[1..]).unwrap_or_else(|| panic!("{at}: {name} is not defined"));
        return fits(value, schema, document, at);
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        let other = choices.iter().find(|it| it["type"] != "null");
        return if value.is_null() {
            assert!(choices.iter().any(|it| it["type"] == "null"), "{at} may not be null");
        } else {
            fits(value, other.unwrap(), document, at);
        };
    }
    if let Some(choices) = schema["enum"].as_array() {
        assert!(choices.contains(value), "{at}: {value} is none of {choices:?}");
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::Array(types) => types.iter().filter_map(Value::as_str).collect(),
        one => one.as_str().into_iter().collect(),
    };
    let is = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    assert!(types.contains(&is), "{at}: {value} is not of {types:?}");
    if let Value::Object(members) = value {
        let properties = schema["properties"].as_object().unwrap();
        for required in schema["required"].as_array().into_iter().flatten() {
            assert!(members.contains_key(required.as_str().unwrap()), "{at}: {required} is missing");
        }
        assert_eq!(
            schema["required"].as_array().map_or(0, Vec::len),
            properties.len(),
            "{at}: all are required"
        );
        for (name, member) in members {
            let schema = properties.get(name).unwrap_or_else(|| panic!("{at}: {name} is not documented"));
            fits(member, schema, document, &format!("{at} {name}"));
        }
    }
}
