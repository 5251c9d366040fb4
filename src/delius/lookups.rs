//! Small questions to Delius that the rest of the service has: who is who, and who has a live custody.

use super::{
    error::{DeliusError, During},
    gateway::Delius,
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
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NomsCursor(String);

impl NomsCursor {
    /// Continues after this NOMS number, for a run that is resumed.
    pub fn after(noms: &NomsNumber) -> Self {
        Self(noms.to_string())
    }
}

impl Delius {
    /// Whether a person, given by CRN, has a NOMS number and exactly one live custody.
    ///
    /// # Errors
    /// When Delius cannot answer.
    pub async fn live_custody(&self, crn: &Crn) -> Result<LiveCustody, DeliusError> {
        let found: Option<(Option<String>, i64)> = sqlx::query_as(
            "select person.noms_number,
                    (select count(*)
                     from event
                     join disposal on disposal.event_id = event.event_id
                     join custody on custody.disposal_id = disposal.disposal_id
                     where event.offender_id = person.offender_id
                       and event.active_flag = 1 and event.soft_deleted = 0
                       and disposal.active_flag = 1 and disposal.soft_deleted = 0 and custody.soft_deleted = 0)
             from offender person where person.crn = $1 and person.soft_deleted = 0",
        )
        .bind(crn.as_str())
        .fetch_optional(&self.pool)
        .await
        .during("while looking up a live custody")?;
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
        let found: Option<Option<String>> =
            sqlx::query_scalar("select noms_number from offender where crn = $1 and soft_deleted = 0")
                .bind(crn.as_str())
                .fetch_optional(&self.pool)
                .await
                .during("while looking up a NOMS number")?;
        Ok(found.flatten().and_then(|noms| noms.parse().ok()))
    }

    /// The CRN of the one person with a NOMS number; none when nobody or several have it.
    ///
    /// # Errors
    /// When Delius cannot answer.
    pub async fn crn_of(&self, noms: &NomsNumber) -> Result<Option<Crn>, DeliusError> {
        let found: Vec<String> =
            sqlx::query_scalar("select crn from offender where noms_number = $1 and soft_deleted = 0")
                .bind(noms.as_str())
                .fetch_all(&self.pool)
                .await
                .during("while looking up a CRN")?;
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
        let found: Vec<String> = sqlx::query_scalar(
            "select person.noms_number
             from offender person
             join event on event.offender_id = person.offender_id
             join disposal on disposal.event_id = event.event_id
             join custody on custody.disposal_id = disposal.disposal_id
             left join r_standard_reference_list status
                 on status.standard_reference_list_id = custody.custodial_status_id
             where person.soft_deleted = 0 and person.noms_number > $1
               and event.active_flag = 1 and event.soft_deleted = 0
               and disposal.active_flag = 1 and disposal.soft_deleted = 0 and custody.soft_deleted = 0
             group by person.noms_number
             having count(*) = 1 and trim(max(custody.prisoner_number)) <> ''
                and coalesce(max(status.code_value), '') <> 'P'
             order by person.noms_number
             limit $2",
        )
        .bind(&after.0)
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await
        .during("while listing persons in custody")?;
        let numbers: Vec<NomsNumber> = found.iter().filter_map(|noms| noms.parse().ok()).collect();
        let full = u32::try_from(found.len()).is_ok_and(|length| length >= limit);
        Ok(NomsPage {
            skipped: found.len() - numbers.len(),
            next: found.last().filter(|_| full).map(|last| NomsCursor(last.clone())),
            numbers,
        })
    }
}
