//! Query parameters. A misspelt or repeated parameter is refused: an auditor would take the answer for the answer to the
//! intended question.

use std::str::FromStr;

use url::form_urlencoded;
use warp::{Filter, filters::BoxedFilter};

use crate::http::Problem;

/// The parameters of a request; each is known and given once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parameters(Vec<(String, String)>);

/// Extracts the query string.
pub(crate) fn raw_query() -> BoxedFilter<(String,)> {
    warp::query::raw().or(warp::any().map(String::new)).unify().boxed()
}

impl Parameters {
    pub(crate) fn parse(query: &str, known: &[&str]) -> Result<Self, Problem> {
        let mut found: Vec<(String, String)> = vec![];
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if !known.contains(&name.as_ref()) {
                let message = format!("Unknown parameter; expected one of {}", known.join(", "));
                return Err(Problem::bad_request(message));
            }
            if found.iter().any(|(other, _)| *other == name) {
                return Err(Problem::bad_request(format!("Parameter {name} is given twice")));
            }
            found.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(found))
    }

    /// The value of a parameter that is given and not blank.
    pub(crate) fn get<T: FromStr>(&self, name: &str) -> Result<Option<T>, Problem>
    where
        T::Err: std::fmt::Display,
    {
        let value = self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value.trim());
        match value.filter(|value| !value.is_empty()) {
            None => Ok(None),
            Some(value) => {
                value.parse().map(Some).map_err(|error| Problem::bad_request(format!("{name}: {error}")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    #[test]
    fn values_are_decoded_and_blank_ones_are_absent() {
        let parameters = Parameters::parse("at=2026-07-01T10%3A00&by=", &["at", "by"]).unwrap();
        assert_eq!(parameters.get::<String>("at").unwrap().as_deref(), Some("2026-07-01T10:00"));
        assert_eq!(parameters.get::<u32>("by"), Ok(None));
    }

    #[test]
    fn a_misspelt_a_repeated_and_a_wrong_parameter_are_refused() {
        assert!(Parameters::parse("as-of=x", &["as_of"]).is_err());
        assert!(Parameters::parse("as_of=x&as_of=y", &["as_of"]).is_err());
        assert!(Parameters::parse("limit=many", &["limit"]).unwrap().get::<u32>("limit").is_err());
    }
}
