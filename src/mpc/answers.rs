//! What an answer of Manage POM Cases means: status and body in, meaning out.

use chrono::{Datelike, NaiveDate};
use serde::Deserialize;

use crate::case::{AllocationAnswer, FetchError, Fetched, HandoverAnswer, NomsNumber, StaffMember};

/// No name is longer; NOMIS itself keeps 35 characters.
const MAX_NAME_CHARS: usize = 100;

/// Delius keeps an e-mail address of this length. In bytes, which is the stricter count of those that databases make.
const MAX_EMAIL_BYTES: usize = 500;

/// No handover is known from before, and none is planned for after: a date outside is a slip of a pen, and not every
/// database keeps it.
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

/// A date may be null but must be there: a missing member is a changed interface, not a blank date, and a blank
/// date deletes the key date in Delius.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<NaiveDate>, D::Error> {
    Option::deserialize(deserializer)
}

pub(super) fn allocation(fetched: &Fetched) -> Result<AllocationAnswer, FetchError> {
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
            _ => Err(FetchError::Unexplained { status: 404 }),
        },
        status => Err(FetchError::Unexplained { status }),
    }
}

pub(super) fn handover(fetched: &Fetched, noms: &NomsNumber) -> Result<HandoverAnswer, FetchError> {
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
            _ => Err(FetchError::Unexplained { status: 404 }),
        },
        status => Err(FetchError::Unexplained { status }),
    }
}

/// The message of a documented 404 body.
fn not_found(body: &str) -> Option<String> {
    let body: ErrorBody = serde_json::from_str(body).ok()?;
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

/// Parses a body. The error says where and what was expected, and never repeats a value: it is a person's.
fn parse<'de, T: Deserialize<'de>>(body: &'de str) -> Result<T, FetchError> {
    serde_json::from_str(body).map_err(|error| {
        let what = match error.classify() {
            serde_json::error::Category::Data => "a member is missing or of the wrong type",
            _ => "it is not JSON",
        };
        invalid(format!("{what} (line {}, column {})", error.line(), error.column()))
    })
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
            assert!(matches!(error, FetchError::Unexplained { status: 404 }), "{body}");
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
        assert!(matches!(handover(&fetched(200, body), &noms()), Err(FetchError::InvalidAnswer { .. })));
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
    fn no_error_repeats_a_value_of_the_answer() {
        let body =
            r#"{"manager":{"code":"SECRET","forename":"SECRET","surname":"SECRET"},"prison":{"code":"LEI"}}"#;
        let error = allocation(&fetched(200, body)).unwrap_err().to_string();
        assert!(!error.contains("SECRET"), "{error}");
    }
}
