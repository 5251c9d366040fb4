//! Reads what a command is decided on: whether its message was accounted for before, and the events of its case that are
//! not known yet. Questions that come at the same moment are one question to the store.

use serde_json::error::Category;
use sqlx::FromRow;

use super::{failure::StoreError, upcasters};
use crate::{
    case::{CaseEvent, NomsNumber},
    database::KeptConnections,
    database::in_time,
};

const LOAD: &str = include_str!("load.sql");

/// What became of a message so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MessageStanding {
    /// It has not been accounted for.
    New,
    /// It is parked, or was given up by an operator.
    Parked,
    /// It was accounted for, in this case when it was about one.
    Accounted(Option<NomsNumber>),
}

/// What is asked: about a message, about the events of a case after the known ones, or about both.
#[derive(Debug, Clone)]
pub(super) struct CaseQuestion {
    pub(super) message_id: Option<String>,
    pub(super) noms: Option<NomsNumber>,
    pub(super) known: u64,
}

/// What the store says.
#[derive(Debug, Clone)]
pub(super) struct CaseAnswer {
    pub(super) standing: MessageStanding,
    /// The events after the known ones, in order.
    pub(super) events: Vec<CaseEvent>,
}

#[derive(FromRow)]
struct LoadedRow {
    question: i32,
    parked: bool,
    accounted: Option<bool>,
    accounted_case: Option<String>,
    sequence: Option<i64>,
    event_type: Option<String>,
    event_version: Option<String>,
    payload: Option<String>,
}

/// Answers a batch of questions; one answer for each of them, in the same order.
pub(super) async fn batch(
    store: &KeptConnections,
    questions: Vec<CaseQuestion>,
) -> Vec<Result<CaseAnswer, StoreError>> {
    let rows = match in_time(rows(store, &questions)).await {
        Ok(rows) => rows,
        Err(error) => {
            let error = StoreError::from(&error);
            return questions.iter().map(|_| Err(error.clone())).collect();
        }
    };
    let mut rows = rows.into_iter().peekable();
    let mut answers = Vec::with_capacity(questions.len());
    for (index, question) in (0..).zip(&questions) {
        let mut answer = Ok(CaseAnswer { standing: MessageStanding::New, events: vec![] });
        while let Some(row) = rows.next_if(|row| row.question == index) {
            // One stream that cannot be read is no reason to refuse the others.
            answer = answer.and_then(|answer| answer.with(row, question));
        }
        answers.push(answer);
    }
    answers
}

async fn rows(store: &KeptConnections, questions: &[CaseQuestion]) -> sqlx::Result<Vec<LoadedRow>> {
    let numbers: Vec<i32> = (0..).take(questions.len()).collect();
    let messages: Vec<_> = questions.iter().map(|question| question.message_id.as_deref()).collect();
    let cases: Vec<_> =
        questions.iter().map(|question| question.noms.as_ref().map(NomsNumber::as_str)).collect();
    let known: Vec<i64> = questions.iter().map(|question| question.known.cast_signed()).collect();
    let query = sqlx::query_as(LOAD).bind(numbers).bind(messages).bind(cases).bind(known);
    let mut connection = store.take().await?;
    let rows = query.fetch_all(connection.asked()).await?;
    connection.answered();
    Ok(rows)
}

impl CaseAnswer {
    fn with(mut self, row: LoadedRow, question: &CaseQuestion) -> Result<Self, StoreError> {
        self.standing = match (row.parked, row.accounted) {
            (true, _) => MessageStanding::Parked,
            (false, Some(true)) => {
                MessageStanding::Accounted(row.accounted_case.and_then(|case| case.parse().ok()))
            }
            (false, _) => MessageStanding::New,
        };
        let (Some(sequence), Some(event_type), Some(version), Some(payload)) =
            (row.sequence, row.event_type, row.event_version, row.payload)
        else {
            return Ok(self);
        };
        let expected = question.known + self.events.len() as u64 + 1;
        if sequence.cast_unsigned() != expected {
            return Err(StoreError::Fault(format!("event {expected} of the case is missing")));
        }
        let event = decoded(&event_type, &version, &payload).map_err(|error| {
            // The text of the error could repeat a part of the event.
            StoreError::Fault(format!("event {sequence} of the case cannot be read: {}", kind(&error)))
        })?;
        self.events.push(event);
        Ok(self)
    }
}

/// A stored event in its present shape.
pub(crate) fn decoded(event_type: &str, version: &str, payload: &str) -> serde_json::Result<CaseEvent> {
    let lifts = upcasters();
    if !lifts.iter().any(|lift| lift.can_upcast(event_type, version)) {
        return serde_json::from_str(payload);
    }
    let mut event = cqrs_es::persist::SerializedEvent::new(
        String::new(),
        0,
        String::new(),
        event_type.to_owned(),
        version.to_owned(),
        serde_json::from_str(payload)?,
        serde_json::Value::Null,
    );
    for lift in &lifts {
        if lift.can_upcast(&event.event_type, &event.event_version) {
            event = lift.upcast(event);
        }
    }
    serde_json::from_value(event.payload)
}

fn kind(error: &serde_json::Error) -> String {
    let kind = match error.classify() {
        Category::Io => "unreadable",
        Category::Syntax => "no JSON",
        Category::Data => "another shape",
        Category::Eof => "cut off",
    };
    format!("{kind}, at column {}", error.column())
}
