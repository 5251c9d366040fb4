//! The development Delius: its schema, reference data and audit user. Production has a real one.

use sqlx::migrate::Migrator;

/// The migrations that bring an empty database up to the development Delius. Running them again changes nothing.
pub fn migrator() -> Migrator {
    sqlx::migrate!("migrations/delius")
}
