//! The stand-ins that other tests use behave like the real servers.

use chrono::Utc;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, jwk::JwkSet};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::stand_ins::{Answer, Breakdown, Claims, MPC_ROLE, StandIns, StandInsConfig};

const ALLOCATION: &str = "/api/allocation/A1234BC/primary_pom";

async fn start() -> StandIns {
    StandIns::start(StandInsConfig::default()).await.expect("a free port and a key")
}

async fn grant(stand_ins: &StandIns, secret: &str) -> (StatusCode, Value) {
    let response = reqwest::Client::new()
        .post(format!("{}/oauth/token", stand_ins.auth_url()))
        .basic_auth("client", Some(secret))
        .form(&[("grant_type", "client_credentials")])
        .send()
        .await
        .expect("an answer");
    (response.status(), response.json().await.expect("JSON"))
}

async fn granted(stand_ins: &StandIns) -> String {
    let (status, body) = grant(stand_ins, "secret").await;
    assert_eq!(status, 200);
    body["access_token"].as_str().expect("a token").to_owned()
}

async fn get(stand_ins: &StandIns, path: &str, token: Option<&str>) -> (StatusCode, String) {
    let mut request = reqwest::Client::new().get(format!("{}{path}", stand_ins.mpc_url()));
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let response = request.send().await.expect("an answer");
    (response.status(), response.text().await.expect("a body"))
}

#[tokio::test]
async fn a_detail_is_only_given_for_a_token_with_the_role() {
    let stand_ins = start().await;
    let without_role = stand_ins.token(&["ROLE_OTHER"]).expect("a token");
    for token in [None, Some("rubbish"), Some(without_role.as_str())] {
        assert_eq!(get(&stand_ins, ALLOCATION, token).await.0, 401, "{token:?}");
    }
    let token = granted(&stand_ins).await;
    assert_eq!(get(&stand_ins, ALLOCATION, Some(&token)).await.0, 404);
    assert_eq!(stand_ins.mpc().calls(ALLOCATION), 4);
}

#[tokio::test]
async fn a_case_without_an_answer_gets_the_documented_bodies() {
    let stand_ins = start().await;
    let token = granted(&stand_ins).await;
    let (_, body) = get(&stand_ins, ALLOCATION, Some(&token)).await;
    assert_eq!(body, r#"{"status":"error","message":"Not ready for allocation"}"#);
    let (_, body) = get(&stand_ins, "/api/handovers/A1234BC", Some(&token)).await;
    assert_eq!(body, r#"{"status":"error","message":"Not found"}"#);
    let (status, body) = get(&stand_ins, "/api/elsewhere", Some(&token)).await;
    assert_eq!(status, 404);
    assert!(body.starts_with("<!DOCTYPE html>"), "{body}");
}

#[tokio::test]
async fn answers_can_be_set_and_loaded() {
    let stand_ins = start().await;
    let token = granted(&stand_ins).await;
    stand_ins.mpc().allocation("A1234BC", Answer::allocated(485_926, "ADA", "LOCK", None, "LEI"));
    let (status, body) = get(&stand_ins, ALLOCATION, Some(&token)).await;
    assert_eq!(status, 200);
    let body: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(body["manager"]["code"], 485_926);
    assert_eq!(body["prison"]["code"], "LEI");

    let file = include_str!("../../../deploy/local/mpc-answers.json");
    stand_ins.mpc().load(file).expect("the answers of the demonstration");
    let (status, _) = get(&stand_ins, "/api/handovers/A1011AA", Some(&token)).await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn only_the_known_client_gets_a_token() {
    let stand_ins = start().await;
    assert_eq!(grant(&stand_ins, "guess").await.0, 401);
    assert_eq!(grant(&stand_ins, "secret").await.0, 200);
    assert_eq!(stand_ins.auth().token_calls(), 2);
}

#[tokio::test]
async fn tokens_can_expire_and_be_revoked() {
    let stand_ins = start().await;
    let mut claims = stand_ins.auth().claims(&[MPC_ROLE]);
    claims.exp = Utc::now().timestamp() - 60;
    let expired = stand_ins.auth().sign(&claims).expect("a token");
    assert_eq!(get(&stand_ins, ALLOCATION, Some(&expired)).await.0, 401);

    let first = granted(&stand_ins).await;
    stand_ins.auth().revoke_tokens();
    let second = granted(&stand_ins).await;
    assert_eq!(get(&stand_ins, ALLOCATION, Some(&first)).await.0, 401);
    assert_eq!(get(&stand_ins, ALLOCATION, Some(&second)).await.0, 404);
}

#[tokio::test]
async fn tokens_are_verifiable_with_the_published_key_set() {
    let stand_ins = start().await;
    let token = stand_ins.token(&["ROLE_A"]).expect("a token");
    stand_ins.auth().rotate_key(false).expect("a new key");
    let keys: JwkSet = reqwest::get(format!("{}/.well-known/jwks.json", stand_ins.auth_url()))
        .await
        .expect("an answer")
        .json()
        .await
        .expect("a key set");
    assert_eq!(keys.keys.len(), 2);
    let kid = jsonwebtoken::decode_header(&token).expect("a header").kid.expect("a key id");
    let key = DecodingKey::from_jwk(keys.find(&kid).expect("the key")).expect("an RSA key");
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_issuer(&[format!("{}/issuer", stand_ins.auth_url())]);
    let claims = jsonwebtoken::decode::<Claims>(&token, &key, &validation).expect("a good token").claims;
    assert_eq!(json!(claims.authorities), json!(["ROLE_A"]));
}

#[tokio::test]
async fn a_breakdown_hides_every_answer_until_it_is_mended() {
    let stand_ins = start().await;
    let token = granted(&stand_ins).await;
    for (breakdown, status) in [
        (Breakdown::ServerError, 500),
        (Breakdown::Unavailable, 503),
        (Breakdown::TooManyRequests, 429),
        (Breakdown::Unauthorized, 401),
    ] {
        stand_ins.mpc().break_down(Some(breakdown));
        assert_eq!(get(&stand_ins, ALLOCATION, Some(&token)).await.0, status);
    }
    stand_ins.mpc().break_down(None);
    assert_eq!(get(&stand_ins, ALLOCATION, Some(&token)).await.0, 404);
}

#[tokio::test]
async fn a_stopped_stand_in_refuses_connections() {
    let stand_ins = start().await;
    let url = stand_ins.mpc_url();
    stand_ins.stop().await;
    assert!(reqwest::get(url).await.expect_err("no answer").is_connect());
}
