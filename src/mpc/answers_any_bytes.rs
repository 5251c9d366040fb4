//! Property tests: any bytes end as an answer or an error, and no error repeats them.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::{MAX_NAME_CHARS, allocation, handover};
use crate::case::{AllocationAnswer, Evidence, Fetched, NomsNumber};

fn fetched(status: u16, body: &str) -> Fetched {
    let url = "https://mpc.example/api".to_owned();
    Fetched { url, status, at: chrono::Utc::now(), answer: Evidence::of(body), staff: None }
}

fn noms() -> NomsNumber {
    "A1234BC".parse().unwrap()
}

const ALLOCATED: &str = r#"{"manager":{"code":485926,"forename":"ADA","surname":"BYRON","email":"a@b.c"},"prison":{"code":"LEI"}}"#;
const DATES: &str = r#"{"nomsNumber":"A1234BC","handoverDate":"2026-01-31","handoverStartDate":null}"#;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn every_body_ends_as_an_answer_or_an_error(status in prop_oneof![Just(200_u16), Just(404), 0_u16..600], body in ".{0,200}") {
        let fetched = fetched(status, &body);
        let _ = allocation(&fetched);
        let _ = handover(&fetched, &noms());
    }

    #[test]
    fn every_mangled_answer_ends_as_an_answer_or_an_error(at in 0_usize..200, byte in 0_u8..128) {
        for body in [ALLOCATED, DATES] {
            let mut mangled = body.as_bytes().to_vec();
            let at = at % mangled.len();
            mangled[at] = byte;
            let whole = String::from_utf8(mangled).unwrap();
            for body in [whole.as_str(), &whole[..at]] {
                let _ = allocation(&fetched(200, body));
                let _ = handover(&fetched(200, body), &noms());
            }
        }
    }

    #[test]
    fn names_that_are_taken_can_be_kept_by_delius_and_others_are_refused_without_being_repeated(
        forename in any::<String>(), surname in "\\PC{0,130}", email in proptest::option::of(any::<String>()),
    ) {
        let body = serde_json::json!({
            "manager": { "code": 1, "forename": forename, "surname": surname, "email": email },
            "prison": { "code": "LEI" },
        });
        match allocation(&fetched(200, &body.to_string())) {
            Ok(AllocationAnswer::Allocated { staff, .. }) => {
                for name in [&staff.forename, &staff.surname] {
                    prop_assert!((1..=MAX_NAME_CHARS).contains(&name.chars().count()));
                    prop_assert!(!name.chars().any(char::is_control));
                }
                prop_assert!(staff.email.is_none_or(|email| (1..=500).contains(&email.len())));
            }
            Ok(other) => prop_assert!(false, "{other:?}"),
            Err(error) => {
                let error = error.to_string();
                prop_assert!(surname.chars().count() < 12 || !error.contains(&surname), "{error}");
            }
        }
    }
}
