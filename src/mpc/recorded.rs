//! Plays back recorded answers of Manage POM Cases, read by the present code. Used by replay.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use async_trait::async_trait;

use super::answers;
use crate::case::{
    AllocationAnswer, DetailAddress, FetchError, Fetched, HandoverAnswer, ManagePomCases, NomsNumber,
};

/// Recorded answers, in the order in which they were fetched.
pub struct RecordedAnswers(Mutex<VecDeque<Fetched>>);

impl RecordedAnswers {
    /// Plays these answers back in their order.
    pub fn new(fetched: &[Fetched]) -> Self {
        Self(Mutex::new(fetched.iter().cloned().collect()))
    }

    fn next(&self) -> Result<Fetched, FetchError> {
        let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        left.pop_front().ok_or_else(|| FetchError::InvalidAnswer {
            reason: "the present code fetches more answers than were recorded".into(),
        })
    }
}

#[async_trait]
impl ManagePomCases for RecordedAnswers {
    async fn allocation(
        &self,
        _: &NomsNumber,
        _: &DetailAddress,
    ) -> Result<(AllocationAnswer, Fetched), FetchError> {
        let mut fetched = self.next()?;
        let answer = answers::allocation(&fetched)?;
        fetched.staff = answer.staff().cloned();
        Ok((answer, fetched))
    }

    async fn handover(
        &self,
        noms: &NomsNumber,
        _: &DetailAddress,
    ) -> Result<(HandoverAnswer, Fetched), FetchError> {
        let mut fetched = self.next()?;
        fetched.staff = None;
        Ok((answers::handover(&fetched, noms)?, fetched))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::case::Evidence;

    #[tokio::test]
    async fn answers_are_played_back_in_their_order_and_no_more_than_were_recorded() {
        let fetched = |status, body: &str| Fetched {
            url: "https://mpc.example".into(),
            status,
            at: chrono::DateTime::UNIX_EPOCH,
            answer: Evidence::of(body),
            staff: None,
        };
        let allocated =
            r#"{"manager":{"code":1,"forename":"ADA","surname":"BYRON"},"prison":{"code":"LEI"}}"#;
        let recorded = RecordedAnswers::new(&[
            fetched(200, allocated),
            fetched(404, r#"{"status":"error","message":"Not found"}"#),
        ]);
        let (noms, address) = ("A1234BC".parse().unwrap(), DetailAddress::OfCase);
        let (answer, fetched) = recorded.allocation(&noms, &address).await.unwrap();
        assert!(fetched.staff.is_some() && fetched.staff.as_ref() == answer.staff(), "as the client sets it");
        let (answer, _) = recorded.handover(&noms, &address).await.unwrap();
        assert_eq!(answer, HandoverAnswer::NotFound);
        let more = recorded.handover(&noms, &address).await;
        assert!(matches!(more, Err(FetchError::InvalidAnswer { .. })));
    }
}
