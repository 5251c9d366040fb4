//! The gateway to Delius, the probation case-management database.
//!
//! Architecture invariant: nothing outside this room knows a table of Delius. A write is *planned* by pure functions
//! on the rows that matter (`plan`) and then executed as it was planned.
//!
//! Delius itself runs on Oracle. This gateway speaks its schema, under its own table and column names, in statements
//! that are right for both (`sql`), through a boundary that an engine implements (`engine`); PostgreSQL does today.

mod clock;
mod decide;
pub mod engine;
mod error;
mod execute;
mod gateway;
mod holders;
mod holdings;
mod ledger;
mod load;
mod lookups;
mod notes;
mod officer_code;
mod plan;
mod properties;
pub mod records;
mod reference;
mod schema;
mod sql;
mod staff_name;

pub use engine::Limits;
pub use error::{DeliusError, ErrorKind};
pub use gateway::{Delius, LedgerLookup};
pub use holders::{OtherStaff, StaffRows};
pub use holdings::{CurrentHolder, HeldPeriod, Holdings, Responsible};
pub use ledger::LedgerEntry;
pub use lookups::{LiveCustody, NomsCursor, NomsPage};
pub use reference::AUDIT_USER;
pub use schema::migrator;
