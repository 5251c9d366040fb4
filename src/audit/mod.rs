//! The auditor's questions: the journal proves that nothing was changed; the history of a case, the origin of each entry,
//! and whether the stored events still mean the same writes.

pub mod evidence;
pub mod history;
pub mod journal;
pub mod render;
pub mod replay;
