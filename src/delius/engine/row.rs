//! A row of a result, by column names.

use std::sync::Arc;

use chrono::{NaiveDate, NaiveDateTime};

use super::{EngineFailure, Value};

/// One row. A null is told apart from a missing column, and a column of another type is an error, never a default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    columns: Arc<[String]>,
    values: Vec<Value>,
}

impl Row {
    /// A row from the lower-case names of its columns (shared by all rows of a result) and their values.
    pub fn new(columns: Arc<[String]>, values: Vec<Value>) -> Self {
        Self { columns, values }
    }

    fn value(&self, column: &str) -> Result<&Value, EngineFailure> {
        let place = self.columns.iter().position(|name| name == column);
        place.and_then(|place| self.values.get(place)).ok_or_else(|| EngineFailure::unreadable(column))
    }

    /// A number or null.
    pub fn int_or_null(&self, column: &str) -> Result<Option<i64>, EngineFailure> {
        match self.value(column)? {
            Value::Int(number) => Ok(*number),
            _ => Err(EngineFailure::unreadable(column)),
        }
    }

    /// A number.
    pub fn int(&self, column: &str) -> Result<i64, EngineFailure> {
        self.int_or_null(column)?.ok_or_else(|| EngineFailure::unreadable(column))
    }

    /// A 0/1 flag, or a count of which only the presence matters.
    pub fn flag(&self, column: &str) -> Result<bool, EngineFailure> {
        Ok(self.int(column)? != 0)
    }

    /// A text as it is stored, the padding of fixed-width columns included, or null.
    pub fn text_or_null(&self, column: &str) -> Result<Option<String>, EngineFailure> {
        match self.value(column)? {
            Value::Text(text) => Ok(text.clone()),
            _ => Err(EngineFailure::unreadable(column)),
        }
    }

    /// A text.
    pub fn text(&self, column: &str) -> Result<String, EngineFailure> {
        self.text_or_null(column)?.ok_or_else(|| EngineFailure::unreadable(column))
    }

    /// A code without the blanks that pad it in a fixed-width column; null when nothing else is in it.
    pub fn code(&self, column: &str) -> Result<Option<String>, EngineFailure> {
        let text = self.text_or_null(column)?;
        Ok(text.map(|text| text.trim().to_owned()).filter(|code| !code.is_empty()))
    }

    /// A time on the wall clock of London, or null.
    pub fn time_or_null(&self, column: &str) -> Result<Option<NaiveDateTime>, EngineFailure> {
        match self.value(column)? {
            Value::Time(time) => Ok(*time),
            _ => Err(EngineFailure::unreadable(column)),
        }
    }

    /// A time on the wall clock of London.
    pub fn time(&self, column: &str) -> Result<NaiveDateTime, EngineFailure> {
        self.time_or_null(column)?.ok_or_else(|| EngineFailure::unreadable(column))
    }

    /// The date of a time, or null: Delius' dates keep a time of day that means nothing.
    pub fn date_or_null(&self, column: &str) -> Result<Option<NaiveDate>, EngineFailure> {
        Ok(self.time_or_null(column)?.map(|time| time.date()))
    }

    /// The date of a time.
    pub fn date(&self, column: &str) -> Result<NaiveDate, EngineFailure> {
        Ok(self.time(column)?.date())
    }
}
