//! Many records in one request.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::PgPool;

use super::records::world;
use crate::helpers::{api::read, people::person};

#[sqlx::test(migrations = "migrations/store")]
async fn every_answer_of_a_batch_is_counted(store: PgPool) {
    let world = world(&store).await;
    let counted = async |from: &str| {
        let figures = world.api.bare(Method::GET, "/metrics").send().await.unwrap().text().await.unwrap();
        let of = format!("from=\"{from}\"}} ");
        let mut lines = figures.lines().filter(|line| line.starts_with("case_record_reads_total{"));
        let count = lines.find_map(|line| line.split_once(&of)?.1.parse::<u64>().ok());
        count.unwrap_or_default()
    };
    let before = (counted("delius").await, counted("not-found").await);
    let batch =
        world.api.request(Method::POST, "/case-records").json(&json!(["X000001", "X999999", "X999998"]));
    assert_eq!(batch.send().await.unwrap().status(), StatusCode::OK);
    assert!(counted("delius").await > before.0);
    assert!(counted("not-found").await >= before.1 + 2);
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_batch_answers_for_the_found_and_lists_the_others(store: PgPool) {
    let world = world(&store).await;
    person(&world.delius, "X000008", Some("A0008AA")).await;
    person(&world.delius, "X000009", Some("A0008AA")).await;
    let ask = |body: Value| {
        let request = world.api.request(Method::POST, "/case-records").json(&body);
        async move { read(request.send().await.unwrap()).await }
    };
    let (status, body) =
        ask(json!(["x000002", "A0001AA", "X000001", "X999999", "A9999AA", "A0008AA", "X000002"])).await;
    assert_eq!(status, StatusCode::OK);
    let crns: Vec<_> = body["records"].as_array().unwrap().iter().map(|it| it["crn"].clone()).collect();
    assert_eq!(crns, ["X000002", "X000001"], "one record per person, in the order asked");
    assert_eq!(body["records"][1], world.api.get_json("/case-records/X000001").await.1);
    assert_eq!((&body["notFound"], &body["shared"]), (&json!(["X999999", "A9999AA"]), &json!(["A0008AA"])));

    let many: Vec<String> = (0..500).map(|number| format!("X{number:06}")).collect();
    let (status, body) = ask(json!(many)).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(body["records"].as_array().unwrap().len(), 5);
    assert_eq!(body["notFound"].as_array().unwrap().len(), 495);

    for (bad, message) in [
        (
            json!((0..501).map(|number| format!("X{number:06}")).collect::<Vec<_>>()),
            "The list has 501 identifiers; 500 are the most",
        ),
        (json!(["X000001", "Byron"]), "Element 2 of the list is neither a CRN nor a NOMS number"),
        (json!({"crns": []}), "The body is not a JSON list of texts"),
    ] {
        assert_eq!(ask(bad).await, (StatusCode::BAD_REQUEST, json!({"status": 400, "message": message})));
    }
}
