//! What is printed of a comparison.

use crate::{
    case::NomsNumber,
    operations::reconcile::{Note, Verdict},
};

/// What was found of one case.
pub struct Finding {
    pub noms: NomsNumber,
    pub found: Verdict,
    /// The messages, and the comparison after them.
    pub repaired: Option<(Vec<String>, Verdict)>,
    pub blocked: bool,
}

impl Finding {
    pub fn agrees(&self) -> bool {
        let verdict = self.repaired.as_ref().map_or(&self.found, |(_, after)| after);
        verdict.differences.is_empty()
    }

    /// Nothing that a list of many cases should tell.
    pub fn is_silent(&self) -> bool {
        let unreflected = |note: &Note| matches!(note, Note::Unreflected(_));
        self.found.differences.is_empty() && !self.found.notes.iter().any(unreflected)
    }

    pub fn lines(&self) -> Vec<String> {
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
pub struct Tally {
    pub compared: u64,
    pub differ: u64,
    pub repaired: u64,
    pub unreflected: u64,
    pub not_compared: u64,
    pub up_to: Option<NomsNumber>,
}

impl Tally {
    pub fn add(&mut self, finding: &Finding) {
        self.compared += 1;
        self.differ += u64::from(!finding.agrees());
        self.repaired += u64::from(finding.agrees() && !finding.found.differences.is_empty());
        let unreflected = |note: &&Note| matches!(note, Note::Unreflected(_));
        self.unreflected += finding.found.notes.iter().filter(unreflected).count() as u64;
    }

    pub fn line(&self) -> String {
        format!(
            "{} cases compared: {} differ, {} repaired, {} not compared; {} allocations listed as unreflected",
            self.compared, self.differ, self.repaired, self.not_compared, self.unreflected
        )
    }
}
