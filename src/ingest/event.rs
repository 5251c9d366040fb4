//! The event inside a message, with its identifiers and its time.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::{envelope::trimmed, message::Malformed, time};
use crate::case::{Crn, NomsNumber};

/// An event of either kind.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A Delius offender event: it has a top-level `crn`.
    Offender(Map<String, Value>),
    /// An HMPPS domain event.
    Domain(Map<String, Value>),
}

/// What an event says about its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum EventTime {
    Given(DateTime<Utc>),
    Missing,
    Impossible(Malformed),
}

impl Event {
    pub(super) fn of(members: Map<String, Value>) -> Self {
        match members.get("crn") {
            None | Some(Value::Null) => Self::Domain(members),
            Some(_) => Self::Offender(members),
        }
    }

    fn members(&self) -> &Map<String, Value> {
        let (Self::Offender(members) | Self::Domain(members)) = self;
        members
    }

    /// When it happened, for an effect that needs the time.
    pub fn occurred_at(&self, now: DateTime<Utc>) -> Result<DateTime<Utc>, Malformed> {
        match self.time(now) {
            EventTime::Given(time) => Ok(time),
            EventTime::Impossible(malformed) => Err(malformed),
            EventTime::Missing => Err(Malformed(format!(
                "{} is missing; expected for example 2026-07-01T09:00:00Z",
                self.time_member()
            ))),
        }
    }

    /// When it happened, for an effect that does not depend on it: the receipt stands in for a time that is missing.
    /// Offender events come with local, short and odd times, and only their CRN matters.
    pub fn occurred_at_or_received(
        &self,
        now: DateTime<Utc>,
        received_at: DateTime<Utc>,
    ) -> Result<DateTime<Utc>, Malformed> {
        match (self, self.time(now)) {
            (_, EventTime::Given(time)) => Ok(time),
            (Self::Domain(_), EventTime::Impossible(malformed)) => Err(malformed),
            _ => Ok(received_at),
        }
    }

    fn time_member(&self) -> &'static str {
        match self {
            Self::Domain(_) => "occurredAt",
            Self::Offender(_) => "eventDatetime",
        }
    }

    fn time(&self, now: DateTime<Utc>) -> EventTime {
        let member = self.time_member();
        let text = match self.members().get(member) {
            None | Some(Value::Null) => return EventTime::Missing,
            Some(Value::String(text)) => trimmed(text),
            Some(_) => "not a text",
        };
        if text.is_empty() {
            return EventTime::Missing;
        }
        let Some(time) = time::parse(text) else {
            let what = format!("{member} is not a time; expected for example 2026-07-01T09:00:00Z");
            return EventTime::Impossible(Malformed(what));
        };
        match time::fault(time, now) {
            Some(fault) => EventTime::Impossible(Malformed(format!("{member} {fault}"))),
            None => EventTime::Given(time),
        }
    }

    /// `detailUrl`, when there is one.
    pub fn detail_url(&self) -> Option<&str> {
        let url = self.members().get("detailUrl").and_then(Value::as_str).map(trimmed);
        url.filter(|url| !url.is_empty())
    }

    /// A member of `additionalInformation`; `None` when it is absent, `Some(Null)` when it is null.
    pub fn information(&self, name: &str) -> Option<&Value> {
        self.members().get("additionalInformation").and_then(|information| information.get(name))
    }

    /// The NOMS number that the event names.
    pub fn noms(&self) -> Result<NomsNumber, IdentifierFault> {
        self.identifier("NOMS", "nomsNumber")
    }

    /// The CRN that the event names.
    pub fn crn(&self) -> Result<Crn, IdentifierFault> {
        self.identifier("CRN", "crn")
    }

    /// The first valid identifier of this type. Delius keeps several, and of the others some are malformed.
    fn identifier<T: FromStr>(
        &self,
        kind: &'static str,
        own_member: &'static str,
    ) -> Result<T, IdentifierFault> {
        let values: Vec<&Value> = match self {
            Self::Offender(members) => members.get(own_member).into_iter().collect(),
            Self::Domain(_) => self.identifiers(kind),
        };
        if values.is_empty() {
            return Err(IdentifierFault::Missing(kind));
        }
        let mut valid = values.into_iter().filter_map(|value| trimmed(value.as_str()?).parse().ok());
        valid.next().ok_or(IdentifierFault::Invalid(kind))
    }

    fn identifiers(&self, kind: &str) -> Vec<&Value> {
        let identifiers = self.members().get("personReference").and_then(|it| it.get("identifiers"));
        let of_kind = identifiers.and_then(Value::as_array).into_iter().flatten().filter(|identifier| {
            let stated = identifier.get("type").and_then(Value::as_str);
            stated.is_some_and(|stated| trimmed(stated).eq_ignore_ascii_case(kind))
        });
        of_kind.map(|identifier| identifier.get("value").unwrap_or(&Value::Null)).collect()
    }
}

/// What is wrong with an identifier of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdentifierFault {
    #[error("the event names no {0} in personReference.identifiers")]
    Missing(&'static str),
    #[error("the event's {0} identifier is malformed")]
    Invalid(&'static str),
}
