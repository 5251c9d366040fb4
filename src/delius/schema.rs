//! The development Delius: its schema, reference data and audit user. Production has a real one.

use sqlx::{PgPool, migrate::MigrateError};

/// Brings a database up to the development Delius. Running it again changes nothing.
///
/// # Errors
/// When the database cannot be reached, or holds something else.
pub async fn migrate(pool: &PgPool) -> Result<(), MigrateError> {
    sqlx::migrate!("migrations/delius").run(pool).await
}
