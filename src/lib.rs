//! Carries prison offender manager (POM) allocations and handover dates from *Manage POM Cases* into Delius, and
//! case facts from Delius back.

pub mod case;
pub mod event_store;
pub mod history;
pub mod outbox;
