//! Reads by an identifier that the person had before: Delius knows only the present ones.

use std::collections::HashMap;

use super::{CaseRecords, FreshnessDemand, RecordAnswer, Unavailable};
use crate::{case::PersonId, database::in_time, event_store::identities};

impl CaseRecords {
    /// The record of one person, by any identifier that the person ever had.
    ///
    /// # Errors
    /// [`Unavailable`] when neither Delius nor the cache can answer.
    pub async fn read(
        &self,
        person: &PersonId,
        demand: FreshnessDemand,
    ) -> Result<RecordAnswer, Unavailable> {
        let answer = self.read_present(person, demand).await?;
        self.or_by_present(person, answer, demand).await
    }

    /// The records of several people: one query to the store and one to Delius for all that memory does not hold.
    ///
    /// # Errors
    /// [`Unavailable`] when one of them cannot be answered.
    pub async fn read_all(
        &self,
        people: &[PersonId],
        demand: FreshnessDemand,
    ) -> Result<HashMap<PersonId, RecordAnswer>, Unavailable> {
        let mut answers = HashMap::new();
        for (person, answer) in self.read_all_present(people, demand).await? {
            let answer = self.or_by_present(&person, answer, demand).await?;
            answers.insert(person, answer);
        }
        Ok(answers)
    }

    /// Somebody who is not found may have another number now. That the record of identifiers cannot be read is no
    /// reason to say that there is no such person.
    async fn or_by_present(
        &self,
        person: &PersonId,
        answer: RecordAnswer,
        demand: FreshnessDemand,
    ) -> Result<RecordAnswer, Unavailable> {
        let RecordAnswer::NotFound = answer else { return Ok(answer) };
        let known = in_time(identities::person(self.store(), person, None, None)).await.map_err(|error| {
            tracing::warn!(%error, "the identifiers of a person could not be read");
            Unavailable
        })?;
        match known.map(|known| PersonId::Noms(known.current)) {
            Some(present) if present != *person => self.read_present(&present, demand).await,
            _ => Ok(answer),
        }
    }
}
