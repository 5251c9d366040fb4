//! Small questions to Delius that the rest of the service has: who is who, and who has a live custody.

use super::{
    engine::{Row, SessionAccess, Statement},
    error::{DeliusError, During},
    gateway::Delius,
    load::read,
    sql,
};
use crate::case::{Crn, NomsNumber};

/// Whether handover dates can apply to a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LiveCustody {
    /// The person has this NOMS number and exactly one live custody.
    One(NomsNumber),
    /// They cannot.
    NotApplicable {
        /// The NOMS number, when there is one all the same.
        noms: Option<NomsNumber>,
        /// Why not, in words.
        reason: String,
    },
}

/// One page of the NOMS numbers that the bulk handover update goes through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NomsPage {
    /// The numbers, in order.
    pub numbers: Vec<NomsNumber>,
    /// Where the next page starts; `None` after the last one.
    pub next: Option<NomsCursor>,
    /// How many entries were skipped because what Delius holds is no NOMS number.
    pub skipped: usize,
}

/// A place in the list of NOMS numbers: everything up to it has been seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NomsCursor(String);

impl Default for NomsCursor {
    /// Before the first. A blank, and not an empty text: on Oracle that is null, and nothing is greater than null.
    fn default() -> Self {
        Self(" ".to_owned())
    }
}

impl NomsCursor {
    /// Continues after this NOMS number, for a run that is resumed.
    pub fn after(noms: &NomsNumber) -> Self {
        Self(noms.to_string())
    }
}

impl Delius {
    /// One statement, outside any write.
    async fn ask(&self, statement: &Statement, doing: &'static str) -> Result<Vec<Row>, DeliusError> {
        self.session(SessionAccess::Statement).await?.query(statement).await.during(doing)
    }

    /// The NOMS number of a person with exactly one live custody; or why handover dates do not apply to them.
    ///
    /// # Errors
    /// When Delius cannot answer.
    pub async fn live_custody(&self, crn: &Crn) -> Result<LiveCustody, DeliusError> {
        let doing = "while looking up a live custody";
        let statement = Statement::new(sql::LIVE_CUSTODIES_OF_CRN).bind("crn", crn.as_str());
        let found = read(Ok(self.ask(&statement, doing).await?), |row| {
            Ok((row.code("noms_number")?, row.int("custodies")?))
        });
        let found = found.during(doing)?.into_iter().next();
        let known = found.is_some();
        let (noms, custodies) = found.unwrap_or_default();
        let noms: Option<NomsNumber> = noms.and_then(|noms| noms.parse().ok());
        let reason = match (&noms, custodies) {
            (Some(noms), 1) => return Ok(LiveCustody::One(noms.clone())),
            _ if !known => "Delius has no person with this CRN",
            (None, _) => "the person has no NOMS number",
            (_, 0) => "the person has no live custody",
            _ => "the person has several live custodies",
        };
        Ok(LiveCustody::NotApplicable { noms, reason: reason.to_owned() })
    }

    /// The NOMS number that Delius holds for a CRN, if any.
    ///
    /// # Errors
    /// When Delius cannot answer.
    pub async fn noms_of(&self, crn: &Crn) -> Result<Option<NomsNumber>, DeliusError> {
        let doing = "while looking up a NOMS number";
        let statement = Statement::new(sql::NOMS_OF_CRN).bind("crn", crn.as_str());
        let found =
            read(Ok(self.ask(&statement, doing).await?), |row| row.code("noms_number")).during(doing)?;
        Ok(found.into_iter().flatten().next().and_then(|noms| noms.parse().ok()))
    }

    /// The CRN of the one person with a NOMS number; none when nobody or several have it.
    ///
    /// # Errors
    /// When Delius cannot answer.
    pub async fn crn_of(&self, noms: &NomsNumber) -> Result<Option<Crn>, DeliusError> {
        let doing = "while looking up a CRN";
        let statement = Statement::new(sql::CRNS_OF_NOMS).bind("noms", noms.as_str());
        let found = read(Ok(self.ask(&statement, doing).await?), |row| row.text("crn")).during(doing)?;
        Ok(match &found[..] {
            [crn] => crn.parse().ok(),
            _ => None,
        })
    }

    /// The next NOMS numbers of persons with exactly one live custody which has a prisoner number and whose status is
    /// not *post sentence supervision*, at most `limit`, in order of the number.
    ///
    /// # Errors
    /// When Delius cannot answer.
    pub async fn noms_in_custody(&self, after: &NomsCursor, limit: u32) -> Result<NomsPage, DeliusError> {
        let doing = "while listing persons in custody";
        let statement =
            Statement::new(sql::NOMS_IN_CUSTODY).bind("after", &*after.0).bind("page", i64::from(limit));
        let found =
            read(Ok(self.ask(&statement, doing).await?), |row| row.text("noms_number")).during(doing)?;
        let numbers: Vec<NomsNumber> = found.iter().filter_map(|noms| noms.parse().ok()).collect();
        let full = u32::try_from(found.len()).is_ok_and(|length| length >= limit);
        Ok(NomsPage {
            skipped: found.len() - numbers.len(),
            next: found.last().filter(|_| full).map(|last| NomsCursor(last.clone())),
            numbers,
        })
    }
}
