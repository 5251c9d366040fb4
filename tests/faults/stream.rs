//! A stream of events that looks like the real one: bursts, late events, repeated deliveries; from a seed.

use std::collections::BTreeMap;

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::{
    ground::{Ground, noms, teaching_noms},
    stand_ins::Answer,
};

/// Staff whose names must not be in any log line; they resemble no word of the code.
pub(crate) const STAFF: [(i64, &str, &str); 5] = [
    (1, "ZEPHYRINE", "QUILLFEATHER"),
    (2, "BALTHASAR", "WOBBLETHWAITE"),
    (3, "ERMINTRUDE", "SNODGRASSINGTON"),
    (4, "THADDEUS", "MUMBLECROFT"),
    (5, "PHILIPPA", "GRIMBLEHURST"),
];

const PRISONS: [&str; 2] = ["LEI", "MDI"];

/// What happened at a time: who holds the case from then on.
pub(crate) type Holding = Option<(i64, &'static str)>;

/// The events sent so far; the model is computed from them.
pub(crate) struct Stream {
    random: fastrand::Rng,
    cases: usize,
    /// Message ids, each sent at least once, and the case that each is about.
    pub(crate) sent: BTreeMap<String, String>,
    /// What happened when, by case.
    pub(crate) happened: BTreeMap<usize, BTreeMap<DateTime<Utc>, Holding>>,
    /// The handover dates that Manage POM Cases answers now, by case: start and handover.
    pub(crate) dates: BTreeMap<usize, (NaiveDate, NaiveDate)>,
    recent: Vec<String>,
    pub(crate) repeated: u64,
}

impl Stream {
    pub(crate) fn new(seed: u64, cases: usize) -> Self {
        Self {
            random: fastrand::Rng::with_seed(seed),
            cases,
            sent: BTreeMap::new(),
            happened: BTreeMap::new(),
            dates: BTreeMap::new(),
            recent: vec![],
            repeated: 0,
        }
    }

    /// Messages that introduce every staff code. They are sent first and recorded before anything else is sent.
    pub(crate) fn teach(&mut self, ground: &Ground) -> Vec<String> {
        let teach = |(number, (code, ..)): (usize, (i64, &str, &str))| {
            let (id, noms) = (format!("teach-{number}"), teaching_noms(number));
            let at = "2025-12-01T09:00:00Z".parse().unwrap();
            let body = allocation(ground, &id, &noms, at, Some((code, "LEI")));
            self.sent.insert(id, noms);
            body
        };
        STAFF.into_iter().enumerate().map(teach).collect()
    }

    /// The next messages to send; some of them have been sent before.
    pub(crate) fn next(&mut self, ground: &Ground, count: usize) -> Vec<String> {
        let mut bodies: Vec<String> = (0..count).map(|_| self.one(ground)).collect();
        if !self.recent.is_empty() && self.random.u8(..4) == 0 {
            let again = self.random.usize(..self.recent.len());
            bodies.push(self.recent[again].clone());
            self.repeated += 1;
        }
        self.recent = bodies.clone();
        bodies
    }

    fn one(&mut self, ground: &Ground) -> String {
        let case = self.random.usize(..self.cases);
        let (number, noms) = (self.sent.len(), noms(case));
        let id = format!("m-{number:06}");
        self.sent.insert(id.clone(), noms.clone());
        if self.random.u8(..5) == 0 {
            // Dates differ with every change, so that the last answer can be told from the ones before.
            let start = NaiveDate::from_ymd_opt(2027, 1, 1).unwrap() + Days::new(number as u64);
            let handover = start + Days::new(30);
            self.dates.insert(case, (start, handover));
            let answer = Answer::handover(&noms, Some(&handover.to_string()), Some(&start.to_string()));
            ground.mpc.mpc().handover(&noms, answer);
            return self::handover(ground, &id, &noms);
        }
        let happened = self.happened.entry(case).or_default();
        let count = happened.len() as i64;
        // A quarter of the messages are late. The second is the number of the event, so that no two events of a case
        // share it.
        let late = if self.random.u8(..4) == 0 { 35 } else { 0 };
        let minutes = count * 10 + self.random.i64(0..10) - late;
        let start: DateTime<Utc> = "2026-01-01T00:00:00Z".parse().unwrap();
        let at = start + TimeDelta::minutes(minutes) + TimeDelta::seconds(count % 60);
        let holding = match self.random.u8(..8) {
            0 => None,
            _ => Some((self.random.i64(1..=STAFF.len() as i64), PRISONS[self.random.usize(..2)])),
        };
        assert!(happened.insert(at, holding).is_none(), "two events of one case at {at}");
        ground.mpc.mpc().allocation(&noms, Answer::allocated(1, STAFF[0].1, STAFF[0].2, None, "LEI"));
        allocation(ground, &id, &noms, at, holding)
    }
}

/// The message of an allocation, or of a deallocation.
pub(crate) fn allocation(
    ground: &Ground,
    id: &str,
    noms: &str,
    at: DateTime<Utc>,
    holding: Option<(i64, &str)>,
) -> String {
    let url = format!("{}/api/allocation/{noms}/primary_pom", ground.mpc_url());
    let (code, prison) = holding.map_or((None, "LEI"), |(code, prison)| (Some(code), prison));
    let information = json!({ "staffCode": code, "prisonId": prison, "eventTrigger": "user" });
    envelope(id, "offender-management.allocation.changed", noms, at, &url, information)
}

/// The message of changed handover dates.
pub(crate) fn handover(ground: &Ground, id: &str, noms: &str) -> String {
    let url = format!("{}/api/handovers/{noms}", ground.mpc_url());
    envelope(id, "offender-management.handover.changed", noms, Utc::now(), &url, json!({}))
}

fn envelope(
    id: &str,
    event_type: &str,
    noms: &str,
    at: DateTime<Utc>,
    url: &str,
    information: Value,
) -> String {
    let at = at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    let event = json!({
        "eventType": event_type, "version": 1, "description": "An event", "detailUrl": url, "occurredAt": at,
        "personReference": { "identifiers": [{ "type": "NOMS", "value": noms }] },
        "additionalInformation": information,
    });
    json!({
        "Type": "Notification", "MessageId": id, "TopicArn": "arn:aws:sns:eu-west-2:000000000000:events",
        "Message": event.to_string(), "Timestamp": at,
        "MessageAttributes": { "eventType": { "Type": "String", "Value": event_type } }
    })
    .to_string()
}

/// The message of the change feed about a person.
pub(crate) fn changed(id: &str, crn: &str) -> String {
    offender(id, crn, "OFFENDER_MANAGEMENT_TIER_CALCULATION_REQUIRED")
}

/// The message of a changed sentence, which needs Delius.
pub(crate) fn sentence_changed(id: &str, crn: &str) -> String {
    offender(id, crn, "SENTENCE_CHANGED")
}

fn offender(id: &str, crn: &str, event_type: &str) -> String {
    let at = Utc::now().to_rfc3339();
    let event = json!({ "offenderId": 1, "crn": crn, "sourceId": 1, "eventDatetime": at });
    json!({
        "Type": "Notification", "MessageId": id, "TopicArn": "arn:aws:sns:eu-west-2:000000000000:events",
        "Message": event.to_string(), "Timestamp": at,
        "MessageAttributes": { "eventType": { "Type": "String", "Value": event_type } }
    })
    .to_string()
}
