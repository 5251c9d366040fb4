//! What a case needs from outside while it decides: the state at Manage POM Cases now, the names behind staff codes,
//! and what is known about the person's identifiers. The fetch is made inside command handling, so that a concurrent change of the same case fails the
//! append and the retry fetches again: the later answer always wins.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::{Crn, Fetched, NomsNumber, PrisonCode, StaffMember, identity::Identities};
use crate::breakers::Dependency;

/// What Manage POM Cases says of the allocation now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllocationAnswer {
    /// Somebody holds the case.
    Allocated {
        /// Who.
        staff: StaffMember,
        /// In which prison.
        prison: PrisonCode,
    },
    /// Nobody holds the case.
    NotAllocated,
    /// The case is not ready for allocation.
    NotReady,
}

impl AllocationAnswer {
    /// The member of staff that the answer names.
    pub fn staff(&self) -> Option<&StaffMember> {
        match self {
            Self::Allocated { staff, .. } => Some(staff),
            Self::NotAllocated | Self::NotReady => None,
        }
    }
}

/// What Manage POM Cases says of the handover now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum HandoverAnswer {
    /// The dates; a missing one is blank on purpose.
    Dates {
        /// Handover date.
        handover_date: Option<NaiveDate>,
        /// Handover start date.
        handover_start_date: Option<NaiveDate>,
    },
    /// No handover is known.
    NotFound,
}

/// Which detail to fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DetailAddress {
    /// The `detailUrl` of the message. It is fetched only when it lies on the configured origin.
    Given(String),
    /// The address that Manage POM Cases documents for the case.
    OfCase,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// A dependency cannot be reached, is overloaded or refuses us: the message is to be tried again.
    #[error("{dependency} is unavailable: {reason}")]
    Unavailable {
        /// Which one.
        dependency: Dependency,
        /// What it said, without bodies.
        reason: String,
    },
    /// Manage POM Cases answered in a way that its interface does not document. It may be an outage (a maintenance
    /// page, an allow list) when several cases get such answers, and a wrong address when one case alone does.
    #[error("Manage POM Cases gave an undocumented answer: {0}")]
    Undocumented(UndocumentedAnswer),
    /// The address does not lie on the configured origin of Manage POM Cases. It was not fetched.
    #[error("detailUrl is on {origin}, not on the configured MPC_URL; it was not fetched")]
    ForeignUrl {
        /// Where it lies (no path, no user information).
        origin: String,
    },
    /// The answer is about another person.
    #[error("the answer is about another NOMS number than the message")]
    IdentifierMismatch,
    /// The answer has the documented form, but a value that cannot be used. Asking again does not help until somebody
    /// corrects the value in Manage POM Cases.
    #[error("the answer of Manage POM Cases has a value that cannot be used: {reason}")]
    InvalidAnswer {
        /// What is wrong, without the value.
        reason: String,
    },
}

/// How an answer of Manage POM Cases differs from every documented one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UndocumentedAnswer {
    /// A status that is not documented.
    #[error("status {0}; check MPC_URL, and whether this service is on its allow list")]
    Status(u16),
    /// 404 without one of the documented bodies.
    #[error("status 404 without a documented body; check MPC_URL")]
    BareNotFound,
    /// A redirect that cannot be followed: off the configured origin, to no address, to no person, or in a circle.
    #[error("status {status}, {reason}")]
    Redirect {
        /// HTTP status.
        status: u16,
        /// Why it is not followed, without the address.
        reason: &'static str,
    },
    /// 200 with a body that does not have the documented form.
    #[error("status 200, but {reason}")]
    Body {
        /// What is wrong, without the body.
        reason: String,
    },
}

impl UndocumentedAnswer {
    /// A short constant text by which equal answers are recognised and counted.
    pub fn kind(&self) -> String {
        match self {
            Self::Status(status) | Self::Redirect { status, .. } => status.to_string(),
            Self::BareNotFound => "404".to_owned(),
            Self::Body { .. } => "undocumented body".to_owned(),
        }
    }
}

/// Manage POM Cases, as a case asks it.
#[async_trait]
pub trait ManagePomCases: Send + Sync {
    /// The allocation now.
    async fn allocation(
        &self,
        noms: &NomsNumber,
        address: &DetailAddress,
    ) -> Result<(AllocationAnswer, Fetched), FetchError>;

    /// The handover dates now.
    async fn handover(
        &self,
        noms: &NomsNumber,
        address: &DetailAddress,
    ) -> Result<(HandoverAnswer, Fetched), FetchError>;
}

/// The directory of staff codes: every code, name and e-mail address ever fetched.
#[async_trait]
pub trait StaffDirectory: Send + Sync {
    /// The member of staff with the code, if any answer ever named it.
    async fn find(&self, staff_code: i64) -> Result<Option<StaffMember>, FetchError>;
}

/// What is known about the identifiers of persons. A case asks only when its own number was ever part of a change.
#[async_trait]
pub trait KnownIdentities: Send + Sync {
    /// Everything known about the persons who ever had the number or the CRN.
    async fn around(&self, noms: &NomsNumber, crn: Option<&Crn>) -> Result<Identities, FetchError>;
}

/// For a case whose number never changed.
pub struct NoIdentityChanges;

#[async_trait]
impl KnownIdentities for NoIdentityChanges {
    async fn around(&self, _: &NomsNumber, _: Option<&Crn>) -> Result<Identities, FetchError> {
        Ok(Identities::default())
    }
}

/// The services of a case.
#[derive(Clone)]
pub struct CaseServices {
    pub mpc: Arc<dyn ManagePomCases>,
    pub staff: Arc<dyn StaffDirectory>,
    pub identities: Arc<dyn KnownIdentities>,
}
