//! A change of prison offender manager: allocation, reallocation and deallocation are one change with different
//! holders.

use chrono::NaiveDateTime;

use super::{
    change::{Change, Plan, WrittenRow},
    moment::RowsAtTime,
    responsible_officer::{self, Lost, Move},
    rows::{ContactRow, DeliusHolder, PomRow, RoRow, RowRef, TransferReason},
};
use crate::{case::OutcomeName, delius::notes};

/// What Delius holds about a person's prison offender managers and responsible officers, soft-deleted rows included.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PersonRows {
    pub(crate) offender_id: i64,
    pub(crate) poms: Vec<PomRow>,
    pub(crate) officers: Vec<RoRow>,
}

/// From `at` on the case is held by `holder`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Intent {
    pub(crate) at: NaiveDateTime,
    pub(crate) now: NaiveDateTime,
    pub(crate) holder: DeliusHolder,
    pub(crate) email: Email,
}

/// Bytes that the column of the e-mail address holds.
const LONGEST_EMAIL: usize = 255;

/// The e-mail address of the new holder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Email {
    /// Not known to the sender: one that Delius has is kept.
    Unknown,
    Known(String),
    /// It does not fit the column. That is no reason to leave the case with the wrong manager: null is written.
    TooLong,
}

impl Email {
    pub(crate) fn given(address: Option<&str>) -> Self {
        match address.map(str::trim) {
            None | Some("") => Self::Unknown,
            Some(address) if address.len() > LONGEST_EMAIL => Self::TooLong,
            Some(address) => Self::Known(address.to_owned()),
        }
    }

    fn stored(&self) -> Option<String> {
        match self {
            Self::Known(address) => Some(address.clone()),
            Self::Unknown | Self::TooLong => None,
        }
    }
}

/// Why a case changed hands, with the type of the contact that says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Transfer {
    pub(crate) reason: TransferReason,
    pub(crate) contact_type_id: i64,
}

/// The reference rows that a change of manager needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Transfers {
    /// `AUT` and `EPOMAT`.
    pub(crate) automatic: Transfer,
    /// `INA` and `EPOMIN`.
    pub(crate) internal: Transfer,
    /// `EXT` and `EPOMEX`.
    pub(crate) external: Transfer,
    /// `ROC`.
    pub(crate) responsible_officer_contact_type_id: i64,
}

impl Transfers {
    fn between(&self, previous: Option<&PomRow>, holder: &DeliusHolder) -> &Transfer {
        match previous {
            Some(previous) if !holder.placeholder => {
                if previous.holder.provider.id == holder.provider.id {
                    &self.internal
                } else {
                    &self.external
                }
            }
            _ => &self.automatic,
        }
    }
}

/// Plans the change. The same holder as at that instant is no change of manager; but an e-mail address that differs
/// is refreshed (one that the message does not bring is kept), and plans for the future are replaced all the same.
pub(crate) fn plan(person: &PersonRows, transfers: &Transfers, intent: &Intent) -> Plan {
    let moment = RowsAtTime::of(&person.poms, intent.at, intent.now);
    let mut draft =
        Draft { person, poms: person.poms.clone(), officers: person.officers.clone(), contacts: vec![] };
    let outcome = match moment.current {
        Some(current) if person.poms[current].holder.is(&intent.holder) => {
            draft.keep(current, &moment, intent);
            OutcomeName::NoPomChange
        }
        _ => {
            draft.hand_over(&moment, transfers, intent);
            if intent.holder.placeholder { OutcomeName::PomDeallocated } else { OutcomeName::PomAllocated }
        }
    };
    let prison = intent.holder.provider.prison.clone().map(|prison| ("prisonId", prison));
    let email = (intent.email == Email::TooLong)
        .then(|| ("emailAddress", format!("not stored: longer than {LONGEST_EMAIL} bytes")));
    let properties = prison.into_iter().chain(email).map(|(name, value)| (name.to_owned(), value)).collect();
    let officer = (!intent.holder.placeholder).then_some(intent.holder.officer.id);
    Plan { outcome, changes: draft.changes(), properties, officer }
}

/// The rows as they shall be; what differs from the rows as they are becomes the plan.
struct Draft<'a> {
    person: &'a PersonRows,
    poms: Vec<PomRow>,
    officers: Vec<RoRow>,
    contacts: Vec<ContactRow>,
}

impl Draft<'_> {
    fn keep(&mut self, current: usize, moment: &RowsAtTime, intent: &Intent) {
        let before = &self.person.poms;
        let mut gone = moment.plans.clone();
        let target = match moment.continued(before, &intent.holder) {
            Some(continued) => {
                gone.extend(&moment.tied);
                continued
            }
            None => current,
        };
        let end = moment.end_of_plans(before).unwrap_or(before[current].end);
        if end != before[target].end {
            self.poms[target].set_end(end);
        }
        self.refresh_email(target, intent);
        self.withdraw(&gone);
        let step = Move {
            at: intent.at,
            until: self.poms[target].end,
            target: self.poms[target].id,
            shortened: vec![],
            gone: self.ids(&gone),
        };
        responsible_officer::follow(&mut self.officers, &step);
    }

    fn hand_over(&mut self, moment: &RowsAtTime, transfers: &Transfers, intent: &Intent) {
        let person = self.person;
        let (at, before) = (intent.at, &person.poms);
        let until = moment.end(before);
        let continued = moment.continued(before, &intent.holder);
        // Who had the case before this second; or, when that is who gets it back, who had it in between.
        let previous =
            if moment.tied.is_empty() || continued.is_some() { moment.current } else { moment.before };
        let previous = previous.map(|row| self.ended_row(row, at));
        let transfer = transfers.between(previous.as_ref(), &intent.holder);

        let gone: Vec<usize> = moment.tied.iter().chain(&moment.plans).copied().collect();
        let mut shortened: Vec<usize> =
            moment.covering.iter().copied().filter(|row| !gone.contains(row)).collect();
        for row in &shortened {
            self.poms[*row].set_end(Some(at));
        }
        let target = match continued {
            Some(continued) => {
                self.poms[continued].set_end(until);
                self.refresh_email(continued, intent);
                shortened.retain(|row| *row != continued);
                continued
            }
            None => {
                self.poms.push(self.new_row(until, transfer, intent));
                self.poms.len() - 1
            }
        };
        self.withdraw(&gone);
        self.log_transfer(target, transfer, previous.as_ref(), intent);

        let step = Move {
            at,
            until,
            target: self.poms[target].id,
            shortened: self.ids(&shortened),
            gone: self.ids(&gone),
        };
        let plans = self.ids(&moment.plans);
        let brought_forward = responsible_officer::bring_forward(&mut self.officers, at, &plans);
        let lost = brought_forward.or(responsible_officer::follow(&mut self.officers, &step));
        let previous = match lost {
            None => return,
            // With a row that started at this very second nobody may have had the case before: then it was that row.
            Some(Lost::Current) => previous.or_else(|| moment.current.map(|row| self.ended_row(row, at))),
            Some(Lost::Planned(pom)) => before.iter().find(|row| row.id == pom).cloned(),
        };
        self.log_responsible_officer(target, transfer, previous.as_ref(), transfers, intent);
    }

    fn ended_row(&self, row: usize, at: NaiveDateTime) -> PomRow {
        let mut row = self.person.poms[row].clone();
        row.set_end(Some(at));
        row
    }

    fn new_row(&self, end: Option<NaiveDateTime>, transfer: &Transfer, intent: &Intent) -> PomRow {
        PomRow {
            id: RowRef::New,
            version: 0,
            offender_id: self.person.offender_id,
            start: intent.at,
            end,
            holder: intent.holder.clone(),
            reason: transfer.reason.clone(),
            email: intent.email.stored(),
            active: end.is_none(),
            soft_deleted: false,
        }
    }

    fn refresh_email(&mut self, row: usize, intent: &Intent) {
        if intent.email != Email::Unknown {
            self.poms[row].email = intent.email.stored();
        }
    }

    fn withdraw(&mut self, rows: &[usize]) {
        for row in rows {
            self.poms[*row].soft_deleted = true;
        }
    }

    fn ids(&self, rows: &[usize]) -> Vec<RowRef> {
        rows.iter().map(|row| self.poms[*row].id).collect()
    }

    fn log_transfer(
        &mut self,
        target: usize,
        transfer: &Transfer,
        previous: Option<&PomRow>,
        intent: &Intent,
    ) {
        let notes = notes::transfer(&transfer.reason.description, intent.at, previous);
        self.log(target, transfer.contact_type_id, notes, intent.at);
    }

    fn log_responsible_officer(
        &mut self,
        target: usize,
        transfer: &Transfer,
        previous: Option<&PomRow>,
        transfers: &Transfers,
        intent: &Intent,
    ) {
        let Some(previous) = previous else { return };
        let new = PomRow { reason: transfer.reason.clone(), ..self.poms[target].clone() };
        let notes = notes::responsible_officer_change(&new, previous);
        self.log(target, transfers.responsible_officer_contact_type_id, notes, intent.at);
    }

    fn log(&mut self, target: usize, type_id: i64, notes: String, at: NaiveDateTime) {
        let holder = &self.poms[target].holder;
        self.contacts.push(ContactRow {
            offender_id: self.person.offender_id,
            type_id,
            at,
            notes,
            provider_id: holder.provider.id,
            team_id: holder.team.id,
            officer: holder.officer.id,
        });
    }

    fn changes(self) -> Vec<Change> {
        fn differences<T: Clone + PartialEq>(
            before: &[T],
            after: Vec<T>,
            row: fn(T) -> WrittenRow,
        ) -> Vec<Change> {
            let mut after = after.into_iter();
            let mut changes: Vec<Change> = before
                .iter()
                .zip(after.by_ref().take(before.len()))
                .filter(|(before, after)| *before != after)
                .map(|(before, after)| Change::Update { before: row(before.clone()), after: row(after) })
                .collect();
            changes.extend(after.map(|inserted| Change::Insert(row(inserted))));
            changes
        }
        let mut changes = differences(&self.person.poms, self.poms, WrittenRow::Pom);
        changes.extend(differences(&self.person.officers, self.officers, WrittenRow::Ro));
        changes.extend(self.contacts.into_iter().map(|contact| Change::Insert(WrittenRow::Contact(contact))));
        changes
    }
}
