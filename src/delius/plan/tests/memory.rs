//! Delius in memory: executes what was planned on plain lists of rows, as the adapter does on tables.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{NaiveDate, NaiveDateTime, TimeDelta};

use super::super::{
    RowsAtTime,
    allocation::{self, Email, Intent, PersonRows, Transfer, Transfers},
    change::{Change, Plan, WrittenRow},
    handover::{self, HandoverDateTypes, HandoverDates},
    rows::{
        ContactRow, DeliusHolder, KeyDateRow, Officer, PomRow, Provider, RoRow, RowRef, StaffRow, TeamRow,
        TransferReason,
    },
    staff::{self, Candidate},
};
use crate::delius::staff_name::StaffName;

/// The n-th second of a summer morning.
pub(super) fn at(n: i64) -> NaiveDateTime {
    NaiveDate::from_ymd_opt(2026, 7, 1).unwrap().and_hms_opt(9, 0, 0).unwrap() + TimeDelta::seconds(n)
}

/// One person and the staff of all prisons.
#[derive(Debug, Clone)]
pub(super) struct Memory {
    pub(super) now: NaiveDateTime,
    pub(super) person: PersonRows,
    pub(super) contacts: Vec<ContactRow>,
    pub(super) key_dates: Vec<KeyDateRow>,
    pub(super) staff: BTreeMap<i64, StaffRow>,
    next_id: i64,
}

pub(super) const TYPES: HandoverDateTypes = HandoverDateTypes { start: 1, handover: 2 };
pub(super) const ROC: i64 = 9;

pub(super) fn transfers() -> Transfers {
    let transfer = |id, description: &str| Transfer {
        reason: TransferReason { id, description: description.to_owned() },
        contact_type_id: id,
    };
    Transfers {
        automatic: transfer(1, "Automatic Transfer"),
        internal: transfer(2, "Internal Transfer"),
        external: transfer(3, "External Transfer"),
        responsible_officer_contact_type_id: ROC,
    }
}

/// `ada@LEI` is Ada Byron in Leeds; `-@LEI` is the placeholder of Leeds.
pub(super) fn person_of(who: &str) -> (String, String) {
    let (name, prison) = who.split_once('@').unwrap();
    (name.to_uppercase(), prison.to_owned())
}

fn provider(prison: &str) -> Provider {
    let id = prison.bytes().fold(0, |sum, byte| sum * 100 + i64::from(byte));
    Provider {
        id,
        code: prison.to_owned(),
        description: format!("HMP {prison}"),
        prison: Some(prison.to_owned()),
    }
}

impl Memory {
    /// Nothing there yet; everything that comes has happened.
    pub(super) fn new() -> Self {
        Self {
            now: at(1_000),
            person: PersonRows { offender_id: 7, ..PersonRows::default() },
            contacts: vec![],
            key_dates: vec![],
            staff: BTreeMap::new(),
            next_id: 100,
        }
    }

    /// With POM rows that were there before, as `ada@LEI[1,5)` or `ada@LEI[1,)`.
    pub(super) fn with_poms(rows: &str) -> Self {
        let mut memory = Self::new();
        for row in rows.split_whitespace() {
            memory.insert_pom(row);
        }
        memory
    }

    pub(super) fn insert_pom(&mut self, row: &str) -> i64 {
        let (who, start, end) = parse(row);
        let (holder, changes) = self.holder(who, at(-1_000));
        self.execute(&changes);
        let id = self.id();
        self.person.poms.push(PomRow {
            id: RowRef::Existing(id),
            version: 0,
            offender_id: 7,
            start,
            end,
            holder: self.settled(holder),
            reason: transfers().automatic.reason,
            email: None,
            active: end.is_none(),
            soft_deleted: false,
        });
        id
    }

    /// With responsible officers that were there before: `com[0,6)`, or `ada@LEI[6,)` for the first POM row of hers.
    pub(super) fn with_officers(mut self, rows: &str) -> Self {
        for row in rows.split_whitespace() {
            let (who, start, end) = parse(row);
            let of = |pom: &PomRow| -> String { self.shown(&pom.holder) };
            let pom = self.person.poms.iter().find(|pom| of(pom) == who).map(|pom| pom.id);
            assert!(pom.is_some() || who == "com", "no POM row of {who}");
            let id = self.id();
            let com = pom.is_none().then_some(55);
            self.person.officers.push(RoRow {
                id: Some(id),
                version: 0,
                offender_id: 7,
                pom,
                com,
                start,
                end,
            });
        }
        self
    }

    fn id(&mut self) -> i64 {
        self.next_id += 1;
        self.next_id
    }

    /// Finds or creates the member of staff, as the adapter does.
    pub(super) fn holder(&mut self, who: &str, at: NaiveDateTime) -> (DeliusHolder, Vec<Change>) {
        let (name, prison) = person_of(who);
        let provider = provider(&prison);
        if name == "-" {
            let officer = Officer {
                id: RowRef::Existing(provider.id),
                forename: "Unallocated".into(),
                surname: "Staff".into(),
            };
            let code = format!("{prison}ALL");
            let team = TeamRow { id: provider.id + 1, code, description: format!("Unallocated {prison}") };
            return (DeliusHolder { provider, team, officer, placeholder: true }, vec![]);
        }
        let code = format!("{prison}POM");
        let team = TeamRow { id: provider.id, code, description: format!("POMs {prison}") };
        let name = StaffName::new(&name, "BYRON");
        let candidates = self
            .staff
            .iter()
            .filter(|(_, staff)| staff.provider_id == provider.id && staff.forename == name.forename)
            .map(|(id, staff)| Candidate {
                id: *id,
                forename: staff.forename.clone(),
                surname: staff.surname.clone(),
                in_team: true,
            })
            .collect();
        let taken: Vec<String> = self.staff.values().map(|staff| staff.officer_code.clone()).collect();
        let appointed = staff::found(candidates, &team)
            .or_else(|| staff::created(name, &provider, &team, &taken, at))
            .unwrap();
        (DeliusHolder { provider, team, officer: appointed.officer, placeholder: false }, appointed.changes)
    }

    pub(super) fn allocate(&mut self, second: i64, who: &str) -> Plan {
        self.allocate_with_email(second, who, None)
    }

    pub(super) fn allocate_with_email(&mut self, second: i64, who: &str, email: Option<&str>) -> Plan {
        let (holder, mut changes) = self.holder(who, at(second));
        let email = Email::given(email);
        let intent = Intent { at: at(second), now: self.now, holder, email };
        let mut plan = allocation::plan(&self.person, &transfers(), &intent);
        changes.append(&mut plan.changes);
        self.execute(&changes);
        Plan { changes, ..plan }
    }

    /// `None` when there is nobody to take the case from.
    pub(super) fn deallocate(&mut self, second: i64) -> Option<Plan> {
        let moment = RowsAtTime::of(&self.person.poms, at(second), self.now);
        let prison = moment.provider_to_deallocate(&self.person.poms)?.provider.code.clone();
        Some(self.allocate(second, &format!("-@{prison}")))
    }

    pub(super) fn set_dates(&mut self, start: Option<NaiveDate>, handover: Option<NaiveDate>) -> Plan {
        let plan = handover::plan(4, &self.key_dates, TYPES, HandoverDates { start, handover }, false);
        self.execute(&plan.changes);
        plan
    }

    pub(super) fn execute(&mut self, changes: &[Change]) {
        let (mut new_pom, mut new_staff) = (None, None);
        for change in changes {
            let id = self.id();
            match change.clone() {
                Change::Insert(WrittenRow::Staff(row)) => {
                    new_staff = Some(id);
                    self.staff.insert(id, row);
                }
                Change::Insert(WrittenRow::StaffTeam(_)) => {}
                Change::Insert(WrittenRow::Pom(mut row)) => {
                    assert_eq!((row.id, row.version), (RowRef::New, 0));
                    row.id = RowRef::Existing(id);
                    if row.holder.officer.id == RowRef::New {
                        row.holder.officer.id = RowRef::Existing(new_staff.expect("staff are created first"));
                    }
                    new_pom = Some(row.id);
                    self.person.poms.push(row);
                }
                Change::Insert(WrittenRow::Ro(mut row)) => {
                    assert_eq!((row.id, row.version), (None, 0));
                    row.id = Some(id);
                    resolve(&mut row, new_pom);
                    self.person.officers.push(row);
                }
                Change::Insert(WrittenRow::Contact(row)) => self.contacts.push(row),
                Change::Insert(WrittenRow::KeyDate(row)) => {
                    self.key_dates.push(KeyDateRow { id: Some(id), ..row })
                }
                Change::Update { before: WrittenRow::Pom(before), after: WrittenRow::Pom(after) } => {
                    replace(&mut self.person.poms, &before, PomRow { version: before.version + 1, ..after });
                }
                Change::Update { before: WrittenRow::Ro(before), after: WrittenRow::Ro(mut after) } => {
                    resolve(&mut after, new_pom);
                    replace(
                        &mut self.person.officers,
                        &before,
                        RoRow { version: before.version + 1, ..after },
                    );
                }
                Change::Update { before: WrittenRow::KeyDate(before), after: WrittenRow::KeyDate(after) } => {
                    replace(
                        &mut self.key_dates,
                        &before,
                        KeyDateRow { version: before.version + 1, ..after },
                    );
                }
                Change::Delete(WrittenRow::KeyDate(gone)) => {
                    let held = self.key_dates.len();
                    self.key_dates.retain(|row| *row != gone);
                    assert_eq!(self.key_dates.len(), held - 1, "the row is as it was planned on");
                }
                other => panic!("not a change of these tables: {other:?}"),
            }
            self.assert_constraints();
        }
        self.person.poms.sort_by_key(|row| row.start);
    }

    /// What Delius enforces after every single statement, on soft-deleted rows too.
    fn assert_constraints(&self) {
        for row in &self.person.poms {
            assert_eq!(row.active, row.end.is_none(), "active is without end: {row:?}");
            assert!(row.end.is_none_or(|end| row.start <= end), "ends after its start: {row:?}");
        }
        let mut dates = BTreeSet::new();
        for row in &self.key_dates {
            assert!(dates.insert((row.custody_id, row.type_id, row.date)), "a date once per type: {row:?}");
        }
        for staff in self.staff.values() {
            assert!(staff.forename.len() <= 35 && staff.surname.len() <= 35, "{staff:?}");
        }
    }

    fn settled(&self, mut holder: DeliusHolder) -> DeliusHolder {
        if holder.officer.id == RowRef::New {
            holder.officer.id = RowRef::Existing(*self.staff.last_key_value().unwrap().0);
        }
        holder
    }
}

fn parse(row: &str) -> (&str, NaiveDateTime, Option<NaiveDateTime>) {
    let (who, span) = row.split_once('[').unwrap();
    let (start, end) = span.trim_end_matches(')').split_once(',').unwrap();
    (who, at(start.parse().unwrap()), (!end.is_empty()).then(|| at(end.parse().unwrap())))
}

fn resolve(row: &mut RoRow, new_pom: Option<RowRef>) {
    if row.pom == Some(RowRef::New) {
        row.pom = Some(new_pom.expect("the POM row is inserted first"));
    }
}

fn replace<T: PartialEq + std::fmt::Debug>(rows: &mut [T], before: &T, after: T) {
    let row = rows.iter_mut().find(|row| *row == before).expect("the row is as it was planned on");
    *row = after;
}
