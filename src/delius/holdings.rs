//! What Delius holds now for one NOMS number: the third column of a reconciliation.

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};

use super::{
    engine::SessionAccess,
    error::{DeliusError, During},
    gateway::Delius,
    load,
    plan::{
        RowsAtTime,
        allocation::PersonRows,
        rows::{KeyDateRow, PomRow},
    },
    staff_name::StaffName,
};
use crate::{case::NomsNumber, london::wall_clock};

/// What Delius holds now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holdings {
    /// When that was, by the clock of Delius.
    pub at: DateTime<Utc>,
    /// Who holds the case in prison; `None` when nobody ever did.
    pub pom: Option<CurrentHolder>,
    /// Who held it when, in order of the start.
    pub periods: Vec<HeldPeriod>,
    /// Who is responsible, if anybody.
    pub responsible: Option<Responsible>,
    /// How many live custodies there are; key dates exist for exactly one.
    pub live_custodies: usize,
    /// `POM1` of the one live custody.
    pub handover_start_date: Option<NaiveDate>,
    /// `POM2` of the one live custody.
    pub handover_date: Option<NaiveDate>,
}

/// The current prison offender manager.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CurrentHolder {
    /// Code of the provider.
    pub provider: String,
    /// Code of its prison.
    pub prison: Option<String>,
    /// Description of the team.
    pub team: String,
    /// Forename as Delius writes it.
    pub forename: String,
    /// Surname as Delius writes it.
    pub surname: String,
    /// Whether it is the unallocated placeholder: nobody.
    pub unallocated: bool,
    /// Since when, on the wall clock of London.
    pub since: NaiveDateTime,
    /// E-mail address, when Delius has one.
    pub email: Option<String>,
}

/// A live row: who held the case from `holder.since` on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldPeriod {
    pub holder: CurrentHolder,
    /// On the wall clock of London; `None` = open.
    pub until: Option<NaiveDateTime>,
}

impl CurrentHolder {
    /// Whether a name from Manage POM Cases means this member of staff.
    pub fn is_named(&self, forename: &str, surname: &str) -> bool {
        StaffName::new(forename, surname).is_of(&self.forename, &self.surname)
    }
}

/// Which kind of officer is responsible for a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Responsible {
    /// A prison offender manager.
    Prison,
    /// A community offender manager.
    Community,
}

impl Delius {
    /// What Delius holds now for a NOMS number; `None` when no person, or more than one, has it.
    ///
    /// # Errors
    /// When Delius cannot answer.
    pub async fn holdings(&self, noms: &NomsNumber) -> Result<Option<Holdings>, DeliusError> {
        let types = self.reference().await?.handover_date_types;
        let mut session = self.session(SessionAccess::Statement).await?;
        let [person] = load::persons(&mut *session, noms, false).await?[..] else {
            return Ok(None);
        };
        let rows = load::person_rows(&mut *session, person).await?;
        let custodies = load::live_custodies(&mut *session, person, [types.start, types.handover]).await?;
        let dates: &[KeyDateRow] = match &custodies[..] {
            [custody] => &custody.key_dates,
            _ => &[],
        };
        let live = |row: &&KeyDateRow| !row.soft_deleted;
        let date = |type_id| dates.iter().filter(live).find(|row| row.type_id == type_id).map(|row| row.date);
        let at = session.now().await.during("while asking for the time")?;
        let now = wall_clock(at);
        Ok(Some(Holdings {
            at,
            pom: RowsAtTime::of(&rows.poms, now, now).current.map(|current| held_by(&rows.poms[current])),
            periods: periods(&rows.poms),
            responsible: responsible(&rows, now),
            live_custodies: custodies.len(),
            handover_start_date: date(types.start),
            handover_date: date(types.handover),
        }))
    }
}

fn periods(rows: &[PomRow]) -> Vec<HeldPeriod> {
    let live = |row: &&PomRow| !row.soft_deleted && row.end.is_none_or(|end| end > row.start);
    let mut periods: Vec<HeldPeriod> =
        rows.iter().filter(live).map(|row| HeldPeriod { holder: held_by(row), until: row.end }).collect();
    periods.sort_by_key(|period| period.holder.since);
    periods
}

fn held_by(row: &PomRow) -> CurrentHolder {
    let holder = row.holder.clone();
    CurrentHolder {
        provider: holder.provider.code,
        prison: holder.provider.prison,
        team: holder.team.description,
        forename: holder.officer.forename,
        surname: holder.officer.surname,
        unallocated: holder.placeholder,
        since: row.start,
        email: row.email.clone(),
    }
}

fn responsible(rows: &PersonRows, now: NaiveDateTime) -> Option<Responsible> {
    let row = rows.officers.iter().rfind(|row| row.covers(now))?;
    match (row.pom, row.com) {
        (Some(_), _) => Some(Responsible::Prison),
        (None, Some(_)) => Some(Responsible::Community),
        (None, None) => None,
    }
}
