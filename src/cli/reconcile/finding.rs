//! What is printed of a comparison.

use crate::{
    case::NomsNumber,
    reconcile::{Note, Verdict},
};

/// What was found of one case.
pub(super) struct Finding {
    pub(super) noms: NomsNumber,
    pub(super) found: Verdict,
    /// The messages, and the comparison after them.
    pub(super) repaired: Option<(Vec<String>, Verdict)>,
    pub(super) blocked: bool,
}

impl Finding {
    pub(super) fn agrees(&self) -> bool {
        let verdict = self.repaired.as_ref().map_or(&self.found, |(_, after)| after);
        verdict.differences.is_empty()
    }

    /// Nothing that a list of many cases should tell.
    pub(super) fn is_silent(&self) -> bool {
        let unreflected = |note: &Note| matches!(note, Note::Unreflected(_));
        self.found.differences.is_empty() && !self.found.notes.iter().any(unreflected)
    }

    pub(super) fn lines(&self) -> Vec<String> {
        let noms = &self.noms;
        let of = |verdict: &Verdict| {
            let differences = verdict.differences.iter().map(|it| format!("{noms}  {it}"));
            let notes = verdict.notes.iter().map(|it| format!("{noms}  ({it})"));
            differences.chain(notes).collect::<Vec<_>>()
        };
        let mut lines = of(&self.found);
        if self.blocked {
            lines.push(format!("{noms}  (a parked write blocks the case; see `outbox list`)"));
        }
        if let Some((done, after)) = &self.repaired {
            lines.extend(done.iter().map(|message| format!("{noms}  repair: {message}")));
            if !after.differences.is_empty() {
                lines.push(format!("{noms}  still different after the repair:"));
                lines.extend(of(after));
            }
        }
        if self.agrees() {
            let now = if self.found.differences.is_empty() { "in agreement" } else { "in agreement now" };
            lines.push(format!("{noms}  {now}"));
        }
        lines
    }
}

/// What was found of all cases.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) compared: u64,
    pub(super) differ: u64,
    pub(super) repaired: u64,
    pub(super) unreflected: u64,
    pub(super) not_compared: u64,
    pub(super) up_to: Option<NomsNumber>,
}

impl Tally {
    pub(super) fn add(&mut self, finding: &Finding) {
        self.compared += 1;
        self.differ += u64::from(!finding.agrees());
        self.repaired += u64::from(finding.agrees() && !finding.found.differences.is_empty());
        let unreflected = |note: &&Note| matches!(note, Note::Unreflected(_));
        self.unreflected += finding.found.notes.iter().filter(unreflected).count() as u64;
    }

    pub(super) fn line(&self) -> String {
        format!(
            "{} cases compared: {} differ, {} repaired, {} not compared; {} allocations listed as unreflected",
            self.compared, self.differ, self.repaired, self.not_compared, self.unreflected
        )
    }
}
