//! Requests to erase a person: recorded with their bytes and listed; an operator carries them out.

use chrono::{DateTime, Utc};

use super::accept::{Disposition, InWork, Ingest, NotAccepted};
use crate::{
    case::{Crn, NomsNumber},
    database::{self, in_time},
    event_store::receipts,
};

impl Ingest {
    /// Whose case it is may be known to Delius only, and not for long. By the time of the erasure the person may have
    /// other numbers: what is erased is resolved then.
    pub(super) async fn erasure_requested(
        &self,
        in_work: InWork<'_>,
        crn: Crn,
        requested_at: DateTime<Utc>,
    ) -> Result<Disposition, NotAccepted> {
        let noms = self.numbers_of(&crn).await?.pop_first();
        in_time(self.store_request(in_work, &crn, noms.as_ref(), requested_at)).await?;
        Ok(Disposition::ErasureRequested(crn))
    }

    async fn store_request(
        &self,
        in_work: InWork<'_>,
        crn: &Crn,
        noms: Option<&NomsNumber>,
        requested_at: DateTime<Utc>,
    ) -> sqlx::Result<()> {
        let InWork { delivery, receipt, .. } = in_work;
        let mut transaction = database::begin(self.pool()).await?;
        sqlx::query(
            "insert into erasure_requests (message_id, crn, case_id, body, requested_at)
             values ($1, $2, $3, $4, $5) on conflict (message_id) do nothing",
        )
        .bind(&receipt.message_id)
        .bind(crn.as_str())
        .bind(noms.map(NomsNumber::as_str))
        .bind(&delivery.body)
        .bind(requested_at)
        .execute(&mut *transaction)
        .await?;
        receipts::insert(&mut *transaction, &receipt.erasure_requested(noms)).await?;
        transaction.commit().await
    }
}
