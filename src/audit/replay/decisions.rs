//! Would today's code decide the same? Every stored event is decided again from what was kept with it: the bytes of
//! the message, the answers fetched for it, what an operator or Delius said. Nothing is asked and nothing is written.

use std::{collections::BTreeMap, fmt, sync::Arc};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use cqrs_es::{Aggregate, event_sink::EventSink};
use serde_json::Value;

use crate::{
    audit::replay::diff,
    case::{
        Case, CaseCommand, CaseEvent, CaseServices, Crn, DetailAddress, FetchError, KnownIdentities, Message,
        NameSource, NomsNumber, Pom, Provenance, StaffDirectory, StaffMember,
        identity::{Identities, IdentityFact, IdentityStatement},
    },
    ingest::{
        Delivery, message,
        route::{MessageRoute, route},
    },
    mpc::RecordedAnswers,
};

/// The first event that today's code would record otherwise.
#[derive(Debug, Clone, PartialEq)]
pub struct OtherDecision {
    /// Whose case.
    pub case: String,
    /// Its place in the stream.
    pub sequence: u64,
    /// Name of the stored event.
    pub event: &'static str,
    /// What today's code does.
    pub today: Today,
}

/// What today's code does with what led to a stored event.
#[derive(Debug, Clone, PartialEq)]
pub enum Today {
    /// It records something else.
    Records {
        /// What is stored.
        stored: Value,
        /// What is recorded today.
        today: Value,
    },
    /// It records nothing.
    RecordsNothing,
    /// It cannot decide.
    Fails(String),
}

impl OtherDecision {
    /// An event that is not there cannot be decided again, nor can what follows it.
    pub(crate) fn missing(noms: &NomsNumber, sequence: u64) -> Self {
        let today = Today::Fails("it is missing in the stream of the case".to_owned());
        Self { case: noms.to_string(), sequence, event: "which is not there", today }
    }
}

impl fmt::Display for OtherDecision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "case {}, event {} ({}):", self.case, self.sequence, self.event)?;
        match &self.today {
            Today::Records { stored, today } => f.write_str(&diff::diff(stored, today)),
            Today::RecordsNothing => writeln!(f, "today nothing would be recorded"),
            Today::Fails(why) => writeln!(f, "today it could not be decided: {why}"),
        }
    }
}

/// Decides every event of a case again, in the order of the stream, which begins at 1 and has no gap; the first difference, when there is one.
pub async fn decide_again(noms: &NomsNumber, events: &[CaseEvent]) -> Result<(), Box<OtherDecision>> {
    let mut case = Case::default();
    let mut index = 0;
    while let Some(stored) = events.get(index) {
        let other = |index: usize, today| {
            let (case, event) = (noms.to_string(), events[index].name());
            Err(Box::new(OtherDecision { case, sequence: index as u64 + 1, event, today }))
        };
        let decided = match decide(&case, noms, stored).await {
            Ok(decided) if decided.is_empty() => return other(index, Today::RecordsNothing),
            Ok(decided) => decided,
            Err(why) => return other(index, Today::Fails(why)),
        };
        for today in decided {
            let Some(stored) = events.get(index) else {
                let today = comparable(&today);
                return other(index - 1, Today::Records { stored: Value::Null, today });
            };
            let (stored_value, today) = (comparable(stored), comparable(&today));
            if stored_value != today {
                return other(index, Today::Records { stored: stored_value, today });
            }
            case.apply(stored.clone());
            index += 1;
        }
    }
    Ok(())
}

/// What today's code records for what led to the event (which may be several events).
async fn decide(case: &Case, noms: &NomsNumber, stored: &CaseEvent) -> Result<Vec<CaseEvent>, String> {
    let command = command(noms, stored)?;
    let fetched = stored.provenance().map_or(&[][..], |provenance| &provenance.fetched);
    let services = CaseServices {
        mpc: Arc::new(RecordedAnswers::new(fetched)),
        staff: Arc::new(DirectoryThen(directory_entry(stored))),
        identities: Arc::new(IdentitiesThen(facts_then(noms, stored))),
    };
    let (mut case, sink) = (case.clone(), EventSink::default());
    case.handle(command, &services, &sink).await.map_err(|error| error.to_string())?;
    Ok(sink.collect().await)
}

/// The version of the code is what a replay is meant to differ in.
fn comparable(event: &CaseEvent) -> Value {
    fn without_version(value: &mut Value) {
        match value {
            Value::Object(members) => {
                members.remove("codeVersion");
                members.values_mut().for_each(without_version);
            }
            Value::Array(items) => items.iter_mut().for_each(without_version),
            _ => {}
        }
    }
    // Serialising a plain structure does not fail.
    let mut value = serde_json::to_value(event).unwrap_or(Value::Null);
    without_version(&mut value);
    value
}

fn command(noms: &NomsNumber, stored: &CaseEvent) -> Result<CaseCommand, String> {
    match stored {
        CaseEvent::DeliusUpdated(result)
        | CaseEvent::DeliusUnchanged(result)
        | CaseEvent::DeliusWriteRefused(result) => Ok(CaseCommand::RecordOutcome {
            write: result.write,
            intent: result.intent.clone(),
            attempt: result.attempt,
            outcome: result.outcome.clone(),
        }),
        CaseEvent::DeliusWriteParked { write, attempts, error } => {
            Ok(CaseCommand::ParkWrite { write: *write, attempts: *attempts, error: error.clone() })
        }
        CaseEvent::DeliusWriteRetried { write, by, why, .. } => {
            Ok(CaseCommand::RetryWrite { write: *write, by: by.clone(), why: why.clone() })
        }
        CaseEvent::DeliusWriteSkipped { write, by, why } => {
            Ok(CaseCommand::SkipWrite { write: *write, by: by.clone(), why: why.clone() })
        }
        CaseEvent::WritesReasserted { released, inherited, by, why } => Ok(CaseCommand::Reassert {
            writes: released.clone(),
            inherited: inherited.clone(),
            by: by.clone(),
            why: why.clone(),
        }),
        CaseEvent::PomAllocated { reflects: Some(_), pom, .. } => {
            Ok(CaseCommand::ReflectAllocations { staff: staff(pom) })
        }
        CaseEvent::IdentityChanged { provenance, change, role, inherited, .. } => {
            Ok(CaseCommand::ChangeIdentity {
                noms: noms.clone(),
                message: message_of(provenance),
                change: change.clone(),
                role: *role,
                inherited: inherited.clone(),
            })
        }
        CaseEvent::PomAllocated { provenance, reflects: None, .. }
        | CaseEvent::PomDeallocated { provenance, .. }
        | CaseEvent::AllocationNotReady { provenance, .. }
        | CaseEvent::AllocationSuperseded { provenance, .. }
        | CaseEvent::HandoverDatesChanged { provenance, .. }
        | CaseEvent::HandoverNotFound { provenance }
        | CaseEvent::MessageNotApplicable { provenance, .. }
        | CaseEvent::IdentifierLinked { provenance, .. } => command_of_message(noms, stored, provenance),
    }
}

fn command_of_message(
    noms: &NomsNumber,
    stored: &CaseEvent,
    provenance: &Provenance,
) -> Result<CaseCommand, String> {
    let delivery = Delivery {
        body: provenance.message.body.clone().into_bytes(),
        attributes: BTreeMap::from([("eventType".to_owned(), provenance.event_type.clone())]),
        sqs_id: message::sqs_id(&provenance.message_id),
        receive_count: 1,
        received_at: provenance.received_at,
    };
    let parsed = message::parse(&delivery).1.map_err(|malformed| malformed.0)?;
    match route(&parsed, provenance.message.clone(), provenance.received_at, chrono::Utc::now()) {
        // The message may name a former number of the person.
        MessageRoute::Command(routed, command) if provenance.under.as_ref() == Some(&routed) => {
            Ok(command.moved_to(noms))
        }
        MessageRoute::Command(routed, command) if routed == *noms => Ok(command),
        MessageRoute::Command(..) => Err("the message is about another case".into()),
        // Whose NOMS number it was, Delius said then.
        MessageRoute::Linked { crn, message, .. } => {
            Ok(CaseCommand::LinkIdentifier { noms: noms.clone(), crn: Some(crn), message })
        }
        MessageRoute::Identity { .. } => Err("the message is about identifiers".into()),
        // Which of the two it was, Delius said then.
        MessageRoute::SentenceChanged(_, message) => {
            Ok(if let CaseEvent::MessageNotApplicable { reason, .. } = stored {
                CaseCommand::RecordNotApplicable { message, reason: reason.clone() }
            } else {
                let (noms, address) = (noms.clone(), DetailAddress::OfCase);
                CaseCommand::RecordHandover { noms, message, address, dry_run: false }
            })
        }
        MessageRoute::ChangeFeed(_) => Err("the message is of the change feed".into()),
        MessageRoute::ErasureRequested(..) => Err("the message asks for an erasure".into()),
        MessageRoute::Park(parking) => Err(format!("the message would be parked: {}", parking.detail)),
    }
}

/// The message as the case got it.
fn message_of(provenance: &Provenance) -> Message {
    Message {
        id: provenance.message_id.clone(),
        event_type: provenance.event_type.clone(),
        occurred_at: provenance.occurred_at,
        received_at: provenance.received_at,
        evidence: provenance.message.clone(),
        under: provenance.under.clone(),
    }
}

fn staff(pom: &Pom) -> StaffMember {
    StaffMember {
        code: pom.staff_code,
        forename: pom.forename.clone(),
        surname: pom.surname.clone(),
        email: pom.email.clone(),
    }
}

/// What the directory of staff codes must have said when the event was decided.
fn directory_entry(stored: &CaseEvent) -> Option<StaffMember> {
    if let CaseEvent::PomAllocated { named_by: NameSource::Directory, pom, .. } = stored {
        Some(staff(pom))
    } else {
        None
    }
}

/// What must have been known about identifiers when the event was decided: that the number was the person's.
fn facts_then(noms: &NomsNumber, stored: &CaseEvent) -> Vec<IdentityFact> {
    if let CaseEvent::IdentityChanged { given_on: Some(at), .. } = stored {
        return later_owner(noms, *at);
    }
    let CaseEvent::IdentifierLinked { provenance, new_person, .. } = stored else { return vec![] };
    if provenance.fetched.is_empty() {
        // Nothing was asked: the person had another number since.
        return replaced(noms, provenance.occurred_at + TimeDelta::seconds(1));
    }
    // Another person's CRN had the number before, and it was out of use.
    if *new_person { former_owner(noms, provenance.occurred_at) } else { vec![] }
}

fn replaced(noms: &NomsNumber, at: DateTime<Utc>) -> Vec<IdentityFact> {
    // Which number took its place does not matter for the decision.
    let to = "Z0000ZZ".parse().ok();
    let statement = to.map(|to| IdentityStatement::Replaced { from: noms.clone(), to });
    statement.map(|statement| IdentityFact { at, statement }).into_iter().collect()
}

fn former_owner(noms: &NomsNumber, at: DateTime<Utc>) -> Vec<IdentityFact> {
    let before = at - TimeDelta::seconds(1);
    owned_by("Z000000", noms, before).into_iter().chain(replaced(noms, before)).collect()
}

fn later_owner(noms: &NomsNumber, at: DateTime<Utc>) -> Vec<IdentityFact> {
    let former = owned_by("Z000000", noms, DateTime::UNIX_EPOCH);
    former.into_iter().chain(owned_by("Z000001", noms, at)).collect()
}

fn owned_by(crn: &str, noms: &NomsNumber, at: DateTime<Utc>) -> Option<IdentityFact> {
    let statement = IdentityStatement::Holds { crn: crn.parse().ok()?, noms: noms.clone() };
    Some(IdentityFact { at, statement })
}

struct IdentitiesThen(Vec<IdentityFact>);

#[async_trait]
impl KnownIdentities for IdentitiesThen {
    async fn around(&self, _: &NomsNumber, _: Option<&Crn>) -> Result<Identities, FetchError> {
        Ok(Identities::of(self.0.clone()))
    }
}

struct DirectoryThen(Option<StaffMember>);

#[async_trait]
impl StaffDirectory for DirectoryThen {
    async fn find(&self, staff_code: i64) -> Result<Option<StaffMember>, FetchError> {
        Ok(self.0.clone().filter(|staff| staff.code == staff_code))
    }
}
