//! Root and proofs of the stored tree. They are computed from stored hashes: whoever needs certainty recomputes those
//! with [`super::verify`].

use sqlx::PgConnection;

use super::{hash::Hash, nodes, tree};

/// How many leaves the log has.
pub async fn size(connection: &mut PgConnection) -> sqlx::Result<u64> {
    let last: i64 =
        sqlx::query_scalar("select coalesce(max(position), 0) from journal").fetch_one(connection).await?;
    Ok(last.cast_unsigned())
}

/// The root of the first `size` leaves.
///
/// # Errors
/// When the store cannot be read or is damaged.
pub async fn root(connection: &mut PgConnection, size: u64) -> sqlx::Result<Hash> {
    let roots = nodes::over(connection, std::slice::from_ref(&(0..size))).await?;
    roots.into_iter().next().ok_or(sqlx::Error::RowNotFound)
}

/// The proof that the leaf at `position` (from 1) is in the tree of `size` leaves.
///
/// # Errors
/// When the store cannot be read or is damaged.
pub async fn inclusion(connection: &mut PgConnection, position: u64, size: u64) -> sqlx::Result<Vec<Hash>> {
    nodes::over(connection, &tree::inclusion(position.saturating_sub(1), size)).await
}

/// The proof that the tree of `new` leaves begins with the tree of `old` leaves.
///
/// # Errors
/// When the store cannot be read or is damaged.
pub async fn consistency(connection: &mut PgConnection, old: u64, new: u64) -> sqlx::Result<Vec<Hash>> {
    nodes::over(connection, &tree::consistency(old, new)).await
}
