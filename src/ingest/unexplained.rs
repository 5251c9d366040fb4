//! How often an answer that explains nothing was given for a message, kept over restarts and over the replicas that
//! receive it in turn.

use sqlx::PgPool;

/// So often one unexplained answer is heard before the message is parked.
pub const UNEXPLAINED_TRIES: u32 = 5;

/// Counts one more of this answer; how often it was given by now.
pub(crate) async fn count(pool: &PgPool, message_id: &str, answer: &str) -> sqlx::Result<u32> {
    let tries: i32 = sqlx::query_scalar(
        "insert into unexplained_answers as known (message_id, answer) values ($1, $2)
         on conflict (message_id, answer) do update set tries = known.tries + 1, last_at = clock_timestamp()
         returning tries",
    )
    .bind(message_id)
    .bind(answer)
    .fetch_one(pool)
    .await?;
    Ok(tries.cast_unsigned())
}
