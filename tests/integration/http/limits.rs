//! One caller must not disturb another.

use std::{sync::Arc, time::Duration};

use manage_pom_cases_and_delius::{
    case_records::CaseRecords,
    http::{Api, ApiConfig, BindError, READ, Route, Server},
};
use reqwest::{Method, StatusCode};
use serde_json::json;
use sqlx::PgPool;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Semaphore,
};
use warp::Filter;

use crate::{
    helpers::api::{Replica, Settings, api, authenticator, from_delius, read, stand_ins, until},
    stand_ins::StandIns,
};

/// A replica with three more routes: one that panics, one that waits for a signal, one that never ends.
struct Busy {
    replica: Replica,
    began: Arc<Semaphore>,
    gate: Arc<Semaphore>,
    _auth: StandIns,
}

async fn busy(store: &PgPool, config: ApiConfig) -> Busy {
    let auth = stand_ins().await;
    let records = Arc::new(CaseRecords::new(store.clone(), from_delius(store), Settings::default().records));
    let (began, gate) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let api = with_test_routes(api(&records, config, authenticator(&auth)), &began, &gate);
    let replica = Replica::serve(&api, records, &auth).await;
    Busy { replica, began, gate, _auth: auth }
}

fn with_test_routes(api: Api, began: &Arc<Semaphore>, gate: &Arc<Semaphore>) -> Api {
    let (began, gate) = (Arc::clone(began), Arc::clone(gate));
    let at = |name: &'static str| warp::path(name).and(warp::path::end()).map(|| ()).boxed();
    let panics = Route::open(READ, "/panics", at("panics"), |()| async {
        if true {
            panic!("Ada Byron, born 10 December");
        }
        "never"
    });
    let waits = Route::open(READ, "/waits", at("waits"), move |()| {
        let (began, gate) = (Arc::clone(&began), Arc::clone(&gate));
        async move {
            began.add_permits(1);
            gate.acquire().await.unwrap().forget();
            "done"
        }
    });
    let never = Route::open(READ, "/never", at("never"), |()| std::future::pending::<&'static str>());
    api.with_routes([panics, waits, never], utoipa::openapi::OpenApi::default())
}

fn config() -> ApiConfig {
    Settings::default().api
}

async fn ping(replica: &Replica) -> StatusCode {
    replica.bare(Method::GET, "/health/ping").send().await.unwrap().status()
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_panic_is_500_without_detail_and_the_server_goes_on(store: PgPool) {
    let Busy { replica, _auth, .. } = busy(&store, config()).await;
    let answer = read(replica.bare(Method::GET, "/panics").send().await.unwrap()).await;
    let message = "Internal error; the log of the service has the details";
    assert_eq!(answer, (StatusCode::INTERNAL_SERVER_ERROR, json!({"status": 500, "message": message})));
    assert_eq!(ping(&replica).await, StatusCode::OK);
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_request_that_takes_too_long_is_503_with_retry_after(store: PgPool) {
    let limit = Duration::from_millis(50);
    let Busy { replica, _auth, .. } = busy(&store, ApiConfig { request_timeout: limit, ..config() }).await;
    let answer = replica.bare(Method::GET, "/never").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.headers()["retry-after"], "5");
}

#[sqlx::test(migrations = "migrations/store")]
async fn more_requests_than_there_is_room_for_are_503_while_liveness_still_answers(store: PgPool) {
    let Busy { replica, began, gate, _auth } = busy(&store, ApiConfig { max_in_flight: 2, ..config() }).await;
    let busy = [(); 2].map(|()| tokio::spawn(replica.bare(Method::GET, "/waits").send()));
    let _ = began.acquire_many(2).await.unwrap();
    let shed = replica.bare(Method::GET, "/info").send().await.unwrap();
    assert_eq!(shed.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(shed.headers()["retry-after"], "1");
    assert_eq!(ping(&replica).await, StatusCode::OK);
    gate.add_permits(2);
    for request in busy {
        assert_eq!(request.await.unwrap().unwrap().status(), StatusCode::OK);
    }
    assert_eq!(replica.bare(Method::GET, "/info").send().await.unwrap().status(), StatusCode::OK);
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_header_that_drags_on_ends_the_connection_and_an_idle_one_stays(store: PgPool) {
    let header_timeout = Duration::from_millis(200);
    let Busy { replica, _auth, .. } = busy(&store, ApiConfig { header_timeout, ..config() }).await;
    let address = replica.url.trim_start_matches("http://").to_owned();

    let mut idle = TcpStream::connect(&address).await.unwrap();
    let mut slow = TcpStream::connect(&address).await.unwrap();
    slow.write_all(b"GET /health/ping HTTP/1.1\r\nHost: x\r\nX-Slow: ").await.unwrap();
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(20), slow.read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "the slow connection is still open");
    assert!(!String::from_utf8_lossy(&rest).contains("200"), "{}", String::from_utf8_lossy(&rest));

    for _ in 0..2 {
        idle.write_all(b"GET /health/ping HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let mut answer = [0; 15];
        idle.read_exact(&mut answer).await.expect("the idle connection was open for longer and still serves");
        assert_eq!(&answer, b"HTTP/1.1 200 OK");
        let mut rest = [0; 1024];
        let _ = idle.read(&mut rest).await.unwrap();
    }
}

#[sqlx::test(migrations = "migrations/store")]
async fn an_idle_connection_is_closed_after_its_time(store: PgPool) {
    let idle_timeout = Duration::from_millis(100);
    let Busy { replica, _auth, .. } = busy(&store, ApiConfig { idle_timeout, ..config() }).await;
    let mut idle = TcpStream::connect(replica.url.trim_start_matches("http://")).await.unwrap();
    let mut nothing = Vec::new();
    let closed = tokio::time::timeout(Duration::from_secs(20), idle.read_to_end(&mut nothing)).await;
    assert!(closed.is_ok(), "the idle connection is still open");
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_caller_who_asks_on_and_never_reads_loses_its_place(store: PgPool) {
    let write_timeout = Duration::from_millis(200);
    let Busy { replica, _auth, .. } = busy(&store, ApiConfig { write_timeout, ..config() }).await;
    let mut deaf = TcpStream::connect(replica.url.trim_start_matches("http://")).await.unwrap();
    let questions = "GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n".repeat(1_000);
    let asking = async { while deaf.write_all(questions.as_bytes()).await.is_ok() {} };
    let cut_off = tokio::time::timeout(Duration::from_secs(20), asking).await;
    assert!(cut_off.is_ok(), "the connection is still open");
    assert_eq!(ping(&replica).await, StatusCode::OK);
}

#[sqlx::test(migrations = "migrations/store")]
async fn malformed_http_is_refused_and_disturbs_nobody(store: PgPool) {
    let Busy { replica, _auth, .. } = busy(&store, config()).await;
    let (many, long) = ("X: y\r\n".repeat(200), "x".repeat(70_000));
    for (request, status) in [
        ("nonsense\r\n\r\n".to_owned(), 400),
        ("GET /info HTTP/9.9\r\nHost: x\r\n\r\n".to_owned(), 400),
        ("GET /info HTTP/1.1\r\nno header\r\n\r\n".to_owned(), 400),
        ("GET /info HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n".to_owned(), 400),
        ("CONNECT x:1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".to_owned(), 400),
        (format!("GET /info HTTP/1.1\r\nHost: x\r\n{many}\r\n"), 431),
        (format!("GET /{long} HTTP/1.1\r\nHost: x\r\n\r\n"), 431),
    ] {
        let stream = TcpStream::connect(replica.url.trim_start_matches("http://")).await.unwrap();
        let (mut from, mut to) = stream.into_split();
        let sending = tokio::spawn(async move { to.write_all(request.as_bytes()).await.map(|()| to) });
        let mut answer = vec![];
        let _ = from.read_to_end(&mut answer).await;
        sending.abort();
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    }
    assert_eq!(ping(&replica).await, StatusCode::OK);
}

#[sqlx::test(migrations = "migrations/store")]
async fn two_thousand_idle_connections_disturb_nobody(store: PgPool) {
    let Busy { replica, _auth, .. } = busy(&store, config()).await;
    let address = replica.url.trim_start_matches("http://").to_owned();
    let mut idle = Vec::new();
    for _ in 0..2_000 {
        match TcpStream::connect(&address).await {
            Ok(stream) => idle.push(stream),
            // As many as one process may have open on this machine.
            Err(_) => break,
        }
    }
    let spare = idle.len().min(50);
    idle.truncate(idle.len() - spare);
    assert!(idle.len() >= 200, "only {} connections could be opened", idle.len());
    assert_eq!(ping(&replica).await, StatusCode::OK);
}

#[sqlx::test(migrations = "migrations/store")]
async fn one_connection_too_many_is_told_so_and_room_is_made_when_one_ends(store: PgPool) {
    let Busy { replica, _auth, .. } = busy(&store, ApiConfig { max_connections: 1, ..config() }).await;
    let address = replica.url.trim_start_matches("http://").to_owned();
    let first = TcpStream::connect(&address).await.unwrap();
    let turned_away = || async {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        stream.write_all(b"GET /health/ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8(answer).unwrap()
    };
    until("the first connection takes the place", || async {
        turned_away().await.starts_with("HTTP/1.1 503")
    })
    .await;
    drop(first);
    until("there is room again", || async { turned_away().await.starts_with("HTTP/1.1 200") }).await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_body_of_ten_megabytes_is_refused_whether_announced_or_not(store: PgPool) {
    let Busy { replica, _auth, .. } = busy(&store, config()).await;
    let address = replica.url.trim_start_matches("http://").to_owned();
    let token = replica.request(Method::POST, "/case-records").build().unwrap();
    let token = token.headers()["authorization"].to_str().unwrap().to_owned();
    for (framing, chunk) in [
        ("Content-Length: 10000000", "x".repeat(10_000)),
        ("Transfer-Encoding: chunked", format!("2710\r\n{}\r\n", "x".repeat(10_000))),
    ] {
        let stream = TcpStream::connect(&address).await.unwrap();
        let (mut from, mut to) = stream.into_split();
        let head =
            format!("POST /case-records HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\n{framing}\r\n\r\n");
        let sending = tokio::spawn(async move {
            let _ = to.write_all(head.as_bytes()).await;
            for _ in 0..1_000 {
                if to.write_all(chunk.as_bytes()).await.is_err() {
                    break;
                }
            }
            to
        });
        let mut answer = [0; 12];
        from.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 413", "{framing}");
        sending.abort();
        assert_eq!(ping(&replica).await, StatusCode::OK);
    }
}

#[sqlx::test(migrations = "migrations/store")]
async fn at_shutdown_requests_under_way_are_answered_and_new_ones_refused(store: PgPool) {
    let Busy { mut replica, began, gate, _auth } = busy(&store, config()).await;
    let request = tokio::spawn(replica.bare(Method::GET, "/waits").send());
    began.acquire().await.unwrap().forget();
    replica.stop.cancel();
    until("nobody listens any more", || async {
        TcpStream::connect(replica.url.trim_start_matches("http://")).await.is_err()
    })
    .await;
    assert!(!replica.server.is_finished(), "it waits for the request under way");
    gate.add_permits(1);
    assert_eq!(request.await.unwrap().unwrap().status(), StatusCode::OK);
    tokio::time::timeout(Duration::from_secs(20), &mut replica.server).await.expect("it ends").unwrap();
}

#[sqlx::test(migrations = "migrations/store")]
async fn an_address_in_use_is_said_with_the_remedy(store: PgPool) {
    let Busy { replica, _auth, .. } = busy(&store, config()).await;
    let taken = replica.url.trim_start_matches("http://").parse().unwrap();
    let auth = stand_ins().await;
    let records = Arc::clone(&replica.records);
    let second = api(&records, ApiConfig { bind: taken, ..config() }, authenticator(&auth));
    match Server::bind(&second).await {
        Err(error @ BindError::InUse(_)) => {
            assert!(error.to_string().contains("choose another address"), "{error}")
        }
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("two servers on one port"),
    }
}
