//! What can be wrong with the journal, and where.

use std::fmt;

/// What is wrong first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyFinding {
    /// The first bad position.
    pub position: i64,
    /// Case and sequence of the event there, where they are known.
    pub event: Option<(String, i64)>,
    pub kind: FindingKind,
}

/// What can be wrong with a position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FindingKind {
    /// The row is not what was entered.
    Edited { source: &'static str },
    /// The row is gone.
    Missing { source: &'static str },
    /// The entry of the journal is gone.
    EntryMissing,
    /// A row lies among older ones and was never entered; the position is that of the entry it lies before.
    Inserted { source: &'static str },
    /// A row has the number of a transaction that has not happened: it was never entered and never would be. The position
    /// is the one after the end.
    Ahead { source: &'static str },
    /// A message was recorded, as its receipt says, and its event is gone. The position is that of the first event
    /// recorded after it, or the one after the end.
    Lost { case: String, message: String },
    /// The entries stand in another order than their rows.
    Swapped,
    /// The row is as entered, but its entry is not: the leaf, the salt or the case there was changed.
    EntryEdited,
    /// A stored subtree over these positions does not follow from the leaves under it: it was changed, or the leaves were
    /// rewritten to fit changed rows.
    HashRewritten { through: i64 },
    /// A checkpoint proves that the log was longer.
    CutOff { size: u64 },
    /// The log is sound but not the one of the checkpoint: it was rewritten, after the size that still agrees.
    Rewritten { agrees: u64 },
    /// The signature of a stored checkpoint is not by the key that is expected.
    CheckpointForged,
    /// Nothing is entered, although so many rows are stored.
    Empty { rows: u64 },
}

impl VerifyFinding {
    pub(crate) fn at(position: i64, kind: FindingKind) -> Self {
        Self { position, event: None, kind }
    }

    /// One word for the kind.
    pub fn name(&self) -> &'static str {
        match self.kind {
            FindingKind::Edited { .. } => "edited",
            FindingKind::Missing { .. } | FindingKind::EntryMissing | FindingKind::Lost { .. } => "missing",
            FindingKind::Inserted { .. } | FindingKind::Ahead { .. } => "inserted",
            FindingKind::Swapped => "swapped",
            FindingKind::EntryEdited | FindingKind::HashRewritten { .. } => "hash rewritten",
            FindingKind::CutOff { .. } => "cut off",
            FindingKind::Rewritten { .. } => "rewritten",
            FindingKind::CheckpointForged => "forged",
            FindingKind::Empty { .. } => "empty",
        }
    }
}

impl fmt::Display for VerifyFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "position {}", self.position)?;
        if let Some((case, sequence)) = &self.event {
            write!(f, " (case {case}, event {sequence})")?;
        }
        write!(f, ": {}. ", self.name())?;
        match &self.kind {
            FindingKind::Edited { source } => write!(f, "The {source} is not what was entered"),
            FindingKind::Missing { source } => write!(f, "The {source} is gone"),
            FindingKind::EntryMissing => f.write_str("The entry of the journal is gone"),
            FindingKind::Inserted { source } => {
                write!(f, "A row ({source}) lies before this position and was never entered")
            }
            FindingKind::Ahead { source } => {
                write!(f, "A row ({source}) has a transaction number that the database has not reached")
            }
            FindingKind::Lost { case, message } => {
                write!(f, "Message {message} was recorded for case {case}, and its event is gone")
            }
            FindingKind::Swapped => f.write_str("The entries stand in another order than their rows"),
            FindingKind::EntryEdited => {
                f.write_str("The row is as entered, but the journal's entry for it was changed")
            }
            FindingKind::HashRewritten { through } => write!(
                f,
                "The stored hash over positions {} to {through} does not follow from them: it was changed, or \
                 a row among them and its leaf were",
                self.position
            ),
            FindingKind::CutOff { size } => {
                write!(f, "A checkpoint proves {size} positions; the journal ends before this one")
            }
            FindingKind::Rewritten { agrees } => {
                write!(
                    f,
                    "The log is not the one of the checkpoint: it differs somewhere after position {agrees}"
                )
            }
            FindingKind::CheckpointForged => {
                f.write_str("The checkpoint stored for this size is not signed by the expected key")
            }
            FindingKind::Empty { rows } => write!(
                f,
                "Nothing is entered although {rows} rows are stored: the journal was removed, or no service with \
                 the role relay has run yet"
            ),
        }
    }
}
