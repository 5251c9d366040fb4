//! Which cases there are.

use sqlx::PgPool;

use crate::case::NomsNumber;

/// The next cases behind `after`, in order of the NOMS number, at most `limit`.
///
/// # Errors
/// When the store cannot be read.
pub async fn cases(pool: &PgPool, after: Option<&NomsNumber>, limit: u32) -> sqlx::Result<Vec<NomsNumber>> {
    let found: Vec<String> = sqlx::query_scalar(
        "select aggregate_id from events
         where aggregate_type = 'case' and sequence = 1 and aggregate_id > $1 order by aggregate_id limit $2",
    )
    .bind(after.map_or("", NomsNumber::as_str))
    .bind(i64::from(limit))
    .fetch_all(pool)
    .await?;
    found.iter().map(|id| id.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))).collect()
}
