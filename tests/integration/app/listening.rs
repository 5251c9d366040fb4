//! Every role listens; what is for the cluster alone has a listener of its own.

use manage_pom_cases_and_delius::case::CODE_VERSION;
use rustix::process::Signal;
use serde_json::Value;
use sqlx::PgPool;

use super::process::{Process, get};
use crate::helpers::{api::until, sqs::TestQueue, world::World};

#[sqlx::test(migrations = "migrations/store")]
async fn a_role_without_the_api_serves_probes_info_and_metrics(store: PgPool) {
    let world = World::on(store).await;
    let relay = Process::start(&world, "relay", &[("PRODUCT_ID", "DPS000")]);
    let at = relay.logged("the service listens on ").await;
    for probe in ["/health/ping", "/health/liveness", "/health/readiness"] {
        assert_eq!(get(format!("{at}{probe}")).await, (200, r#"{"status":"UP"}"#.to_owned()), "{probe}");
    }
    let (status, health) = get(format!("{at}/health")).await;
    let health: Value = serde_json::from_str(&health).unwrap();
    assert_eq!((status, &health["status"]), (200, &Value::from("UP")), "{health}");
    assert_eq!(health["components"]["healthInfo"]["details"]["version"], CODE_VERSION);
    let info: Value = serde_json::from_str(&get(format!("{at}/info")).await.1).unwrap();
    assert_eq!(
        (&info["productId"], &info["build"]["version"]),
        (&"DPS000".into(), &CODE_VERSION.into()),
        "{info}"
    );
    assert_eq!(get(format!("{at}/case-records/X123456")).await.0, 404, "it has no reads");
    super::catalogue::assert_well_formed(&get(format!("{at}/metrics")).await.1);
    relay.stop().await;
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn dead_letters_are_moved_back_without_a_token_on_the_internal_listener_alone(store: PgPool) {
    let world = World::on(store).await;
    let queue = TestQueue::new("internal").await;
    let endpoint = std::env::var("AWS_ENDPOINT_URL").unwrap();
    let environment =
        [("INTERNAL_BIND", "127.0.0.1:0"), ("QUEUE_URL", &queue.url), ("AWS_ENDPOINT_URL", &endpoint)];
    let api = Process::start(&world, "api", &environment);
    let (public, internal) =
        (api.logged("the API listens on ").await, api.logged("the internal listener listens on ").await);
    let put = async |at: &str| {
        let answer =
            reqwest::Client::new().put(format!("{at}/queue-admin/retry-all-dlqs")).send().await.unwrap();
        answer.status().as_u16()
    };
    assert_eq!((put(&public).await, put(&internal).await), (401, 200));
    assert_eq!(get(format!("{internal}/metrics")).await.0, 200);
    assert_eq!(
        get(format!("{internal}/queue-admin/get-dlq-messages/x")).await.0,
        404,
        "nothing else is open"
    );

    // The queue shows in the shape of the other HMPPS services.
    until("the queue was looked at", || async {
        let health: Value = serde_json::from_str(&get(format!("{public}/health")).await.1).unwrap();
        health["components"]["events-health"]["details"]["messagesOnQueue"] == "0"
    })
    .await;
    api.stop().await;
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn after_sigterm_requests_are_answered_for_the_delay_while_readiness_refuses(store: PgPool) {
    let world = World::on(store).await;
    // Longer than any machine needs for the three requests; the second signal ends the wait.
    let service = Process::start(&world, "relay", &[("SHUTDOWN_DELAY_SECONDS", "300")]);
    let at = service.logged("the service listens on ").await;
    service.logged("started").await;
    service.signal(Signal::TERM);
    until("readiness refuses", || async { get(format!("{at}/health/readiness")).await.0 == 503 }).await;
    assert_eq!(get(format!("{at}/health/liveness")).await.0, 200);
    service.signal(Signal::TERM);
    assert_eq!(service.ended().await.0.code(), Some(130));
    world.end().await;
}
