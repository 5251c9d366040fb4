//! Reads answers of Manage POM Cases: status and body in, meaning out.
//!
//! An answer in another form than the documented one is *undocumented* (it may be an outage, so it is asked for again).
//! An answer in the documented form with a value that cannot be written is *invalid* (asking again does not help).

use chrono::{Datelike, NaiveDate};
use serde::Deserialize;

use crate::case::{
    AllocationAnswer, FetchError, Fetched, HandoverAnswer, NomsNumber, StaffMember, UndocumentedAnswer,
};

/// NOMIS keeps 35 characters, so anything beyond this is not a name.
const MAX_NAME_CHARS: usize = 100;

/// Length of the column in Delius, counted in bytes: some databases count bytes and some characters.
const MAX_EMAIL_BYTES: usize = 500;

/// A year outside is a typing error, and Oracle and PostgreSQL do not agree on the dates they can hold.
const YEARS: std::ops::RangeInclusive<i32> = 1900..=2199;

#[derive(Deserialize)]
struct AllocationBody {
    manager: ManagerBody,
    prison: PrisonBody,
}

#[derive(Deserialize)]
struct ManagerBody {
    code: i64,
    forename: String,
    surname: String,
    email: Option<String>,
}

#[derive(Deserialize)]
struct PrisonBody {
    code: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HandoverBody {
    noms_number: String,
    #[serde(deserialize_with = "present")]
    handover_date: Option<NaiveDate>,
    #[serde(deserialize_with = "present")]
    handover_start_date: Option<NaiveDate>,
}

#[derive(Deserialize)]
struct ErrorBody {
    status: String,
    message: String,
}

/// The member must be present, even as null. A missing member means that the interface changed, not that the date is
/// blank, and a blank date deletes the key date in Delius.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<NaiveDate>, D::Error> {
    Option::deserialize(deserializer)
}

pub(crate) fn allocation(fetched: &Fetched) -> Result<AllocationAnswer, FetchError> {
    match fetched.status {
        200 => {
            let body: AllocationBody = parse(&fetched.answer.body)?;
            let prison =
                body.prison.code.parse().map_err(|error| invalid(format!("prison.code is {error}")))?;
            let ManagerBody { code, forename, surname, email } = body.manager;
            let forename = name("manager.forename", &forename)?;
            let surname = name("manager.surname", &surname)?;
            let email = email.map(|email| email.trim().to_owned()).filter(|email| !email.is_empty());
            let is_unfit = |email: &str| email.len() > MAX_EMAIL_BYTES || email.chars().any(char::is_control);
            if email.as_deref().is_some_and(is_unfit) {
                return Err(invalid(
                    "manager.email is longer than 500 bytes or has control characters".into(),
                ));
            }
            Ok(AllocationAnswer::Allocated { staff: StaffMember { code, forename, surname, email }, prison })
        }
        404 => match not_found(&fetched.answer.body).as_deref() {
            Some("Not allocated") => Ok(AllocationAnswer::NotAllocated),
            Some("Not ready for allocation") => Ok(AllocationAnswer::NotReady),
            _ => Err(FetchError::Undocumented(UndocumentedAnswer::BareNotFound)),
        },
        status => Err(FetchError::Undocumented(UndocumentedAnswer::Status(status))),
    }
}

pub(crate) fn handover(fetched: &Fetched, noms: &NomsNumber) -> Result<HandoverAnswer, FetchError> {
    match fetched.status {
        200 => {
            let body: HandoverBody = parse(&fetched.answer.body)?;
            if body.noms_number.parse::<NomsNumber>().ok().as_ref() != Some(noms) {
                return Err(FetchError::IdentifierMismatch);
            }
            Ok(HandoverAnswer::Dates {
                handover_date: plausible("handoverDate", body.handover_date)?,
                handover_start_date: plausible("handoverStartDate", body.handover_start_date)?,
            })
        }
        404 => match not_found(&fetched.answer.body).as_deref() {
            Some("Not found") => Ok(HandoverAnswer::NotFound),
            _ => Err(FetchError::Undocumented(UndocumentedAnswer::BareNotFound)),
        },
        status => Err(FetchError::Undocumented(UndocumentedAnswer::Status(status))),
    }
}

/// The message of a documented 404 body.
fn not_found(body: &str) -> Option<String> {
    let body: ErrorBody = serde_json::from_str(without_bom(body)).ok()?;
    (body.status == "error").then_some(body.message)
}

fn plausible(field: &str, date: Option<NaiveDate>) -> Result<Option<NaiveDate>, FetchError> {
    match date {
        Some(date) if !YEARS.contains(&date.year()) => Err(invalid(format!(
            "{field} lies before 1900 or after 2199; have it put right in Manage POM Cases, then retry"
        ))),
        date => Ok(date),
    }
}

fn name(field: &str, text: &str) -> Result<String, FetchError> {
    let text = text.trim();
    if text.is_empty() || text.chars().any(char::is_control) || text.chars().count() > MAX_NAME_CHARS {
        return Err(invalid(format!(
            "{field} is blank, longer than 100 characters or has control characters"
        )));
    }
    Ok(text.to_owned())
}

/// Parses a body. The error says where and what was expected, and never repeats a value, which is personal data.
fn parse<'de, T: Deserialize<'de>>(body: &'de str) -> Result<T, FetchError> {
    serde_json::from_str(without_bom(body)).map_err(|error| {
        let what = match error.classify() {
            serde_json::error::Category::Data => "a member of the body is missing or of the wrong type",
            _ => "the body is not JSON",
        };
        undocumented_body(format!("{what} (line {}, column {})", error.line(), error.column()))
    })
}

fn without_bom(body: &str) -> &str {
    body.strip_prefix('\u{feff}').unwrap_or(body)
}

pub(super) fn undocumented_body(reason: impl Into<String>) -> FetchError {
    FetchError::Undocumented(UndocumentedAnswer::Body { reason: reason.into() })
}

fn invalid(reason: String) -> FetchError {
    FetchError::InvalidAnswer { reason }
}

#[cfg(test)]
#[path = "answers_any_bytes.rs"]
mod any_bytes;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::case::Evidence;

    fn fetched(status: u16, body: &str) -> Fetched {
        Fetched {
            url: "https://mpc.example/api".into(),
            status,
            at: chrono::Utc::now(),
            answer: Evidence::of(body),
            staff: None,
        }
    }

    fn noms() -> NomsNumber {
        "A1234BC".parse().unwrap()
    }

    #[test]
    fn an_allocation_names_the_member_of_staff_and_the_prison() {
        let body = r#"{"manager":{"code":485926,"forename":"ADA","surname":"BYRON","email":null},"prison":{"code":"LEI"}}"#;
        let answer = allocation(&fetched(200, body)).unwrap();
        let AllocationAnswer::Allocated { staff, prison } = answer else { unreachable!("{answer:?}") };
        assert_eq!((staff.code, staff.surname.as_str(), staff.email), (485926, "BYRON", None));
        assert_eq!(prison.as_str(), "LEI");
    }

    #[test]
    fn the_documented_404_bodies_are_told_apart() {
        let body = |message| format!(r#"{{"status":"error","message":"{message}"}}"#);
        let of = |message| allocation(&fetched(404, &body(message))).unwrap();
        assert_eq!(of("Not allocated"), AllocationAnswer::NotAllocated);
        assert_eq!(of("Not ready for allocation"), AllocationAnswer::NotReady);
        assert_eq!(handover(&fetched(404, &body("Not found")), &noms()), Ok(HandoverAnswer::NotFound));
    }

    #[test]
    fn a_404_without_a_documented_body_is_a_fault_and_no_deallocation() {
        for body in
            ["", "<html>", "{}", r#"{"message":"Not allocated"}"#, r#"{"status":"error","message":"x"}"#]
        {
            let error = allocation(&fetched(404, body)).unwrap_err();
            assert_eq!(error, FetchError::Undocumented(UndocumentedAnswer::BareNotFound), "{body}");
            assert!(handover(&fetched(404, body), &noms()).is_err(), "{body}");
        }
    }

    #[test]
    fn a_handover_answer_about_somebody_else_is_a_mismatch() {
        let body = r#"{"nomsNumber":"A9999ZZ","handoverDate":null,"handoverStartDate":null}"#;
        assert_eq!(handover(&fetched(200, body), &noms()), Err(FetchError::IdentifierMismatch));
    }

    #[test]
    fn a_missing_date_is_not_taken_for_a_blank_one() {
        let body = r#"{"nomsNumber":"A1234BC","handoverDate":"2026-01-31"}"#;
        assert!(matches!(handover(&fetched(200, body), &noms()), Err(FetchError::Undocumented(_))));
        let body = r#"{"nomsNumber":"A1234BC","handoverDate":"2026-01-31","handoverStartDate":null}"#;
        let answer = handover(&fetched(200, body), &noms()).unwrap();
        let handover_date = NaiveDate::from_ymd_opt(2026, 1, 31);
        assert_eq!(answer, HandoverAnswer::Dates { handover_date, handover_start_date: None });
    }

    #[test]
    fn a_date_that_cannot_be_is_refused_with_its_member() {
        let dated = |handover: &str, start: &str| {
            let body = format!(
                r#"{{"nomsNumber":"A1234BC","handoverDate":"{handover}","handoverStartDate":"{start}"}}"#
            );
            super::handover(&fetched(200, &body), &noms())
        };
        for odd in ["0001-01-01", "0000-01-01", "-0001-01-01", "1899-12-31", "2200-01-01", "+262142-12-31"] {
            for (member, answer) in
                [("handoverDate", dated(odd, "2026-01-31")), ("handoverStartDate", dated("2026-01-31", odd))]
            {
                let error = answer.expect_err(odd).to_string();
                assert!(error.contains(&format!("{member} lies")), "{odd}: {error}");
            }
        }
        for odd in ["9999999-01-01", "2026-02-30", "2026-1-31T00:00", "tomorrow"] {
            assert!(dated(odd, "2026-01-31").is_err(), "{odd}");
        }
        assert!(dated("1900-01-01", "2199-12-31").is_ok());
    }

    #[test]
    fn an_email_that_delius_cannot_keep_is_refused() {
        let of = |email: String| {
            let body = serde_json::json!({
                "manager": { "code": 1, "forename": "ADA", "surname": "BYRON", "email": email },
                "prison": { "code": "LEI" },
            });
            allocation(&fetched(200, &body.to_string()))
        };
        assert!(of(format!("{}@b.c", "a".repeat(496))).is_ok());
        for long in [format!("{}@b.c", "a".repeat(497)), format!("{}@b.c", "é".repeat(249))] {
            let error = of(long).unwrap_err().to_string();
            assert!(error.contains("manager.email"), "{error}");
        }
    }

    #[test]
    fn an_answer_is_kept_without_blanks_around_its_values_and_a_name_has_an_end() {
        let of = |name: &str, email: &str| {
            let body = serde_json::json!({
                "manager": { "code": 1, "forename": name, "surname": "BYRON", "email": email },
                "prison": { "code": " lei " },
            });
            allocation(&fetched(200, &body.to_string()))
        };
        let Ok(AllocationAnswer::Allocated { staff, prison }) = of(" ADA ", " a@b.c ") else {
            unreachable!()
        };
        assert_eq!((staff.forename.as_str(), staff.email.as_deref()), ("ADA", Some("a@b.c")));
        assert_eq!(prison.as_str(), "LEI");
        let Ok(AllocationAnswer::Allocated { staff, .. }) = of("ADA", "  ") else { unreachable!() };
        assert_eq!(staff.email, None);
        assert!(of(&"É".repeat(100), "").is_ok());
        for (name, email, member) in
            [("É".repeat(101), "", "manager.forename"), ("ADA".into(), "a\u{7}@b.c", "manager.email")]
        {
            let error = of(&name, email).unwrap_err().to_string();
            assert!(error.contains(member), "{error}");
        }
    }

    #[test]
    fn a_body_in_another_form_is_told_apart_from_one_that_is_no_json() {
        for (body, expected) in
            [("{", "the body is not JSON (line 1"), ("{}", "missing or of the wrong type (line 1")]
        {
            let error = allocation(&fetched(200, body)).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn no_error_repeats_a_value_of_the_answer() {
        let body =
            r#"{"manager":{"code":"SECRET","forename":"SECRET","surname":"SECRET"},"prison":{"code":"LEI"}}"#;
        let error = allocation(&fetched(200, body)).unwrap_err().to_string();
        assert!(!error.contains("SECRET"), "{error}");
    }

    #[test]
    fn an_answer_in_another_form_is_undocumented_and_one_with_an_unusable_value_is_invalid() {
        let undocumented = |status, body: &str| {
            let of = |error| matches!(error, FetchError::Undocumented(_));
            assert!(allocation(&fetched(status, body)).is_err_and(of), "{status} {body}");
            assert!(handover(&fetched(status, body), &noms()).is_err_and(of), "{status} {body}");
        };
        for status in [201, 202, 204, 206, 301, 400, 402, 403, 405, 410, 418, 422, 451] {
            undocumented(status, "");
            undocumented(status, r#"{"status":"error","message":"Not allocated"}"#);
        }
        for body in ["", "null", "[]", "{}", "<html>maintenance</html>", r#"{"nomsNumber":7}"#] {
            undocumented(200, body);
        }
        let invalid = |body: &str| {
            let error = allocation(&fetched(200, body)).unwrap_err();
            assert!(matches!(error, FetchError::InvalidAnswer { .. }), "{body}: {error}");
        };
        for (name, prison) in [(" ", "LEI"), ("A\\u0000", "LEI"), ("ADA", "far too long"), ("ADA", "")] {
            invalid(&format!(
                r#"{{"manager":{{"code":1,"forename":"{name}","surname":"X"}},"prison":{{"code":"{prison}"}}}}"#
            ));
        }
    }

    #[test]
    fn a_byte_order_mark_before_an_answer_is_skipped() {
        let body = "\u{feff}{\"status\":\"error\",\"message\":\"Not allocated\"}";
        assert_eq!(allocation(&fetched(404, body)), Ok(AllocationAnswer::NotAllocated));
    }
}
