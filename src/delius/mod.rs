//! The gateway to Delius, the probation case-management database.
//!
//! Architecture invariant: nothing outside this room knows a table of Delius. A write is *planned* by pure functions
//! on the rows that matter (`plan`) and then executed as it was planned.
//!
//! Delius itself runs on another engine, which the database crate of this project cannot reach; this gateway speaks its
//! schema, under its own table and column names, on PostgreSQL. The SQL is plain, and this room is the one to change
//! for another engine.

mod decide;
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
mod staff_name;

pub use error::DeliusError;
pub use gateway::{Delius, Limits};
pub use holdings::{HeldBy, Holdings, Responsible};
pub use lookups::{LiveCustody, NomsCursor, NomsPage};
pub use reference::AUDIT_USER;
pub use schema::migrator;
