//! The rows in memory, printed in one line, and the invariants after every step.

use std::collections::BTreeSet;

use chrono::NaiveDateTime;

use super::{
    super::rows::{DeliusHolder, PomRow},
    memory::{Memory, at},
};

fn n(time: NaiveDateTime) -> i64 {
    (time - at(0)).num_seconds()
}

fn span(start: NaiveDateTime, end: Option<NaiveDateTime>) -> String {
    format!("[{},{})", n(start), end.map(|end| n(end).to_string()).unwrap_or_default())
}

impl Memory {
    pub(super) fn shown(&self, holder: &DeliusHolder) -> String {
        let name = if holder.placeholder { "-".to_owned() } else { holder.officer.forename.to_lowercase() };
        format!("{name}@{}", holder.provider.code)
    }

    pub(super) fn live(&self) -> Vec<&PomRow> {
        self.person.poms.iter().filter(|row| !row.soft_deleted).collect()
    }

    /// The live POM rows: `ada@LEI[1,5) bob@LEI[5,)`.
    pub(super) fn held(&self) -> String {
        let shown = self
            .live()
            .iter()
            .map(|row| self.shown(&row.holder) + &span(row.start, row.end))
            .collect::<Vec<_>>();
        shown.join(" ")
    }

    /// The responsible officers, adjoining rows of one officer as one: `ada@LEI[1,5) com[5,)`.
    pub(super) fn responsible(&self) -> String {
        let mut rows: Vec<(String, NaiveDateTime, Option<NaiveDateTime>)> = vec![];
        let mut sorted = self.person.officers.clone();
        sorted.sort_by_key(|row| row.start);
        for row in sorted {
            let pom = row
                .pom
                .map(|pom| self.live().into_iter().find(|live| live.id == pom).expect("a live POM row"));
            let who = pom.map_or("com".to_owned(), |pom| self.shown(&pom.holder));
            match rows.last_mut() {
                Some((last, _, end)) if *last == who && *end == Some(row.start) => *end = row.end,
                _ => rows.push((who, row.start, row.end)),
            }
        }
        rows.into_iter().map(|(who, start, end)| who + &span(start, end)).collect::<Vec<_>>().join(" ")
    }

    /// What must hold after every step.
    pub(super) fn assert_sound(&self) {
        let live = self.live();
        for row in &live {
            assert!(row.end.is_none_or(|end| end > row.start), "no row without length: {}", self.held());
            assert_eq!(row.active, row.end.is_none(), "active is without end: {}", self.held());
        }
        for pair in live.windows(2) {
            assert_eq!(pair[0].end, Some(pair[1].start), "neither gap nor overlap: {}", self.held());
        }
        let mut officers = self.person.officers.clone();
        officers.sort_by_key(|row| row.start);
        for row in &officers {
            assert!(
                row.end.is_none_or(|end| end > row.start),
                "no responsibility without length: {officers:?}"
            );
            if let Some(pom) = row.pom {
                let pom = live.iter().find(|live| live.id == pom).expect("responsible by a live POM row");
                assert!(pom.start <= row.start, "{} {}", self.held(), self.responsible());
                assert!(
                    pom.end.is_none_or(|end| row.end.is_some_and(|row| row <= end)),
                    "responsible while holding the case: {} {}",
                    self.held(),
                    self.responsible()
                );
            }
        }
        for pair in officers.windows(2) {
            assert!(
                pair[0].end.is_some_and(|end| end <= pair[1].start),
                "one responsible officer: {officers:?}"
            );
        }
        let mut types = BTreeSet::new();
        for row in self.key_dates.iter().filter(|row| !row.soft_deleted) {
            assert!(types.insert((row.custody_id, row.type_id)), "one live date per custody and type");
        }
        let codes: BTreeSet<&String> = self.staff.values().map(|staff| &staff.officer_code).collect();
        assert_eq!(codes.len(), self.staff.len(), "unique officer codes");
        let names: BTreeSet<_> =
            self.staff.values().map(|staff| (staff.provider_id, &staff.forename)).collect();
        assert_eq!(names.len(), self.staff.len(), "one member of staff per name and provider");
    }
}
