#![allow(clippy::unwrap_used)]

use base64::prelude::BASE64_STANDARD;
use proptest::prelude::*;
use serde_json::json;

use super::{super::testing::pair, *};

fn key_with(change: impl FnOnce(&mut Value)) -> Value {
    let mut jwk = pair(0).jwk("one");
    change(&mut jwk);
    jwk
}

fn usable_count(keys: &[Value]) -> usize {
    parse_key_set(json!({ "keys": keys }).to_string().as_bytes()).map_or(0, |keys| keys.len())
}

fn bytes(text: &str) -> Vec<u8> {
    BASE64_URL_SAFE_NO_PAD.decode(text).unwrap()
}

#[test]
fn a_key_is_used_however_its_publisher_writes_what_the_standard_leaves_open() {
    let zero_octet = BASE64_URL_SAFE_NO_PAD.encode([vec![0], bytes(&pair(0).n)].concat());
    let removed = Value::Null;
    for (member, value) in [
        ("kid", removed.clone()),
        ("use", removed.clone()),
        ("alg", removed),
        ("key_ops", json!(["verify"])),
        ("key_ops", json!(["sign", "verify", "new"])),
        ("n", json!(format!("{}==", pair(0).n))),
        ("n", json!(zero_octet)),
        ("e", json!("AAEAAQ")),
        ("x5c", json!(["MIIB"])),
        ("new", json!({ "a": [1, null] })),
        ("kid", json!("")),
    ] {
        assert_eq!(usable_count(&[key_with(|jwk| jwk[member] = value.clone())]), 1, "{member} {value}");
        let without_nulls = key_with(|jwk| {
            jwk[member] = value.clone();
            jwk.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        });
        assert_eq!(usable_count(&[without_nulls]), 1, "{member} {value}");
    }
}

#[test]
fn a_key_for_something_else_or_without_what_it_needs_is_ignored_and_disturbs_no_other() {
    let even = BASE64_URL_SAFE_NO_PAD.encode({
        let mut n = bytes(&pair(0).n);
        *n.last_mut().unwrap() &= 0xfe;
        n
    });
    let short = BASE64_URL_SAFE_NO_PAD.encode(&bytes(&pair(0).n)[1..]);
    let long = BASE64_URL_SAFE_NO_PAD.encode(vec![0xff; 1025]);
    let foreign_alphabet = BASE64_STANDARD.encode([vec![0xff, 0xef], bytes(&pair(0).n)].concat());
    for (member, value) in [
        ("kty", json!("EC")),
        ("kty", json!("rsa")),
        ("kty", json!(null)),
        ("use", json!("enc")),
        ("use", json!("signature")),
        ("use", json!(["sig"])),
        ("alg", json!("RS512")),
        ("alg", json!("PS256")),
        ("alg", json!("RSA-OAEP")),
        ("alg", json!(256)),
        ("key_ops", json!(["sign"])),
        ("key_ops", json!([])),
        ("key_ops", json!("verify")),
        ("kid", json!(1)),
        ("kid", json!({})),
        ("n", json!(null)),
        ("n", json!("")),
        ("n", json!("not base64url!")),
        ("n", json!(even)),
        ("n", json!(short)),
        ("n", json!(long)),
        ("n", json!(foreign_alphabet)),
        ("e", json!(65537)),
        ("e", json!("")),
        ("e", json!("AQ")),
        ("e", json!("AQAA")),
        ("e", json!("AQAAAAAB")),
    ] {
        let bad = key_with(|jwk| jwk[member] = value.clone());
        assert_eq!(usable_count(std::slice::from_ref(&bad)), 0, "{member} {value}");
        assert_eq!(usable_count(&[bad, pair(1).jwk("two")]), 1, "{member} {value}");
    }
    for foreign in [json!(null), json!("key"), json!([]), json!({}), json!({ "kty": "oct", "k": "AQAB" })] {
        assert_eq!(usable_count(&[foreign.clone(), pair(1).jwk("two")]), 1, "{foreign}");
    }
}

#[test]
fn what_is_no_key_set_or_has_no_usable_key_is_an_error_that_says_so() {
    for text in ["", "<html>", "[]", "{}", "null", r#"{"keys":{}}"#, r#"{"keys":null}"#, r#"{"Keys":[]}"#] {
        assert_eq!(parse_key_set(text.as_bytes()).err(), Some(KeySetError::NotAKeySet), "{text}");
    }
    let error = parse_key_set(br#"{"keys":[{"kty":"EC"},7]}"#).err().unwrap().to_string();
    assert!(error.contains("2 ignored: kty is not RSA; it is not an object"), "{error}");
    assert!(parse_key_set(br#"{"keys":[]}"#).is_err());
}

#[test]
fn of_a_member_that_is_written_twice_the_last_one_counts_and_a_byte_order_mark_is_skipped() {
    let (good, other) = (&pair(0).n, &pair(1).n);
    let text = format!(
        "\u{feff}{{\"keys\":[{{\"kty\":\"oct\",\"kty\":\"RSA\",\"n\":\"{other}\",\"n\":\"{good}\",\"e\":\"AQAB\"}}]}}"
    );
    let keys = parse_key_set(text.as_bytes()).unwrap();
    assert_eq!(keys[0].modulus, bytes(good));
}

/// Members with a value of each, and whether a key with it is usable.
fn any_key() -> impl Strategy<Value = (Value, bool)> {
    fn member(
        name: &'static str,
        good: Vec<Value>,
        bad: Vec<Value>,
    ) -> impl Strategy<Value = (&'static str, Value, bool)> {
        let good = proptest::sample::select(good).prop_map(move |value| (name, value, true));
        let bad = proptest::sample::select(bad).prop_map(move |value| (name, value, false));
        prop_oneof![6 => good, 1 => bad]
    }
    let absent = || Value::Null;
    let n = pair(0).n.clone();
    (
        member("kty", vec![json!("RSA")], vec![json!("EC"), json!("OKP"), json!("oct"), absent(), json!(1)]),
        member("use", vec![json!("sig"), absent()], vec![json!("enc"), json!(true)]),
        member("alg", vec![json!("RS256"), absent()], vec![json!("RS384"), json!("none"), json!([])]),
        member("kid", vec![json!("a"), json!("ключ"), absent()], vec![json!(7), json!(["a"])]),
        member(
            "key_ops",
            vec![json!(["verify"]), json!(["verify", "wrapKey"]), absent()],
            vec![json!(["encrypt"]), json!("verify"), json!({})],
        ),
        member(
            "n",
            vec![json!(n), json!(format!("{n}="))],
            vec![json!(&n[..200]), json!(format!("{n}!")), json!(format!("={n}")), absent()],
        ),
        member("e", vec![json!("AQAB"), json!("AQAB=="), json!("Aw")], vec![json!("AA"), absent(), json!(3)]),
    )
        .prop_map(|(a, b, c, d, e, f, g)| {
            let members = [a, b, c, d, e, f, g];
            let usable = members.iter().all(|(_, _, good)| *good);
            let present = members.into_iter().filter(|(_, value, _)| !value.is_null());
            (present.map(|(name, value, _)| (name.to_owned(), value)).collect::<Map<_, _>>().into(), usable)
        })
}

proptest! {
    #[test]
    fn exactly_the_usable_keys_of_any_set_are_kept(keys in proptest::collection::vec(any_key(), 0..6)) {
        let usable = keys.iter().filter(|(_, usable)| *usable).count();
        let keys: Vec<Value> = keys.into_iter().map(|(key, _)| key).collect();
        prop_assert_eq!(usable_count(&keys), usable, "{:?}", keys);
    }

    #[test]
    fn any_bytes_are_a_key_set_or_an_error(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse_key_set(&body);
    }
}
