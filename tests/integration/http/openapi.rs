//! The OpenAPI document of all routes together.

use std::{collections::BTreeSet, sync::Arc};

use manage_pom_cases_and_delius::{
    case_records::CaseRecords,
    delius::Delius,
    http::{self, Api},
    operations::queue_admin::QueueAdmin,
};
use serde_json::Value;
use sqlx::PgPool;

use crate::helpers::{
    api::{self, Settings, authenticator, delius_beside, from_delius, stand_ins},
    sqs::aws,
};

async fn whole_api(store: &PgPool) -> Api {
    let (auth, delius) = (stand_ins().await, delius_beside(store).await);
    let records = CaseRecords::new(store.clone(), from_delius(&delius), Settings::default().records);
    let api = api::api(&Arc::new(records), Settings::default().api, authenticator(&auth));
    let history = http::history::routes(store, &Delius::new(delius), api.authenticator());
    let queues = http::queue_admin::routes(
        &QueueAdmin::new(aws_sdk_sqs::Client::new(&aws().await), store.clone(), []),
        api.authenticator(),
    );
    api.with_routes(history, http::history::documentation())
        .with_routes(queues, http::queue_admin::document())
}

fn operations(document: &Value) -> Vec<(&str, &str, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    let of_path = |(path, item)| {
        let methods: &serde_json::Map<String, Value> = Value::as_object(item).unwrap();
        methods.iter().map(move |(method, operation)| (String::as_str(path), method.as_str(), operation))
    };
    paths.iter().flat_map(of_path).collect()
}

fn references<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
    match value {
        Value::Object(members) => members.iter().for_each(|(name, member)| match member.as_str() {
            Some(target) if name == "$ref" => drop(found.insert(target)),
            _ => references(member, found),
        }),
        Value::Array(list) => list.iter().for_each(|member| references(member, found)),
        _ => {}
    }
}

#[sqlx::test(migrations = "migrations/store")]
async fn the_document_of_all_routes_is_whole(store: PgPool) {
    let api = whole_api(&store).await;
    let document = serde_json::to_value(&*api.documentation()).unwrap();
    // For validators outside of this test: `OPENAPI_FILE=/tmp/openapi.json make test ARGS=…`.
    if let Ok(file) = std::env::var("OPENAPI_FILE") {
        std::fs::write(file, document.to_string()).unwrap();
    }

    let mut documented: Vec<_> = operations(&document).into_iter().map(|(path, ..)| path).collect();
    documented.dedup();
    let routes: BTreeSet<_> = api.routes().iter().map(http::Route::template).collect();
    assert_eq!(documented.into_iter().collect::<BTreeSet<_>>(), routes);

    let mut found = BTreeSet::new();
    references(&document, &mut found);
    assert!(found.len() > 30, "{found:?}");
    for target in found {
        assert!(document.pointer(&target[1..]).is_some(), "{target} is not defined");
    }

    let tags: Vec<_> = document["tags"].as_array().unwrap().iter().map(|tag| &tag["name"]).collect();
    let mut ids = BTreeSet::new();
    for (path, method, operation) in operations(&document) {
        let at = format!("{method} {path}");
        assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{at}");
        assert!(tags.contains(&&operation["tags"][0]), "{at}");
        assert!(operation["summary"].is_string(), "{at}");
        let answers = &operation["responses"];
        assert!(answers["500"]["content"]["application/json"]["schema"]["$ref"].is_string(), "{at}");
        assert!(answers["431"].is_object(), "{at}");
        for (status, answer) in answers.as_object().unwrap().iter().filter(|(status, _)| *status != "431") {
            assert!(answer["headers"]["x-request-id"].is_object(), "{at} {status}");
        }
        if operation["security"].as_array().is_some_and(|security| !security.is_empty()) {
            for status in ["401", "403"] {
                assert!(answers[status]["headers"]["WWW-Authenticate"].is_object(), "{at} {status}");
            }
            assert!(answers["503"]["headers"]["Retry-After"].is_object(), "{at}");
        }
    }
    assert_eq!(document["servers"][0]["url"], "/");
}
