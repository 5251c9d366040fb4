//! Compares the writes that an event means today with those that were derived from it when it was appended.

use std::fmt;

use serde_json::Value;
use uuid::Uuid;

use crate::{
    audit::replay::diff,
    case::{CaseEvent, NomsNumber, WriteRef},
    outbox::{audit::StoredWrite, projector},
};

/// The first write that differs.
#[derive(Debug, Clone, PartialEq)]
pub struct WriteDifference {
    /// Whose case.
    pub case: String,
    /// Which write.
    pub write: WriteRef,
    /// Name of the event that it belongs to.
    pub event: Option<&'static str>,
    /// In what it differs.
    pub discrepancy: Discrepancy,
}

/// In what a write differs.
#[derive(Debug, Clone, PartialEq)]
pub enum Discrepancy {
    /// The event means this write, but it is not in the outbox.
    NotStored {
        /// What is derived.
        derived: Value,
    },
    /// It is in the outbox, but no event means it.
    NotDerived {
        /// What is stored.
        stored: Value,
    },
    /// Both exist and say different things.
    Intent {
        /// What is stored.
        stored: Value,
        /// What is derived.
        derived: Value,
    },
    /// The identity differs: the ledger in Delius would not recognise it.
    Id {
        /// What is stored.
        stored: Uuid,
        /// What is derived.
        derived: Uuid,
    },
}

impl WriteDifference {
    /// A stored write whose event does not exist.
    pub(crate) fn orphan(stored: StoredWrite) -> Self {
        Self {
            case: stored.case_id,
            write: WriteRef {
                sequence: stored.sequence.cast_unsigned(),
                ordinal: stored.ordinal.cast_unsigned(),
            },
            event: None,
            discrepancy: Discrepancy::NotDerived { stored: stored.intent },
        }
    }
}

impl fmt::Display for WriteDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let WriteRef { sequence, ordinal } = self.write;
        let event = self.event.unwrap_or("which does not exist");
        writeln!(f, "case {}, event {sequence} ({event}), write {ordinal}:", self.case)?;
        let whole = |f: &mut fmt::Formatter<'_>, sign: char, value: &Value| {
            diff::lines(value).iter().try_for_each(|line| writeln!(f, "{sign} {line}"))
        };
        match &self.discrepancy {
            Discrepancy::NotStored { derived } => {
                writeln!(f, "the event means it, the outbox does not have it")?;
                whole(f, '+', derived)
            }
            Discrepancy::NotDerived { stored } => {
                writeln!(f, "the outbox has it, no event means it")?;
                whole(f, '-', stored)
            }
            Discrepancy::Id { stored, derived } => writeln!(f, "- id {stored}\n+ id {derived}"),
            Discrepancy::Intent { stored, derived } => f.write_str(&diff::diff(stored, derived)),
        }
    }
}

/// Compares; answers how many writes agree.
pub(crate) fn event(
    noms: &NomsNumber,
    sequence: u64,
    event: &CaseEvent,
    stored: &[StoredWrite],
) -> Result<u64, WriteDifference> {
    let derived = projector::derive(event);
    let differs = |ordinal: u32, discrepancy| {
        let write = WriteRef { sequence, ordinal };
        Err(WriteDifference { case: noms.to_string(), write, event: Some(event.name()), discrepancy })
    };
    for (write, ordinal) in derived.iter().zip(0..) {
        // Serializing a plain structure does not fail.
        let intent = serde_json::to_value(write).unwrap_or(Value::Null);
        let found = stored.iter().find(|write| write.ordinal.cast_unsigned() == ordinal);
        let Some(found) = found else {
            return differs(ordinal, Discrepancy::NotStored { derived: intent });
        };
        if found.intent != intent {
            let stored = found.intent.clone();
            return differs(ordinal, Discrepancy::Intent { stored, derived: intent });
        }
        let id = projector::write_id(noms, WriteRef { sequence, ordinal }, write);
        if found.id != id {
            return differs(ordinal, Discrepancy::Id { stored: found.id, derived: id });
        }
    }
    let surplus = stored.iter().find(|write| write.ordinal.cast_unsigned() as usize >= derived.len());
    match surplus {
        Some(surplus) => {
            let stored = surplus.intent.clone();
            differs(surplus.ordinal.cast_unsigned(), Discrepancy::NotDerived { stored })
        }
        None => Ok(derived.len() as u64),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;
    use crate::audit::history::samples::Story;

    fn stored_of(story: &Story) -> (CaseEvent, Vec<StoredWrite>) {
        let event = story.0.events[0].event.clone();
        let stored = projector::derive(&event)
            .iter()
            .zip(0..)
            .map(|(intent, ordinal)| StoredWrite {
                case_id: story.0.noms.to_string(),
                sequence: 1,
                ordinal,
                id: projector::write_id(
                    &story.0.noms,
                    WriteRef { sequence: 1, ordinal: ordinal.cast_unsigned() },
                    intent,
                ),
                intent: serde_json::to_value(intent).unwrap(),
            })
            .collect();
        (event, stored)
    }

    fn allocated() -> (Story, CaseEvent, Vec<StoredWrite>) {
        let mut story = Story::new();
        story.allocated("2026-07-01T09:00:00Z", 1, "2026-07-01T09:00:01Z");
        let (event, stored) = stored_of(&story);
        (story, event, stored)
    }

    #[test]
    fn writes_as_they_were_derived_agree() {
        let (story, derived, stored) = allocated();
        assert_eq!(event(&story.0.noms, 1, &derived, &stored), Ok(1));
    }

    #[test]
    fn a_changed_intent_is_shown_line_by_line() {
        let (story, derived, mut stored) = allocated();
        stored[0].intent["pom"]["surname"] = "LOVELACE".into();
        let text = event(&story.0.noms, 1, &derived, &stored).unwrap_err().to_string();
        assert_eq!(
            text,
            "case A1234BC, event 1 (PomAllocated), write 0:\n- pom.surname: \"LOVELACE\"\n+ pom.surname: \"BYRON\"\n"
        );
    }

    #[test]
    fn a_missing_a_surplus_and_a_renamed_write_are_told_apart() {
        let (story, derived, stored) = allocated();
        let compare =
            |stored: &[StoredWrite]| event(&story.0.noms, 1, &derived, stored).unwrap_err().discrepancy;
        assert!(matches!(compare(&[]), Discrepancy::NotStored { .. }));
        let mut surplus = stored.clone();
        surplus.push(StoredWrite { ordinal: 1, ..stored[0].clone() });
        assert!(matches!(compare(&surplus), Discrepancy::NotDerived { .. }));
        let mut renamed = stored;
        renamed[0].id = Uuid::nil();
        assert!(matches!(compare(&renamed), Discrepancy::Id { .. }));
    }
}
