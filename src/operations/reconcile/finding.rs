//! What is printed of a comparison.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::json;

use crate::{
    case::NomsNumber,
    operations::reconcile::{Difference, Note, Verdict},
};

/// What was found of one case.
pub struct Finding {
    pub noms: NomsNumber,
    pub found: Verdict,
    /// The messages, and the comparison after them.
    pub repaired: Option<(Vec<String>, Verdict)>,
    pub blocked: bool,
    /// Differences that somebody accepted, as printed.
    pub accepted: BTreeSet<String>,
    /// Whether repairs were asked for.
    pub fixes: bool,
}

impl Finding {
    fn now(&self) -> &Verdict {
        self.repaired.as_ref().map_or(&self.found, |(_, after)| after)
    }

    /// Whether nothing is left that somebody would have to look at. A person whom Delius does not know cannot be
    /// repaired here, and does not fail a run that repairs.
    pub fn agrees(&self) -> bool {
        self.now()
            .differences
            .iter()
            .all(|it| self.accepted.contains(&it.to_string()) || (self.fixes && it.is_about_person()))
    }

    /// Differences that are left, by kind.
    pub fn kinds(&self) -> impl Iterator<Item = &'static str> {
        let open = |it: &&Difference| !self.accepted.contains(&it.to_string());
        self.now().differences.iter().filter(open).map(Difference::kind)
    }

    /// The finding as JSON.
    pub fn json(&self) -> serde_json::Value {
        let differences: Vec<_> = self
            .now()
            .differences
            .iter()
            .map(|it| {
                let text = it.to_string();
                json!({ "kind": it.kind(), "accepted": self.accepted.contains(&text), "difference": text })
            })
            .collect();
        json!({
            "nomsId": self.noms,
            "agrees": self.agrees(),
            "differences": differences,
            "notes": self.now().notes.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "repairs": self.repaired.as_ref().map(|(done, _)| done),
            "blocked": self.blocked,
        })
    }

    /// Nothing that a list of many cases should tell.
    pub fn is_silent(&self) -> bool {
        let unreflected = |note: &Note| matches!(note, Note::UnnamedAllocation(_));
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
            let now = match (self.found.differences.is_empty(), self.now().differences.is_empty()) {
                (true, _) => "in agreement",
                (false, true) => "in agreement now",
                (false, false) => {
                    "nothing left to repair: the differences are accepted, or Delius does not know the person"
                }
            };
            lines.push(format!("{noms}  {now}"));
        }
        lines
    }
}

/// What was found of all cases.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tally {
    pub compared: u64,
    pub differ: u64,
    pub repaired: u64,
    pub unreflected: u64,
    pub not_compared: u64,
    /// Persons whom Delius does not know by their number, or knows twice.
    pub unknown_persons: u64,
    /// Differences that are left, by kind.
    pub kinds: BTreeMap<&'static str, u64>,
    pub up_to: Option<NomsNumber>,
}

impl Tally {
    pub fn add(&mut self, finding: &Finding) {
        self.compared += 1;
        self.differ += u64::from(!finding.agrees());
        self.repaired += u64::from(finding.agrees() && !finding.found.differences.is_empty());
        let unreflected = |note: &&Note| matches!(note, Note::UnnamedAllocation(_));
        for kind in finding.kinds() {
            *self.kinds.entry(kind).or_default() += 1;
        }
        self.unknown_persons +=
            finding.now().differences.iter().filter(|it| it.is_about_person()).count() as u64;
        self.unreflected += finding.found.notes.iter().filter(unreflected).count() as u64;
    }

    /// How many differences of each kind are left.
    pub fn kinds_line(&self) -> Option<String> {
        let counted: Vec<String> = self.kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        (!counted.is_empty()).then(|| format!("differences by kind: {}", counted.join(", ")))
    }

    pub fn line(&self) -> String {
        format!(
            "{} cases compared: {} differ, {} repaired, {} not compared; {} allocations listed as unreflected",
            self.compared, self.differ, self.repaired, self.not_compared, self.unreflected
        )
    }
}
