//! What a message asks for: a pure reading of the event.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::message::{Event, IdentifierFault, Malformed, Parsed};
use crate::case::{
    CaseCommand, Crn, DetailAddress, Evidence, IdentityChange, IdentityReason, InvalidIdentifier, Message,
    NomsNumber, PersonId, PrisonCode, StatedAllocation,
};

/// What is to be done about a message.
#[derive(Debug, Clone)]
pub enum MessageRoute {
    /// A command to a case.
    Command(NomsNumber, CaseCommand),
    /// A case got its NOMS number, and the message gives only its CRN: Delius knows the number.
    Linked {
        crn: Crn,
        /// The number that the case had before, when the message names it.
        former: Option<NomsNumber>,
        message: Message,
    },
    /// An identifier of a person changed.
    Identity { change: IdentityChange, message: Message },
    /// The sentence of this person changed: their handover dates may fit now.
    SentenceChanged(Crn, Message),
    /// The cached record of this person is out of date, and that is all.
    ChangeFeed(Crn),
    /// This person is to be erased. Asked for at that time.
    ErasureRequested(Crn, DateTime<Utc>),
    /// It cannot become events: to be parked.
    Park(Parking),
}

/// Why a message is parked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parking {
    /// The reason's name.
    pub reason: ParkReason,
    /// What is wrong and what to do, without values of the message.
    pub detail: String,
}

/// The reasons for parking a message, as stored and shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names say it; the README explains each")]
pub enum ParkReason {
    InvalidMessage,
    UnhandledEventType,
    MissingIdentifier,
    InvalidIdentifier,
    IdentifierMismatch,
    MissingDetailUrl,
    ForeignDetailUrl,
    DetailNotFound,
    UnexpectedStatus,
    InvalidDetail,
    MessageIdReused,
    InvalidSignature,
    Unavailable,
    Fault,
}

impl ParkReason {
    /// The name as stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidMessage => "InvalidMessage",
            Self::UnhandledEventType => "UnhandledEventType",
            Self::MissingIdentifier => "MissingIdentifier",
            Self::InvalidIdentifier => "InvalidIdentifier",
            Self::IdentifierMismatch => "IdentifierMismatch",
            Self::MissingDetailUrl => "MissingDetailUrl",
            Self::ForeignDetailUrl => "ForeignDetailUrl",
            Self::DetailNotFound => "DetailNotFound",
            Self::UnexpectedStatus => "UnexpectedStatus",
            Self::InvalidDetail => "InvalidDetail",
            Self::MessageIdReused => "MessageIdReused",
            Self::InvalidSignature => "InvalidSignature",
            Self::Unavailable => "Unavailable",
            Self::Fault => "Fault",
        }
    }

    pub(crate) fn because(self, detail: impl Into<String>) -> Parking {
        Parking { reason: self, detail: detail.into() }
    }
}

impl From<IdentifierFault> for Parking {
    fn from(fault: IdentifierFault) -> Self {
        let reason = match fault {
            IdentifierFault::Missing(_) => ParkReason::MissingIdentifier,
            IdentifierFault::Invalid(_) => ParkReason::InvalidIdentifier,
        };
        reason.because(fault.to_string())
    }
}

pub(super) const SENTENCE_CHANGED: &str = "SENTENCE_CHANGED";

const PRISONER_MERGED: &str = "prison-offender-events.prisoner.merged";
const BOOKING_MOVED: &str = "prison-offender-events.prisoner.booking.moved";
const CASES_MERGED: &str = "probation-case.merge.completed";
const CASES_UNMERGED: &str = "probation-case.unmerge.completed";

/// The probation service asks for the erasure of a person.
const CASE_DELETED: &str = "probation-case.deleted.gdpr";

/// The event types that say that an identifier of a person changed.
const IDENTITY: [&str; 4] = [PRISONER_MERGED, BOOKING_MOVED, CASES_MERGED, CASES_UNMERGED];

/// The members of `additionalInformation` that name a person, in messages about identifiers.
const NAMED_IDENTIFIERS: [&str; 9] = [
    "previousNomsNumber",
    "nomsNumber",
    "removedNomsNumber",
    "movedFromNomsNumber",
    "movedToNomsNumber",
    "sourceCRN",
    "targetCRN",
    "reactivatedCRN",
    "unmergedCRN",
];

/// A case got its NOMS number, or another one.
const LINKED: [&str; 2] =
    ["probation-case.prison-identifier.added", "probation-case.prison-identifier.updated"];

/// The event types after which a cached case record is out of date, and which do nothing more.
const CHANGE_FEED: [&str; 15] = [
    "OFFENDER_MANAGER_CHANGED",
    "OFFENDER_OFFICER_CHANGED",
    "OFFENDER_DETAILS_CHANGED",
    "OFFENDER_CHANGED",
    "OFFENDER_REGISTRATION_CHANGED",
    "OFFENDER_REGISTRATION_DELETED",
    "OFFENDER_REGISTRATION_DEREGISTERED",
    "CONVICTION_CHANGED",
    "OFFENDER_MANAGEMENT_TIER_CALCULATION_REQUIRED",
    "probation-case.registration.added",
    "probation-case.registration.updated",
    "probation-case.registration.deleted",
    "probation-case.registration.deregistered",
    "tier.calculation.complete",
    TIER_CHANGED,
];

/// Sent before Delius has the new tier.
const TIER_CHANGED: &str = "tier.calculation.changed";

/// The event type of our own bulk run.
pub const BULK_UPDATE: &str = "pom-handover-dates.internal.bulk-update";

/// Whether a message of this type drops cached case records once more after a while: it is sent before Delius is
/// written, and whoever reads in between caches the old value.
pub(super) fn drops_again(event_type: Option<&str>) -> bool {
    event_type == Some(TIER_CHANGED)
}

/// Whether a message of this type drops cached case records.
pub fn drops_records(event_type: &str) -> bool {
    event_type == SENTENCE_CHANGED
        || LINKED.contains(&event_type)
        || IDENTITY.contains(&event_type)
        || event_type == CASE_DELETED
        || CHANGE_FEED.contains(&event_type)
}

/// Whose cached records the message makes out of date: whoever it names, whatever else is wrong with it. By both
/// identifiers, as a NOMS number that moved to this person outdates whoever had it before.
pub fn outdated(parsed: &Parsed) -> Vec<PersonId> {
    if !parsed.event_type.as_deref().is_some_and(drops_records) {
        return vec![];
    }
    let by_noms = parsed.event.noms().ok().map(PersonId::Noms);
    let by_crn = parsed.event.crn().ok().map(PersonId::Crn);
    let named = NAMED_IDENTIFIERS
        .iter()
        .filter_map(|member| parsed.event.information(member)?.as_str()?.parse().ok());
    let mut outdated: Vec<PersonId> = by_noms.into_iter().chain(by_crn).chain(named).collect();
    outdated.sort();
    outdated.dedup();
    outdated
}

/// Routes a parsed message. What it says happened must have been possible at `now`: a message of tomorrow that was
/// parked is accepted once the time has come, though it was received before.
pub fn route(
    parsed: &Parsed,
    evidence: Evidence,
    received_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> MessageRoute {
    decide(parsed, evidence, received_at, now).unwrap_or_else(MessageRoute::Park)
}

fn decide(
    parsed: &Parsed,
    evidence: Evidence,
    received_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<MessageRoute, Parking> {
    let event = &parsed.event;
    let Some(event_type) = parsed.event_type.as_deref() else {
        return Err(ParkReason::InvalidMessage
            .because("eventType is missing, both as message attribute and in the event; set one of them"));
    };
    let message_at = |occurred_at: Result<DateTime<Utc>, Malformed>| -> Result<Message, Parking> {
        Ok(Message {
            under: None,
            id: parsed.message_id.clone(),
            event_type: event_type.to_owned(),
            occurred_at: occurred_at.map_err(|wrong| ParkReason::InvalidMessage.because(wrong.0))?,
            received_at,
            evidence,
        })
    };
    // For an effect at the time of the event.
    let message = || event.occurred_at(now);
    // For an effect that is the same whenever it happened.
    let timeless = || event.occurred_at_or_received(now, received_at);
    Ok(match event_type {
        "offender-management.allocation.changed" | "offender-management.pom.allocated" => {
            let (noms, message, address) = (event.noms()?, message_at(message())?, detail_address(event)?);
            let stated = stated_allocation(event)?;
            MessageRoute::Command(
                noms.clone(),
                CaseCommand::RecordAllocation { noms, message, stated, address },
            )
        }
        "offender-management.handover.changed" => {
            let (noms, message, address) = (event.noms()?, message_at(timeless())?, detail_address(event)?);
            let command =
                CaseCommand::RecordHandover { noms: noms.clone(), message, address, dry_run: false };
            MessageRoute::Command(noms, command)
        }
        BULK_UPDATE => {
            let (noms, message, dry_run) = (event.noms()?, message_at(timeless())?, dry_run(event)?);
            let address = DetailAddress::OfCase;
            let command = CaseCommand::RecordHandover { noms: noms.clone(), message, address, dry_run };
            MessageRoute::Command(noms, command)
        }
        linked if LINKED.contains(&linked) => linked_number(event, message_at(message())?)?,
        PRISONER_MERGED => {
            let (from, to) = (noms_in(event, "removedNomsNumber")?, noms_in(event, "nomsNumber")?);
            replaced(from, to, IdentityReason::PrisonRecordsMerged, None, message_at(message())?)
        }
        BOOKING_MOVED => {
            let (from, to) = (noms_in(event, "movedFromNomsNumber")?, noms_in(event, "movedToNomsNumber")?);
            replaced(from, to, IdentityReason::BookingMoved, None, message_at(message())?)
        }
        CASES_MERGED => {
            let (from, to) = (crn_in(event, "sourceCRN")?, crn_in(event, "targetCRN")?);
            cases(from, to, IdentityReason::CasesMerged, message_at(message())?)
        }
        CASES_UNMERGED => {
            let (from, to) = (crn_in(event, "unmergedCRN")?, crn_in(event, "reactivatedCRN")?);
            cases(from, to, IdentityReason::CasesUnmerged, message_at(message())?)
        }
        SENTENCE_CHANGED => MessageRoute::SentenceChanged(event.crn()?, message_at(timeless())?),
        feed if CHANGE_FEED.contains(&feed) => MessageRoute::ChangeFeed(event.crn()?),
        CASE_DELETED => {
            let requested_at = timeless().map_err(|wrong| ParkReason::InvalidMessage.because(wrong.0))?;
            MessageRoute::ErasureRequested(event.crn()?, requested_at)
        }
        _ => {
            return Err(ParkReason::UnhandledEventType
                .because("no rule for this event type; skip it, or retry it with a version that has one"));
        }
    })
}

/// A case has this NOMS number; with `previousNomsNumber` it had another one before.
fn linked_number(event: &Event, message: Message) -> Result<MessageRoute, Parking> {
    let former: Option<NomsNumber> = match event.information("previousNomsNumber") {
        None | Some(Value::Null) => None,
        Some(_) => Some(noms_in(event, "previousNomsNumber")?),
    };
    let (noms, crn) = match (event.noms(), event.crn()) {
        (Err(_), Ok(crn)) => return Ok(MessageRoute::Linked { crn, former, message }),
        (noms, crn) => (noms?, crn.ok()),
    };
    Ok(match former.filter(|former| *former != noms) {
        Some(former) => replaced(former, noms, IdentityReason::NumberReplaced, crn, message),
        None => MessageRoute::Command(noms.clone(), CaseCommand::LinkIdentifier { noms, crn, message }),
    })
}

fn replaced(
    from: NomsNumber,
    to: NomsNumber,
    reason: IdentityReason,
    crn: Option<Crn>,
    message: Message,
) -> MessageRoute {
    let change = IdentityChange { from: PersonId::Noms(from), to: PersonId::Noms(to), reason, crn };
    MessageRoute::Identity { change, message }
}

fn cases(from: Crn, to: Crn, reason: IdentityReason, message: Message) -> MessageRoute {
    let change = IdentityChange { from: PersonId::Crn(from), to: PersonId::Crn(to), reason, crn: None };
    MessageRoute::Identity { change, message }
}

fn noms_in(event: &Event, member: &str) -> Result<NomsNumber, Parking> {
    identifier_in(event, member)
}

fn crn_in(event: &Event, member: &str) -> Result<Crn, Parking> {
    identifier_in(event, member)
}

/// An identifier in `additionalInformation`.
fn identifier_in<T: FromStr<Err = InvalidIdentifier>>(event: &Event, member: &str) -> Result<T, Parking> {
    match event.information(member).and_then(Value::as_str) {
        None => Err(ParkReason::MissingIdentifier
            .because(format!("additionalInformation.{member} is missing or not a text"))),
        Some(text) => text.parse().map_err(|error| {
            ParkReason::InvalidIdentifier.because(format!("additionalInformation.{member} is {error}"))
        }),
    }
}

fn detail_address(event: &Event) -> Result<DetailAddress, Parking> {
    match event.detail_url() {
        Some(url) => Ok(DetailAddress::Given(url.to_owned())),
        None => Err(ParkReason::MissingDetailUrl.because("detailUrl is missing or not a text")),
    }
}

/// What the event itself says of the allocation. Staff code and prison belong together; a null staff code alone
/// says that the POM was removed.
fn stated_allocation(event: &Event) -> Result<StatedAllocation, Parking> {
    let staff_code = match event.information("staffCode") {
        None => return Ok(StatedAllocation::Unstated),
        Some(Value::Null) => return Ok(StatedAllocation::Deallocated),
        Some(Value::Number(number)) => whole(number),
        Some(Value::String(text)) => text.trim().parse().ok(),
        Some(_) => None,
    };
    let Some(staff_code) = staff_code else {
        return Err(ParkReason::InvalidMessage
            .because("additionalInformation.staffCode is neither a whole number nor null"));
    };
    match event.information("prisonId") {
        None | Some(Value::Null) => Ok(StatedAllocation::Unstated),
        Some(prison) => {
            let prison: Option<PrisonCode> = prison.as_str().and_then(|text| text.parse().ok());
            let prison = prison.ok_or_else(|| {
                ParkReason::InvalidMessage
                    .because("additionalInformation.prisonId is not a prison code, for example LEI")
            })?;
            Ok(StatedAllocation::Allocated { staff_code, prison })
        }
    }
}

/// `485926.0` is a whole number too.
fn whole(number: &serde_json::Number) -> Option<i64> {
    let exact = number.as_f64().filter(|it| it.fract() == 0.0 && it.abs() < 9e15);
    number.as_i64().or_else(|| exact.map(|it| it as i64))
}

/// The flag of a bulk run. Anything but a boolean is refused: a dry run that writes is worse than none.
fn dry_run(event: &Event) -> Result<bool, Parking> {
    match event.information("dryRun") {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(Value::String(text)) if text.eq_ignore_ascii_case("true") => Ok(true),
        Some(Value::String(text)) if text.eq_ignore_ascii_case("false") => Ok(false),
        Some(_) => {
            Err(ParkReason::InvalidMessage.because("additionalInformation.dryRun is neither true nor false"))
        }
    }
}
