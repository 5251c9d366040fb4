//! The development Delius: its schema, reference data and audit user. Production has a real one.

use sqlx::migrate::Migrator;

/// The migrations that build the development Delius; running them again changes nothing.
pub fn migrator() -> Migrator {
    sqlx::migrate!("migrations/delius")
}
