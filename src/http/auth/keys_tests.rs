#![allow(clippy::unwrap_used)]

use std::time::Duration;

use serde_json::Value;

use super::{
    super::testing::{Pair, TestIssuer, claims, header, pair},
    *,
};

fn keys_of(publisher: &TestIssuer) -> Arc<Keys> {
    let config = AuthConfig::new("https://auth.example/auth");
    Keys::new(config, Box::new(publisher.clone()), publisher.clock())
}

fn publishing(keys: &[Value]) -> (TestIssuer, Arc<Keys>) {
    let publisher = TestIssuer::default();
    publisher.publish(keys);
    let keys = keys_of(&publisher);
    (publisher, keys)
}

fn signed(by: &Pair, kid: &str) -> String {
    by.sign(&header(kid), &claims())
}

async fn outcome(keys: &Arc<Keys>, token: &str) -> Result<(), Refusal> {
    keys.signer(&Token::parse(token).unwrap()).await.map(drop)
}

/// Lets a fetch in the background end.
async fn settled(keys: &Keys) {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    drop(keys.fetching.lock().await);
}

const INTERVAL: Duration = Duration::from_secs(5);
const MAX_AGE: Duration = Duration::from_secs(300);

#[tokio::test]
async fn another_key_under_the_same_id_is_found_because_the_signature_does_not_verify() {
    let (publisher, keys) = publishing(&[pair(0).jwk("constant")]);
    assert_eq!(outcome(&keys, &signed(pair(0), "constant")).await, Ok(()));
    publisher.publish(&[pair(1).jwk("constant")]);
    publisher.pass(INTERVAL);
    assert_eq!(outcome(&keys, &signed(pair(1), "constant")).await, Ok(()));
    assert_eq!(outcome(&keys, &signed(pair(0), "constant")).await, Err(Refusal::Signature));
}

#[tokio::test]
async fn tokens_that_no_key_verifies_cause_one_fetch_in_five_seconds_however_many_come() {
    let (publisher, keys) = publishing(&[pair(0).jwk("one")]);
    for round in 1..=3 {
        let tokens: Vec<_> =
            (0..10).map(|number| signed(pair(1), if number % 2 == 0 { "one" } else { "made-up" })).collect();
        let outcomes = tokens.iter().map(|token| outcome(&keys, token));
        for (number, outcome) in futures_util::future::join_all(outcomes).await.into_iter().enumerate() {
            let expected = if number % 2 == 0 { Refusal::Signature } else { Refusal::UnknownKey };
            assert_eq!(outcome, Err(expected));
        }
        assert_eq!(publisher.fetches(), round);
        publisher.pass(INTERVAL - Duration::from_millis(1));
        assert!(outcome(&keys, &tokens[0]).await.is_err());
        assert_eq!(publisher.fetches(), round, "the interval is not over");
        publisher.pass(Duration::from_millis(1));
    }
}

#[tokio::test]
async fn a_caller_that_hangs_up_neither_cancels_the_fetch_nor_causes_another_one() {
    let (publisher, keys) = publishing(&[pair(0).jwk("one")]);
    let token = signed(pair(0), "one");
    for _ in 0..5 {
        let parsed = Token::parse(&token).unwrap();
        let mut hung_up = Box::pin(keys.signer(&parsed));
        assert!(futures_util::poll!(&mut hung_up).is_pending());
    }
    assert_eq!(outcome(&keys, &token).await, Ok(()));
    assert_eq!(publisher.fetches(), 1);
}

#[tokio::test]
async fn the_key_id_is_a_hint_and_a_key_or_token_without_one_rules_nothing_out() {
    let mut nameless = pair(1).jwk("");
    nameless.as_object_mut().unwrap().remove("kid");
    let twice = pair(2).jwk("one");
    let (_, keys) = publishing(&[pair(0).jwk("one"), nameless, twice]);
    let without_id = |by: &Pair| by.sign(&serde_json::json!({ "alg": "RS256" }), &claims());
    for (what, token, expected) in [
        ("the named key", signed(pair(0), "one"), Ok(())),
        ("the second key of that id", signed(pair(2), "one"), Ok(())),
        ("a key without id", signed(pair(1), "any"), Ok(())),
        ("no id, the first key", without_id(pair(0)), Ok(())),
        ("no id, the last key", without_id(pair(2)), Ok(())),
        ("a key under another id", signed(pair(0), "two"), Err(Refusal::Signature)),
        ("an id in another case", signed(pair(0), "ONE"), Err(Refusal::Signature)),
    ] {
        assert_eq!(outcome(&keys, &token).await, expected, "{what}");
    }
}

#[tokio::test]
async fn a_withdrawn_key_verifies_nothing_after_five_minutes_of_idleness() {
    let (publisher, keys) = publishing(&[pair(0).jwk("old")]);
    let token = signed(pair(0), "old");
    assert_eq!(outcome(&keys, &token).await, Ok(()));
    publisher.publish(&[pair(1).jwk("new")]);
    publisher.pass(MAX_AGE);
    assert_eq!(outcome(&keys, &token).await, Err(Refusal::UnknownKey), "fetched before it is used");
}

#[tokio::test]
async fn under_traffic_the_key_set_is_fetched_in_the_background_long_before_it_is_too_old() {
    let (publisher, keys) = publishing(&[pair(0).jwk("old")]);
    let token = signed(pair(0), "old");
    let key = keys.signer(&Token::parse(&token).unwrap()).await.unwrap();
    publisher.publish(&[pair(1).jwk("new")]);
    publisher.pass(Duration::from_secs(120));
    assert!(keys.trusts(&key), "nobody waits for the fetch");
    settled(&keys).await;
    assert_eq!(publisher.fetches(), 2);
    assert!(!keys.trusts(&key), "what the key verified is forgotten with it");
    assert_eq!(outcome(&keys, &token).await, Err(Refusal::UnknownKey));
}

#[tokio::test]
async fn while_nobody_answers_known_keys_are_trusted_for_five_minutes_and_then_nothing_is() {
    let (publisher, keys) = publishing(&[pair(0).jwk("one")]);
    let token = signed(pair(0), "one");
    let key = keys.signer(&Token::parse(&token).unwrap()).await.unwrap();
    publisher.answer(None);
    publisher.pass(MAX_AGE - Duration::from_secs(1));
    assert_eq!(outcome(&keys, &token).await, Ok(()));
    assert!(keys.trusts(&key));
    settled(&keys).await;
    publisher.pass(Duration::from_secs(1));
    assert!(!keys.trusts(&key));
    assert_eq!(outcome(&keys, &token).await, Err(Refusal::KeysUnavailable), "a fault is never 401");

    publisher.publish(&[pair(0).jwk("one")]);
    publisher.pass(INTERVAL);
    assert_eq!(outcome(&keys, &token).await, Ok(()));
    assert!(keys.trusts(&key), "the same key is the same object, so that remembered tokens count again");
}

#[tokio::test]
async fn a_key_set_without_a_usable_key_withdraws_nothing_and_is_a_fault() {
    let (publisher, keys) = publishing(&[pair(0).jwk("one")]);
    assert_eq!(outcome(&keys, &signed(pair(0), "one")).await, Ok(()));
    for useless in [Some(r#"{"keys":[]}"#), Some(r#"{"keys":[{"kty":"EC"}]}"#), Some("<html>"), None] {
        publisher.answer(useless.map(str::to_owned));
        publisher.pass(INTERVAL);
        assert_eq!(
            outcome(&keys, &signed(pair(1), "two")).await,
            Err(Refusal::KeysUnavailable),
            "{useless:?}"
        );
        assert_eq!(outcome(&keys, &signed(pair(0), "one")).await, Ok(()), "{useless:?}");
    }
}
