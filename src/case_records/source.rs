//! Where records come from: Delius, with the e-mail address from the staff directory.

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;

use super::directory::StaffDirectory;
use crate::{
    case::PersonId,
    delius::records::{CaseFacts, CaseReader, RecordsError},
};

/// What was read of one person.
#[derive(Debug, Clone)]
pub struct Reading {
    /// What is known.
    pub facts: CaseFacts,
    /// Nothing is missing for want of an answer. What is incomplete is served and not kept.
    pub complete: bool,
}

/// A place that records are read from.
#[async_trait]
pub trait Source: Send + Sync {
    /// Reads these people, in one round trip to Delius. Who is not found is left out.
    ///
    /// # Errors
    /// When there was no answer. "Not found" is one.
    async fn read(&self, people: &[PersonId]) -> Result<Vec<Reading>, RecordsError>;
}

/// Delius, with the e-mail address from the staff directory when there is one.
pub struct DeliusSource {
    reader: CaseReader,
    directory: Option<Arc<StaffDirectory>>,
}

impl DeliusSource {
    /// Without a directory every e-mail address is null.
    pub fn new(reader: CaseReader, directory: Option<Arc<StaffDirectory>>) -> Self {
        Self { reader, directory }
    }
}

#[async_trait]
impl Source for DeliusSource {
    async fn read(&self, people: &[PersonId]) -> Result<Vec<Reading>, RecordsError> {
        let found = self.reader.find(people).await?;
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
                    Reading { complete: email.is_some(), facts: facts.with_email(email.flatten()) }
                }
                _ => Reading { facts, complete: true },
            })
            .collect())
    }
}
