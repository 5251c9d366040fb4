//! Identifiers as types: a value that exists is valid.
//!
//! Parsing is lenient in case and surrounding blanks and strict in shape; the error names the shape that was
//! expected, never the text that was given (it may be personal data in the wrong field).

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Why a text is not the identifier it was taken for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a {kind}: expected {shape}")]
pub struct InvalidIdentifier {
    kind: &'static str,
    shape: &'static str,
}

fn matches(text: &str, shape: &[u8]) -> bool {
    text.len() == shape.len()
        && text.bytes().zip(shape).all(|(byte, kind)| match kind {
            b'A' => byte.is_ascii_uppercase(),
            _ => byte.is_ascii_digit(),
        })
}

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $shape:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The identifier as text, in capitals.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidIdentifier;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let text = text.trim().to_ascii_uppercase();
                let valid: fn(&str) -> bool = $valid;
                if valid(&text) {
                    Ok(Self(text))
                } else {
                    Err(InvalidIdentifier { kind: $kind, shape: $shape })
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidIdentifier;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

identifier!(
    /// Prison identifier of a person (also *prison number* or *PRN*): `A1234BC`. One case is one NOMS number.
    ///
    /// ```
    /// use manage_pom_cases_and_delius::case::NomsNumber;
    /// assert_eq!("a1234bc".parse::<NomsNumber>().unwrap().as_str(), "A1234BC");
    /// assert!("X123456".parse::<NomsNumber>().is_err());
    /// ```
    NomsNumber, "NOMS number", "one letter, four digits, two letters, for example A1234BC",
    |text| matches(text, b"A0000AA")
);

identifier!(
    /// Probation identifier of a person (*case reference number*): `X123456`.
    Crn, "CRN", "one letter and six digits, for example X123456",
    |text| matches(text, b"A000000")
);

identifier!(
    /// NOMIS code of a prison, for example `LEI`.
    PrisonCode, "prison code", "two to six letters or digits, for example LEI",
    |text| (2..=6).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
);

/// Either of the two identifiers that people use for a person.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum PersonId {
    /// By probation identifier.
    Crn(Crn),
    /// By prison identifier.
    Noms(NomsNumber),
}

impl FromStr for PersonId {
    type Err = InvalidIdentifier;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self::Crn).or_else(|_| text.parse().map(Self::Noms)).map_err(
            |_: InvalidIdentifier| InvalidIdentifier {
                kind: "CRN or NOMS number",
                shape: "X123456 or A1234BC",
            },
        )
    }
}

impl TryFrom<String> for PersonId {
    type Error = InvalidIdentifier;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<PersonId> for String {
    fn from(id: PersonId) -> Self {
        id.to_string()
    }
}

impl fmt::Display for PersonId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Crn(crn) => crn.fmt(f),
            Self::Noms(noms) => noms.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_told_apart_by_their_shape() {
        assert_eq!("x123456".parse(), Ok(PersonId::Crn(Crn("X123456".into()))));
        assert_eq!(" a1234bc ".parse(), Ok(PersonId::Noms(NomsNumber("A1234BC".into()))));
    }

    #[test]
    fn what_is_neither_is_refused_without_being_repeated() {
        for text in ["", "A1234B", "A1234BCD", "1234567", "Ä1234BC", "X12345٣", "X123456 OR 1=1"] {
            let error = text.parse::<PersonId>().expect_err(text).to_string();
            assert!(error.contains("X123456 or A1234BC"), "{error}");
            assert!(text.is_empty() || text == "A1234B" || !error.contains(text), "{error}");
        }
    }

    #[test]
    fn an_invalid_identifier_cannot_be_deserialised() {
        assert!(serde_json::from_str::<NomsNumber>("\"X123456\"").is_err());
        assert!(serde_json::from_str::<PrisonCode>("\"L-I\"").is_err());
    }

    #[test]
    fn an_identifier_is_stored_as_its_text() {
        for text in ["X123456", "A1234BC"] {
            let person: PersonId = serde_json::from_value(text.into()).expect(text);
            assert_eq!(serde_json::to_value(&person).expect(text), text);
        }
    }

    proptest::proptest! {
        #[test]
        fn what_parses_is_of_the_shape_and_survives_a_journey(text in "\\PC{0,12}|[ a-zA-Z0-9]{2,8}|[A-Z][0-9]{4}[A-Z]{2}") {
            if let Ok(person) = text.parse::<PersonId>() {
                let told = person.to_string();
                proptest::prop_assert!(told.is_ascii() && told.len() == 7);
                proptest::prop_assert_eq!(told.parse::<PersonId>(), Ok(person));
            }
            if let Ok(prison) = text.parse::<PrisonCode>() {
                proptest::prop_assert_eq!(prison.as_str().parse::<PrisonCode>(), Ok(prison));
            }
        }
    }
}
