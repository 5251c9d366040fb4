//! The source of records: Delius, with e-mail addresses from the directory.

use std::{collections::HashMap, sync::Arc, time::Instant};

use async_trait::async_trait;

use super::email_directory::EmailDirectory;
use crate::{
    case::PersonId,
    delius::records::{CaseFacts, CaseReader, RecordsError},
};

/// What was read for one person.
#[derive(Debug, Clone)]
pub struct RecordReading {
    pub facts: CaseFacts,
    /// Whether the directory answered. An incomplete reading is served and not cached.
    pub complete: bool,
}

/// Where records are read from.
#[async_trait]
pub trait RecordSource: Send + Sync {
    /// Reads these people in one round trip to Delius. People who are not found are missing from the answer.
    ///
    /// # Errors
    /// When there was no answer; "not found" is an answer.
    async fn read(&self, people: &[PersonId]) -> Result<Vec<RecordReading>, RecordsError>;
}

/// Delius, with e-mail addresses from the directory when one is configured.
pub struct DeliusSource {
    reader: CaseReader,
    directory: Option<Arc<EmailDirectory>>,
}

impl DeliusSource {
    /// Without a directory every e-mail address is null.
    pub fn new(reader: CaseReader, directory: Option<Arc<EmailDirectory>>) -> Self {
        Self { reader, directory }
    }
}

#[async_trait]
impl RecordSource for DeliusSource {
    async fn read(&self, people: &[PersonId]) -> Result<Vec<RecordReading>, RecordsError> {
        let began = Instant::now();
        let found = self.reader.find(people).await?;
        metrics::histogram!("delius_read_duration_seconds").record(began.elapsed());
        let users: Vec<String> = found.iter().filter_map(|it| it.manager_user.clone()).collect();
        let emails = match &self.directory {
            Some(directory) if !users.is_empty() => directory.emails(&users).await,
            _ => HashMap::new(),
        };
        Ok(found
            .into_iter()
            .map(|facts| match facts.manager_user.clone() {
                Some(user) if self.directory.is_some() => {
                    let email = emails.get(&user).cloned();
                    RecordReading { complete: email.is_some(), facts: facts.with_email(email.flatten()) }
                }
                _ => RecordReading { facts, complete: true },
            })
            .collect())
    }
}
