//! Authentication and roles.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use manage_pom_cases_and_delius::{
    case_records::CaseRecords,
    http::{AuthConfig, Authenticator, Role, RouteAccess},
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::PgPool;
use warp::Filter;

use crate::{
    helpers::api::{
        Replica, Settings, api, authenticator, delius_beside, from_delius, read, stand_ins, until,
    },
    stand_ins::{Breakdown, StandIns},
};

async fn replica(store: &PgPool, auth: &StandIns) -> Replica {
    let delius = delius_beside(store).await;
    Replica::start(store, from_delius(&delius), auth, Settings::default()).await
}

async fn with_token(replica: &Replica, token: &str) -> (StatusCode, Value) {
    read(replica.bare(Method::GET, "/case-records/X000001").bearer_auth(token).send().await.unwrap()).await
}

#[sqlx::test(migrations = "migrations/store")]
async fn every_route_is_open_or_asks_for_its_role(store: PgPool) {
    let (auth, delius) = (stand_ins().await, delius_beside(&store).await);
    let records =
        Arc::new(CaseRecords::new(store.clone(), from_delius(&delius), Settings::default().records));
    let api = api(&records, Settings::default().api, authenticator(&auth));
    let routes = api.routes();
    assert!(routes.len() >= 11, "the walk must not be empty");
    let replica = Replica::serve(&api, records, &auth).await;

    for route in routes {
        let path = route.template().replace("{id}", "X000001").replace("{file}", "index.html");
        for method in route.methods() {
            let ask = |token: Option<String>| {
                let mut request = replica.bare(method.clone(), &path).body("[]");
                if let Some(token) = token {
                    request = request.bearer_auth(token);
                }
                async move { request.send().await.unwrap().status() }
            };
            match route.access() {
                RouteAccess::Open => assert_eq!(ask(None).await, StatusCode::OK, "{method} {path}"),
                RouteAccess::Role(role) => {
                    assert_eq!(ask(None).await, StatusCode::UNAUTHORIZED, "{method} {path}");
                    let others: Vec<_> =
                        Role::ALL.into_iter().filter(|it| *it != role).map(Role::authority).collect();
                    let wrong = auth.token(&others).unwrap();
                    assert_eq!(ask(Some(wrong)).await, StatusCode::FORBIDDEN, "{method} {path}");
                    let right = ask(Some(auth.token(&[role.authority()]).unwrap())).await;
                    assert!(
                        [StatusCode::OK, StatusCode::NOT_FOUND].contains(&right),
                        "{method} {path}: {right}"
                    );
                }
            }
        }
    }
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_token_that_is_not_valid_is_401_in_the_shape_of_every_error(store: PgPool) {
    let auth = stand_ins().await;
    let replica = replica(&store, &auth).await;
    let role = Role::CaseDetail.authority();
    let good = auth.auth().claims(&[role]);
    let signed = |change: &dyn Fn(&mut Value)| {
        let mut claims = serde_json::to_value(&good).unwrap();
        change(&mut claims);
        auth.auth().sign(&claims).unwrap()
    };
    let valid = signed(&|_| {});
    assert_eq!(with_token(&replica, &valid).await.0, StatusCode::NOT_FOUND, "the good one is let in");

    let parts: Vec<&str> = valid.split('.').collect();
    let header = |value: Value| BASE64.encode(value.to_string());
    let kid = jsonwebtoken::decode_header(&valid).unwrap().kid.unwrap();
    let hs256 = {
        // A known attack: the public key used as a shared secret.
        let keys: Value = reqwest::get(format!("{}/.well-known/jwks.json", auth.auth_url()))
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        let modulus = BASE64.decode(keys["keys"][0]["n"].as_str().unwrap()).unwrap();
        let header = Header { kid: Some(kid.clone()), ..Header::new(Algorithm::HS256) };
        jsonwebtoken::encode(&header, &good, &EncodingKey::from_secret(&modulus)).unwrap()
    };
    let now = chrono::Utc::now().timestamp();
    for (what, token) in [
        ("alg none", format!("{}.{}.", header(json!({"alg": "none", "kid": kid})), parts[1])),
        (
            "alg none with a signature",
            format!("{}.{}.{}", header(json!({"alg": "none", "kid": kid})), parts[1], parts[2]),
        ),
        ("HS256 with the public key", hs256),
        (
            "another algorithm of the family",
            format!("{}.{}.{}", header(json!({"alg": "RS512", "kid": kid})), parts[1], parts[2]),
        ),
        ("no key id", format!("{}.{}.{}", header(json!({"alg": "RS256"})), parts[1], parts[2])),
        (
            "changed claims",
            format!(
                "{}.{}.{}",
                parts[0],
                BASE64.encode(json!({"exp": now + 60, "authorities": [role]}).to_string()),
                parts[2]
            ),
        ),
        ("another issuer", signed(&|claims| claims["iss"] = "https://elsewhere.example/issuer".into())),
        ("no issuer", signed(&|claims| drop(claims.as_object_mut().unwrap().remove("iss")))),
        ("expired", signed(&|claims| claims["exp"] = (now - 60).into())),
        ("no expiry", signed(&|claims| drop(claims.as_object_mut().unwrap().remove("exp")))),
        ("not yet valid", signed(&|claims| claims["nbf"] = (now + 60).into())),
        ("garbage", "garbage".to_owned()),
        ("dots", "..".to_owned()),
    ] {
        let (status, body) = with_token(&replica, &token).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{what}");
        assert_eq!(body, json!({"status": 401, "message": "The bearer token is not valid"}), "{what}");
    }

    let basic =
        replica.bare(Method::GET, "/case-records/X000001").basic_auth("a", Some("b")).send().await.unwrap();
    assert_eq!(basic.headers()["www-authenticate"], "Bearer");
    assert_eq!(read(basic).await.1, json!({"status": 401, "message": "A bearer token is needed"}));
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_token_within_the_leeway_is_valid_and_one_without_authorities_is_forbidden(store: PgPool) {
    let auth = stand_ins().await;
    let replica = replica(&store, &auth).await;
    let now = chrono::Utc::now().timestamp();
    let mut claims = serde_json::to_value(auth.auth().claims(&[Role::CaseDetail.authority()])).unwrap();
    claims["nbf"] = (now + 3).into();
    assert_eq!(with_token(&replica, &auth.auth().sign(&claims).unwrap()).await.0, StatusCode::NOT_FOUND);

    claims.as_object_mut().unwrap().remove("authorities");
    let (status, body) = with_token(&replica, &auth.auth().sign(&claims).unwrap()).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert_eq!(body["status"], 403);
    assert!(body["message"].as_str().unwrap().contains("CASE_DETAIL"), "{body}");
}

#[sqlx::test(migrations = "migrations/store")]
async fn many_callers_at_once_lead_to_one_fetch_of_keys_and_unknown_keys_to_no_more(store: PgPool) {
    let auth = stand_ins().await;
    let replica = replica(&store, &auth).await;
    let tokens: Vec<_> = (0..20).map(|_| auth.token(&[Role::CaseDetail.authority()]).unwrap()).collect();
    let answers =
        futures_util::future::join_all(tokens.iter().map(|token| with_token(&replica, token))).await;
    assert!(answers.iter().all(|(status, _)| *status == StatusCode::NOT_FOUND));
    assert_eq!(auth.auth().key_set_calls(), 1);

    let [_, claims, signature] = tokens[0].split('.').collect::<Vec<_>>()[..] else { panic!("three parts") };
    for number in 0..20 {
        let header = BASE64.encode(json!({"alg": "RS256", "kid": format!("made-up-{number}")}).to_string());
        let (status, _) = with_token(&replica, &format!("{header}.{claims}.{signature}")).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(
        auth.auth().key_set_calls(),
        1,
        "the interval between fetches holds, whatever ids callers make up"
    );
}

/// A replica that may fetch the key set at any time and does so for every known key.
async fn impatient(store: &PgPool, auth: &StandIns) -> Replica {
    impatient_with_keys_of(store, auth, &auth.auth_url()).await
}

async fn impatient_with_keys_of(store: &PgPool, auth: &StandIns, auth_url: &str) -> Replica {
    let delius = delius_beside(store).await;
    let records =
        Arc::new(CaseRecords::new(store.clone(), from_delius(&delius), Settings::default().records));
    let config = AuthConfig {
        fetch_interval: Duration::ZERO,
        keys_refresh_after: Duration::ZERO,
        ..AuthConfig::new(auth_url)
    };
    let authenticator = Arc::new(Authenticator::new(config).unwrap());
    Replica::serve(&api(&records, Settings::default().api, authenticator), records, auth).await
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_new_key_is_found_when_a_token_names_it(store: PgPool) {
    let auth = stand_ins().await;
    let replica = impatient(&store, &auth).await;
    let role = Role::CaseDetail.authority();
    let before = auth.token(&[role]).unwrap();
    assert_eq!(with_token(&replica, &before).await.0, StatusCode::NOT_FOUND);

    auth.auth().rotate_key(false).unwrap();
    assert_eq!(with_token(&replica, &auth.token(&[role]).unwrap()).await.0, StatusCode::NOT_FOUND);
    assert_eq!(
        with_token(&replica, &before).await.0,
        StatusCode::NOT_FOUND,
        "the old key is still published"
    );
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_new_key_under_the_id_of_the_old_one_is_found(store: PgPool) {
    let auth = stand_ins().await;
    let replica = impatient(&store, &auth).await;
    let role = Role::CaseDetail.authority();
    let before = auth.token(&[role]).unwrap();
    assert_eq!(with_token(&replica, &before).await.0, StatusCode::NOT_FOUND);
    auth.auth().replace_key().unwrap();
    assert_eq!(with_token(&replica, &auth.token(&[role]).unwrap()).await.0, StatusCode::NOT_FOUND);
    until("the old key is forgotten", || async {
        with_token(&replica, &before).await.0 == StatusCode::UNAUTHORIZED
    })
    .await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_key_that_is_withdrawn_stops_working(store: PgPool) {
    let auth = stand_ins().await;
    let replica = impatient(&store, &auth).await;
    let token = auth.token(&[Role::CaseDetail.authority()]).unwrap();
    assert_eq!(with_token(&replica, &token).await.0, StatusCode::NOT_FOUND);
    auth.auth().rotate_key(true).unwrap();
    until("the token is refused", || async {
        with_token(&replica, &token).await.0 == StatusCode::UNAUTHORIZED
    })
    .await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn while_hmpps_auth_is_down_known_keys_go_on_and_unknown_ones_are_503(store: PgPool) {
    let auth = stand_ins().await;
    let known = replica(&store, &auth).await;
    let role = Role::CaseDetail.authority();
    assert_eq!(with_token(&known, &auth.token(&[role]).unwrap()).await.0, StatusCode::NOT_FOUND);

    auth.auth().break_down(Some(Breakdown::ServerError));
    assert_eq!(
        with_token(&known, &auth.token(&[role]).unwrap()).await.0,
        StatusCode::NOT_FOUND,
        "a new token"
    );

    let settings = Settings::default();
    let source = from_delius(&store);
    let fresh = Replica::start(&store, source, &auth, settings).await;
    let token = auth.token(&[role]).unwrap();
    let answer = fresh.bare(Method::GET, "/case-records/X000001").bearer_auth(token).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE, "never 401 for a fault");
    assert!(answer.headers().contains_key("retry-after"));
}

/// An HMPPS Auth whose key set the test defines.
async fn publishing(keys: &Arc<Mutex<String>>) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let keys = Arc::clone(keys);
    let published = warp::path!(".well-known" / "jwks.json").map(move || keys.lock().unwrap().clone());
    tokio::spawn(warp::serve(published).incoming(listener).run());
    url
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_key_set_without_a_usable_key_is_a_fault_and_known_keys_go_on(store: PgPool) {
    let auth = stand_ins().await;
    let keys = reqwest::get(format!("{}/.well-known/jwks.json", auth.auth_url())).await.unwrap();
    let keys = Arc::new(Mutex::new(keys.text().await.unwrap()));
    let url = publishing(&keys).await;
    let replica = impatient_with_keys_of(&store, &auth, &url).await;
    let mut claims = serde_json::to_value(auth.auth().claims(&[Role::CaseDetail.authority()])).unwrap();
    claims["iss"] = format!("{url}/issuer").into();
    let token = auth.auth().sign(&claims).unwrap();
    assert_eq!(with_token(&replica, &token).await.0, StatusCode::NOT_FOUND, "the key is known");

    let [_, body, signature] = token.split('.').collect::<Vec<_>>()[..] else { panic!("three parts") };
    let header = BASE64.encode(json!({"alg": "RS256", "kid": "not known"}).to_string());
    let unknown = format!("{header}.{body}.{signature}");
    for useless in [json!({"keys": []}), json!({"keys": [{"kty": "NEW", "kid": "future"}]})] {
        *keys.lock().unwrap() = useless.to_string();
        let (status, _) = with_token(&replica, &unknown).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "whose key cannot be looked up: {useless}");
        assert_eq!(
            with_token(&replica, &token).await.0,
            StatusCode::NOT_FOUND,
            "known keys go on: {useless}"
        );
    }
}
