//! The queue-admin routes over HTTP, on real queues.

use std::{collections::BTreeSet, sync::Arc};

use aws_sdk_sqs::types::MessageAttributeValue;
use manage_pom_cases_and_delius::{
    case_records::{CaseRecords, CaseRecordsConfig, FeedHealth, Origin},
    http::{self, ApiConfig, Role},
    operations::queue_admin::{QueueAdmin, QueueAdminError},
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::{
    helpers::{
        api::{self, Replica, Settings, authenticator, delius_beside, from_delius, read, stand_ins, until},
        scripted::{self, Scripted},
        sqs::{TestQueue, aws, refused, unlucky},
    },
    stand_ins::StandIns,
};

struct Admin {
    auth: StandIns,
    replica: Replica,
    live: TestQueue,
    dead: TestQueue,
    token: String,
}

impl Admin {
    async fn on(store: PgPool) -> Self {
        let (live, dead) = (TestQueue::new("live").await, TestQueue::new("dead").await);
        live.dead_letters_to(&dead).await;
        let delius = delius_beside(&store).await;
        let auth = stand_ins().await;
        let records = CaseRecords::new(store.clone(), from_delius(&delius), CaseRecordsConfig::default());
        let records = Arc::new(records);
        let authenticator = authenticator(&auth);
        let admin = QueueAdmin::new(live.sqs.clone(), store, [live.url.clone()]);
        let routes = http::queue_admin::routes(&admin, &authenticator);
        let config: ApiConfig = Settings::default().api;
        let api =
            api::api(&records, config, authenticator).with_routes(routes, http::queue_admin::document());
        let replica = Replica::serve(&api, records, &auth).await;
        let token = auth.token(&[Role::QueueAdmin.authority()]).unwrap();
        Self { auth, replica, live, dead, token }
    }

    async fn ask(&self, method: Method, path: &str) -> (StatusCode, Value) {
        read(self.replica.bare(method, path).bearer_auth(&self.token).send().await.unwrap()).await
    }
}

fn text(value: &str) -> MessageAttributeValue {
    MessageAttributeValue::builder().data_type("String").string_value(value).build().unwrap()
}

#[sqlx::test(migrations = "migrations/store")]
async fn dead_letters_go_back_with_their_attributes_and_none_is_left(store: PgPool) {
    let admin = Admin::on(store).await;
    let number = MessageAttributeValue::builder().data_type("Number.java.lang.Long").string_value("7");
    let number = number.build().unwrap();
    for place in 0..12 {
        let body = format!("letter {place}");
        admin.dead.send(&body, &[("eventType", text("x.y")), ("n", number.clone())]).await;
    }
    let path = format!("/queue-admin/retry-dlq/{}", admin.dead.name);
    let (status, body) = admin.ask(Method::PUT, &path).await;
    assert_eq!((status, body), (StatusCode::OK, json!({ "messagesFoundCount": 12 })));
    let moved = admin.live.take_all().await;
    let bodies: BTreeSet<&str> = moved.iter().filter_map(|message| message.body()).collect();
    assert_eq!((moved.len(), bodies.len()), (12, 12));
    for message in &moved {
        let attributes = message.message_attributes().unwrap();
        assert_eq!(attributes["eventType"], text("x.y"));
        assert_eq!(attributes["n"], number, "the type is kept as it was");
    }
    let (_, left) =
        admin.ask(Method::GET, &format!("/queue-admin/get-dlq-messages/{}", admin.dead.name)).await;
    assert_eq!(left["messagesReturnedCount"], 0, "{left}");
}

#[sqlx::test(migrations = "migrations/store")]
async fn all_dead_letter_queues_are_retried_at_once(store: PgPool) {
    let admin = Admin::on(store).await;
    admin.dead.send("one", &[]).await;
    let (status, body) = admin.ask(Method::PUT, "/queue-admin/retry-all-dlqs").await;
    assert_eq!((status, body), (StatusCode::OK, json!([{ "messagesFoundCount": 1 }])));
    assert_eq!(admin.live.take_bodies(1).await, ["one"]);
}

#[sqlx::test(migrations = "migrations/store")]
async fn dead_letters_are_shown_and_stay(store: PgPool) {
    let admin = Admin::on(store).await;
    admin.dead.send(r#"{"MessageId":"m1"}"#, &[]).await;
    admin.dead.send("no json", &[]).await;
    let path = format!("/queue-admin/get-dlq-messages/{}", admin.dead.name);
    for _ in 0..2 {
        let (status, body) = admin.ask(Method::GET, &path).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!((&body["messagesFoundCount"], &body["messagesReturnedCount"]), (&json!(2), &json!(2)));
        let messages = body["messages"].as_array().unwrap();
        assert!(messages.iter().any(|message| message["body"] == json!({ "MessageId": "m1" })), "{body}");
        assert!(messages.iter().any(|message| message["body"] == "no json"), "{body}");
        assert!(messages.iter().all(|message| message["messageId"].is_string()), "{body}");
    }
    let (_, one) = admin.ask(Method::GET, &format!("{path}?maxMessages=1")).await;
    assert_eq!((&one["messagesFoundCount"], &one["messagesReturnedCount"]), (&json!(2), &json!(1)));
    for wrong in ["0", "1001", "many", "-1", ""] {
        let (status, _) = admin.ask(Method::GET, &format!("{path}?maxMessages={wrong}")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{wrong}");
    }
    assert_eq!(admin.dead.take_all().await.len(), 2);
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_queue_of_ours_is_purged_and_no_other_can_be_named(store: PgPool) {
    let admin = Admin::on(store).await;
    let foreign = TestQueue::new("foreign").await;
    foreign.send("not ours", &[]).await;
    admin.live.send("ours", &[]).await;
    admin.dead.send("ours", &[]).await;
    for queue in [&admin.live, &admin.dead] {
        let (status, body) =
            admin.ask(Method::PUT, &format!("/queue-admin/purge-queue/{}", queue.name)).await;
        assert_eq!((status, body), (StatusCode::OK, json!({ "messagesFoundCount": 1 })));
        assert!(queue.take_all().await.is_empty());
    }
    for (method, path) in [
        (Method::PUT, format!("/queue-admin/purge-queue/{}", foreign.name)),
        (Method::PUT, format!("/queue-admin/retry-dlq/{}", foreign.name)),
        (Method::PUT, format!("/queue-admin/retry-dlq/{}", admin.live.name)),
        (Method::GET, format!("/queue-admin/get-dlq-messages/{}", admin.live.name)),
    ] {
        let (status, body) = admin.ask(method, &path).await;
        assert_eq!((status, &body["status"]), (StatusCode::NOT_FOUND, &json!(404)), "{path}");
    }
    assert_eq!(foreign.take_bodies(1).await, ["not ours"]);
}

#[sqlx::test(migrations = "migrations/store")]
async fn the_routes_are_for_queue_administrators_and_are_documented(store: PgPool) {
    let admin = Admin::on(store).await;
    admin.dead.send("stays", &[]).await;
    let path = format!("/queue-admin/retry-dlq/{}", admin.dead.name);
    let bare = admin.replica.bare(Method::PUT, &path).send().await.unwrap();
    assert_eq!(bare.status(), StatusCode::UNAUTHORIZED);
    let other = admin.auth.token(&[Role::CaseDetail.authority(), Role::Audit.authority()]).unwrap();
    let other = admin.replica.bare(Method::PUT, &path).bearer_auth(other).send().await.unwrap();
    assert_eq!(other.status(), StatusCode::FORBIDDEN);
    assert_eq!(admin.dead.take_all().await.len(), 1);

    let (_, document) = admin.ask(Method::GET, "/openapi.json").await;
    for (path, method) in [
        ("/queue-admin/retry-dlq/{dlq}", "put"),
        ("/queue-admin/retry-all-dlqs", "put"),
        ("/queue-admin/purge-queue/{queue}", "put"),
        ("/queue-admin/get-dlq-messages/{dlq}", "get"),
    ] {
        let security = &document["paths"][path][method]["security"];
        assert_eq!(security, &json!([{ "hmpps-auth": ["ROLE_QUEUE_ADMIN"] }]), "{path}");
    }
}

/// Settings for tests that need none.
fn no_store() -> PgPool {
    PgPool::connect_lazy("postgres://nobody@127.0.0.1:1/none").unwrap()
}

#[sqlx::test(migrations = "migrations/store")]
async fn what_is_kept_of_case_records_is_not_trusted_after_a_purge(store: PgPool) {
    let queue = TestQueue::new("feed").await;
    let source = Scripted::new();
    source.set("X000001", "A1");
    let replicas = [
        scripted::Replica::trusting(&store, &source).await,
        scripted::Replica::trusting(&store, &source).await,
    ];
    for replica in &replicas {
        replica.read("X000001").await;
        assert_eq!(replica.read("X000001").await.1, Some(Origin::Memory));
    }
    // The message about the change is among those that are purged.
    source.set("X000001", "A2");
    QueueAdmin::new(queue.sqs.clone(), store.clone(), [queue.url.clone()]).purge(&queue.name).await.unwrap();
    for replica in &replicas {
        until("the new value is served", || async { replica.read("X000001").await.0 == "A2" }).await;
        // SQS purges messages for up to another minute.
        until("nothing kept is trusted", || async { replica.records.feed_health() == FeedHealth::Lagging })
            .await;
        assert_eq!(replica.read("X000001").await.1, Some(Origin::Delius));
    }
}

#[sqlx::test(migrations = "migrations/store")]
async fn nothing_is_purged_while_the_records_cannot_be_dropped(store: PgPool) {
    let queue = TestQueue::new("feed").await;
    queue.send("stays", &[]).await;
    sqlx::raw_sql("drop table change_feed_heartbeat").execute(&store).await.unwrap();
    let admin = QueueAdmin::new(queue.sqs.clone(), store, [queue.url.clone()]);
    assert!(matches!(admin.purge(&queue.name).await, Err(QueueAdminError::StoreUnavailable(_))));
    assert_eq!(queue.waiting().await, 1);
}

#[sqlx::test(migrations = "migrations/store")]
async fn without_a_queue_the_routes_name_the_setting(store: PgPool) {
    let auth = stand_ins().await;
    let authenticator = authenticator(&auth);
    let records = CaseRecords::new(store.clone(), from_delius(&store), CaseRecordsConfig::default());
    let records = Arc::new(records);
    let none = QueueAdmin::new(aws_sdk_sqs::Client::new(&aws().await), store, []);
    let routes = http::queue_admin::routes(&none, &authenticator);
    let config: ApiConfig = Settings::default().api;
    let api = api::api(&records, config, authenticator).with_routes(routes, http::queue_admin::document());
    let replica = Replica::serve(&api, records, &auth).await;
    let token = auth.token(&[Role::QueueAdmin.authority()]).unwrap();
    for (method, path) in [
        (Method::PUT, "/queue-admin/retry-all-dlqs"),
        (Method::PUT, "/queue-admin/retry-dlq/dead"),
        (Method::PUT, "/queue-admin/purge-queue/live"),
        (Method::GET, "/queue-admin/get-dlq-messages/dead"),
    ] {
        let answer = replica.bare(method, path).bearer_auth(&token).send().await.unwrap();
        let (status, body) = read(answer).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert!(body["message"].as_str().unwrap().contains("QUEUE_URL"), "{body}");
    }
}

/// Moves a dead letter back while SQS refuses one kind of call.
async fn with_refused(call: &'static str) -> (TestQueue, TestQueue, QueueAdmin) {
    let (live, dead) = (TestQueue::new("live").await, TestQueue::new("dead").await);
    live.dead_letters_to(&dead).await;
    dead.send("a letter", &[]).await;
    let admin = QueueAdmin::new(refused(call).await, no_store(), [live.url.clone()]);
    (live, dead, admin)
}

#[tokio::test]
async fn a_dead_letter_that_cannot_be_sent_is_not_deleted() {
    let (live, dead, admin) = with_refused("SendMessage").await;
    let error = admin.retry(&dead.name).await.unwrap_err();
    assert!(matches!(error, QueueAdminError::Unavailable(_)), "{error}");
    assert_eq!((live.waiting().await, dead.waiting().await), (0, 1));
}

#[tokio::test]
async fn a_dead_letter_that_cannot_be_deleted_is_there_twice_and_not_lost() {
    let (live, dead, admin) = with_refused("DeleteMessage").await;
    assert!(admin.retry(&dead.name).await.is_err());
    assert_eq!((live.waiting().await, dead.waiting().await), (1, 1));
}

#[tokio::test]
async fn dead_letters_that_a_receive_misses_are_found_by_the_next() {
    let (live, dead) = (TestQueue::new("live").await, TestQueue::new("dead").await);
    live.dead_letters_to(&dead).await;
    dead.send("one", &[]).await;
    dead.send("two", &[]).await;
    let admin = QueueAdmin::new(unlucky().await, no_store(), [live.url.clone()]);
    assert_eq!(admin.dead_letters(&dead.name, 100).await.unwrap().letters.len(), 2);
    admin.retry(&dead.name).await.unwrap();
    assert_eq!((live.waiting().await, dead.waiting().await), (2, 0));
}
