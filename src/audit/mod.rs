//! What an auditor asks: the journal that proves nothing was changed, the history of a case, where each entry comes
//! from, and whether the stored events still mean the same writes.

pub mod evidence;
pub mod history;
pub mod journal;
pub mod render;
pub mod replay;
