//! What a comparison found, in words. Members of staff are named by their code.

use std::fmt;

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};

use crate::{
    case::{Pom, PrisonCode},
    delius::CurrentHolder,
    london::wall_clock,
    operations::reconcile::{
        past::Gap,
        recorded::{Dates, RecordedHolding, UnnamedAllocation},
    },
};

/// What differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// Not exactly one person in Delius has the NOMS number.
    NotOnePerson,
    /// Manage POM Cases names a holder, and neither we nor Delius know of any.
    NothingRecorded,
    /// Nothing was ever recorded, and Delius holds something else than Manage POM Cases says.
    NeverRecorded {
        /// What Delius holds.
        held: Option<CurrentHolder>,
    },
    /// Manage POM Cases says something else than was recorded last.
    NewsOfHolder {
        /// Staff code and prison; nobody when deallocated.
        stated: Option<(i64, PrisonCode)>,
        /// What was recorded.
        recorded: RecordedHolding,
    },
    /// Manage POM Cases says another e-mail address than was recorded last.
    NewsOfEmail,
    /// Delius holds somebody else than was recorded.
    HeldByAnother {
        /// What was recorded.
        recorded: RecordedHolding,
        /// What Delius holds.
        held: Option<CurrentHolder>,
    },
    /// Delius has somebody else than was recorded for a time in the past.
    PastHeldByAnother(Gap),
    /// Delius has lost writes that are recorded as applied.
    Lost { count: usize, first: DateTime<Utc> },
    /// The store has forgotten writes that Delius has.
    Forgotten { count: usize, first: DateTime<Utc> },
    /// Delius holds who was recorded, but from a later time on.
    HeldSinceLater {
        /// What was recorded.
        recorded: RecordedHolding,
        /// What Delius holds.
        held: CurrentHolder,
    },
    /// Delius holds who was recorded with another e-mail address.
    Email,
    /// Manage POM Cases says other dates than were recorded last.
    NewsOfDates {
        /// What it says.
        stated: Dates,
        /// What was recorded.
        recorded: Dates,
    },
    /// Manage POM Cases holds no handover for the case, and dates were recorded last.
    NoHandover {
        /// What was recorded.
        recorded: Dates,
    },
    /// Delius holds other dates than were recorded (or, with nothing recorded, than Manage POM Cases says).
    OtherDates {
        /// What Delius should hold.
        expected: Dates,
        /// What it holds.
        held: Dates,
    },
}

/// What is worth knowing, and is no difference in the present state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// An allocation waits for the name behind its staff code.
    UnnamedAllocation(UnnamedAllocation),
    /// There are dates, and Delius has nowhere to keep them.
    DatesDoNotApply {
        /// Live custodies; dates are kept for exactly one.
        live_custodies: usize,
    },
    /// The allocation cannot be repaired: Manage POM Cases says that the case is not ready for allocation.
    NotReady,
    /// The dates cannot be repaired: Manage POM Cases holds none.
    NoHandover,
    /// Manage POM Cases gives no e-mail address for the holder, and one was recorded.
    EmailWithdrawn,
}

impl Difference {
    /// By which differences are grouped and counted.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::NotOnePerson => "personUnknown",
            Self::NothingRecorded | Self::NeverRecorded { .. } => "neverRecorded",
            Self::NewsOfHolder { .. } => "holderChangedInMpc",
            Self::NewsOfEmail => "emailChangedInMpc",
            Self::HeldByAnother { .. } => "heldByAnother",
            Self::PastHeldByAnother(_) => "heldByAnotherInThePast",
            Self::Lost { .. } => "lostByDelius",
            Self::Forgotten { .. } => "forgottenByStore",
            Self::HeldSinceLater { .. } => "heldSinceLater",
            Self::Email => "email",
            Self::NewsOfDates { .. } | Self::NoHandover { .. } => "datesChangedInMpc",
            Self::OtherDates { .. } => "otherDates",
        }
    }

    /// Nobody here can repair what Delius does not know.
    pub fn is_about_person(&self) -> bool {
        *self == Self::NotOnePerson
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOnePerson => write!(f, "person: not exactly one person in Delius has this NOMS number"),
            Self::NothingRecorded => {
                write!(f, "allocation: Manage POM Cases names a holder, nothing is recorded")
            }
            Self::NeverRecorded { held } => write!(
                f,
                "allocation: nothing is recorded, and Delius holds {}, which is not what Manage POM Cases says",
                HeldWords(held.as_ref())
            ),
            Self::NewsOfHolder { stated, recorded } => {
                let stated = stated
                    .as_ref()
                    .map_or_else(|| "nobody".to_owned(), |(code, prison)| staff(*code, prison));
                write!(
                    f,
                    "allocation: Manage POM Cases says {stated}, recorded is {}",
                    RecordedWords(recorded)
                )
            }
            Self::NewsOfEmail => {
                write!(f, "allocation: Manage POM Cases says another e-mail address than was recorded")
            }
            Self::HeldByAnother { recorded, held } => {
                write!(
                    f,
                    "allocation: recorded is {}, Delius holds {}",
                    RecordedWords(recorded),
                    HeldWords(held.as_ref())
                )
            }
            Self::PastHeldByAnother(gap) => write!(f, "allocation: {gap}"),
            Self::Lost { count, first } => {
                write!(f, "ledger: Delius has lost {count} recorded writes, the first for {}", utc(*first))
            }
            Self::Forgotten { count, first } => write!(
                f,
                "ledger: Delius has {count} writes of ours that are not on record, the first for {}",
                utc(*first)
            ),
            Self::HeldSinceLater { recorded, held } => write!(
                f,
                "allocation: recorded is {}, Delius holds the same only since {}",
                RecordedWords(recorded),
                wall(held.since)
            ),
            Self::Email => write!(f, "allocation: Delius holds another e-mail address than was recorded"),
            Self::NewsOfDates { stated, recorded } => {
                write!(f, "handover: Manage POM Cases says {stated}, recorded is {recorded}")
            }
            Self::NoHandover { recorded } => {
                write!(f, "handover: Manage POM Cases holds none for the case, recorded is {recorded}")
            }
            Self::OtherDates { expected, held } => {
                write!(f, "handover: expected is {expected}, Delius holds {held}")
            }
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnnamedAllocation(UnnamedAllocation { at, prison, staff_code }) => write!(
                f,
                "listed as unreflected: {} from {}; written as soon as the name is known",
                staff(*staff_code, prison),
                utc(*at)
            ),
            Self::DatesDoNotApply { live_custodies } => {
                write!(f, "handover dates do not apply: {live_custodies} live custodies in Delius")
            }
            Self::NotReady => write!(f, "not repairable: Manage POM Cases says not ready for allocation"),
            Self::NoHandover => write!(f, "not repairable: Manage POM Cases holds no handover for the case"),
            Self::EmailWithdrawn => write!(
                f,
                "Manage POM Cases gives no e-mail address of the holder any more; the recorded one is kept, because it \
                 does not always know it"
            ),
        }
    }
}

impl fmt::Display for Dates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |date: Option<NaiveDate>| date.map_or_else(|| "blank".to_owned(), |date| date.to_string());
        write!(f, "start {} and handover {}", text(self.start), text(self.handover))
    }
}

struct RecordedWords<'a>(&'a RecordedHolding);

impl fmt::Display for RecordedWords<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = match &self.0.pom {
            None => "nobody".to_owned(),
            Some(Pom { prison, staff_code, .. }) => staff(*staff_code, prison),
        };
        write!(f, "{who} since {}", utc(self.0.since))
    }
}

struct HeldWords<'a>(Option<&'a CurrentHolder>);

impl fmt::Display for HeldWords<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("nobody"),
            Some(held) if held.unallocated => write!(f, "nobody since {}", wall(held.since)),
            Some(held) => {
                let prison = held.prison.as_deref().unwrap_or(&held.provider);
                write!(f, "an officer of {prison} since {}", wall(held.since))
            }
        }
    }
}

fn staff(code: i64, prison: &PrisonCode) -> String {
    format!("staff {code} in {prison}")
}

/// All times in a report are London's, as Delius writes them.
fn utc(at: DateTime<Utc>) -> String {
    wall(wall_clock(at))
}

fn wall(at: NaiveDateTime) -> String {
    at.format("%Y-%m-%d %H:%M:%S").to_string()
}
