//! What the rows must come to, written apart from the code: the same facts in the order in which they happened.
//!
//! It knows periods and nothing of rows, splices, plans or notes.

use std::fmt::Write;

/// One fact about a case: at a second, somebody took it over, or (`None`) everybody let go of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fact {
    pub(super) at: i64,
    pub(super) who: Option<&'static str>,
    /// When its message came, somebody else held the case already: within its second it comes first.
    pub(super) overtaken: bool,
}

impl Fact {
    pub(super) fn new(at: i64, who: Option<&'static str>) -> Self {
        Self { at, who, overtaken: false }
    }
}

/// A period without end reaches to here.
const OPEN: i64 = i64::MAX;

#[derive(Debug, Clone, PartialEq, Eq)]
struct ModelPeriod {
    who: String,
    start: i64,
    end: i64,
}

fn shown(periods: &[ModelPeriod]) -> String {
    let mut text = String::new();
    for ModelPeriod { who, start, end } in periods {
        let end = if *end == OPEN { String::new() } else { end.to_string() };
        write!(text, "{}{who}[{start},{end})", if text.is_empty() { "" } else { " " }).unwrap();
    }
    text
}

/// Who held the case when: the facts in order of their second and, within one, the overtaken ones first, then in the
/// order recorded.
fn holders(initial: Option<&str>, facts: &[Fact]) -> Vec<ModelPeriod> {
    // The holder from each second on.
    let mut seconds: Vec<(i64, String)> = initial.iter().map(|who| (0, (*who).to_owned())).collect();
    let mut ordered: Vec<&Fact> = facts.iter().collect();
    ordered.sort_by_key(|fact| (fact.at, !fact.overtaken));
    for fact in ordered {
        let holder = seconds.last().map(|(_, who)| who.clone());
        let next = match (fact.who, holder) {
            (Some(who), _) => who.to_owned(),
            (None, None) => continue,
            (None, Some(holder)) => format!("-@{}", holder.split_once('@').unwrap().1),
        };
        seconds.retain(|(second, _)| *second != fact.at);
        seconds.push((fact.at, next));
    }
    let mut periods: Vec<ModelPeriod> = vec![];
    for (start, who) in seconds {
        match periods.last_mut() {
            Some(last) if last.who == who => continue,
            Some(last) => last.end = start,
            None => {}
        }
        periods.push(ModelPeriod { who, start, end: OPEN });
    }
    periods
}

pub(super) fn held(initial: Option<&str>, facts: &[Fact]) -> String {
    shown(&holders(initial, facts))
}

/// Who was responsible when: during the given periods of POM responsibility whoever held the case, and the community
/// offender manager during theirs.
pub(super) fn responsible(
    initial: Option<&str>,
    facts: &[Fact],
    kinds: &[(&str, i64, Option<i64>)],
) -> String {
    let holders = holders(initial, facts);
    let mut periods = vec![];
    for (kind, start, end) in kinds {
        let end = end.unwrap_or(OPEN);
        if *kind == "com" {
            periods.push(ModelPeriod { who: "com".into(), start: *start, end });
            continue;
        }
        for holder in &holders {
            let (start, end) = (holder.start.max(*start), holder.end.min(end));
            if start < end {
                periods.push(ModelPeriod { who: holder.who.clone(), start, end });
            }
        }
    }
    shown(&periods)
}
