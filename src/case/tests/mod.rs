//! The case: given events, when a command comes, then these events.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod allocations;
mod another_person;
mod events;
mod handover;
mod identifier_linked;
mod identity_changed;
mod outcomes;
mod reassert;
mod timeline;
mod unreflected;

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};
use cqrs_es::{Aggregate, event_sink::EventSink, test::TestFramework};

use super::{
    identity::{Identities, IdentityFact, IdentityStatement},
    *,
};

type Harness = TestFramework<Case>;

/// Answers as it was told to, and knows the staff it was told of.
struct Told {
    allocation: Mutex<Result<AllocationAnswer, FetchError>>,
    handover: Mutex<Result<HandoverAnswer, FetchError>>,
    staff: Vec<StaffMember>,
}

fn fetched(staff: Option<StaffMember>) -> Fetched {
    Fetched {
        url: "https://mpc.example/api".into(),
        status: 200,
        at: time("2026-07-05T12:00:00Z"),
        answer: Evidence::of("{}"),
        staff,
    }
}

#[async_trait]
impl ManagePomCases for Told {
    async fn allocation(
        &self,
        _: &NomsNumber,
        _: &DetailAddress,
    ) -> Result<(AllocationAnswer, Fetched), FetchError> {
        let answer = self.allocation.lock().unwrap().clone()?;
        Ok((answer, fetched(None)))
    }

    async fn handover(
        &self,
        _: &NomsNumber,
        _: &DetailAddress,
    ) -> Result<(HandoverAnswer, Fetched), FetchError> {
        Ok((self.handover.lock().unwrap().clone()?, fetched(None)))
    }
}

#[async_trait]
impl StaffDirectory for Told {
    async fn find(&self, staff_code: i64) -> Result<Option<StaffMember>, FetchError> {
        Ok(self.staff.iter().find(|staff| staff.code == staff_code).cloned())
    }
}

/// Knows these facts about the identifiers of persons.
struct GivenCase(Vec<IdentityFact>);

#[async_trait]
impl KnownIdentities for GivenCase {
    async fn around(&self, _: &NomsNumber, _: Option<&Crn>) -> Result<Identities, FetchError> {
        Ok(Identities::of(self.0.clone()))
    }
}

struct World {
    allocation: AllocationAnswer,
    handover: HandoverAnswer,
    staff: Vec<StaffMember>,
    identities: Vec<IdentityFact>,
}

impl Default for World {
    fn default() -> Self {
        Self {
            allocation: AllocationAnswer::NotAllocated,
            handover: HandoverAnswer::NotFound,
            staff: vec![],
            identities: vec![],
        }
    }
}

impl World {
    fn harness(self) -> Harness {
        TestFramework::with(self.services())
    }

    fn services(self) -> CaseServices {
        let told = Arc::new(Told {
            allocation: Mutex::new(Ok(self.allocation)),
            handover: Mutex::new(Ok(self.handover)),
            staff: self.staff,
        });
        CaseServices { mpc: told.clone(), staff: told, identities: Arc::new(GivenCase(self.identities)) }
    }
}

fn time(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn day(day: u32) -> DateTime<Utc> {
    time(&format!("2026-07-{day:02}T09:00:00Z"))
}

fn noms() -> NomsNumber {
    "A1234BC".parse().unwrap()
}

fn lei() -> PrisonCode {
    "LEI".parse().unwrap()
}

fn ada() -> StaffMember {
    StaffMember { code: 1, forename: "ADA".into(), surname: "BYRON".into(), email: None }
}

fn mary() -> StaffMember {
    StaffMember { code: 2, forename: "MARY".into(), surname: "SOMERVILLE".into(), email: None }
}

fn pom_of(staff: &StaffMember) -> Pom {
    Pom {
        prison: lei(),
        staff_code: staff.code,
        forename: staff.forename.clone(),
        surname: staff.surname.clone(),
        email: staff.email.clone(),
    }
}

fn message(id: &str, on: u32) -> Message {
    Message {
        id: id.into(),
        event_type: "offender-management.allocation.changed".into(),
        occurred_at: day(on),
        received_at: time("2026-07-05T11:59:59Z"),
        evidence: Evidence::of("{}"),
        under: None,
    }
}

fn allocated_now(staff: StaffMember) -> AllocationAnswer {
    AllocationAnswer::Allocated { staff, prison: lei() }
}

fn states(staff: &StaffMember) -> StatedAllocation {
    StatedAllocation::Allocated { staff_code: staff.code, prison: lei() }
}

fn allocation_of(message: Message, stated: StatedAllocation) -> CaseCommand {
    CaseCommand::RecordAllocation { noms: noms(), message, stated, address: DetailAddress::OfCase }
}

fn allocated(id: &str, on: u32, staff: &StaffMember, named_by: NameSource) -> CaseEvent {
    CaseEvent::PomAllocated {
        provenance: message(id, on).provenance(vec![fetched(None)]),
        at: day(on),
        pom: pom_of(staff),
        named_by,
        reflects: None,
        followed_by: None,
    }
}

fn deallocated(id: &str, on: u32) -> CaseEvent {
    CaseEvent::PomDeallocated {
        provenance: message(id, on).provenance(vec![fetched(None)]),
        at: day(on),
        followed_by: None,
    }
}

fn superseded(id: &str, on: u32, staff: &StaffMember) -> CaseEvent {
    CaseEvent::AllocationSuperseded {
        provenance: message(id, on).provenance(vec![fetched(None)]),
        at: day(on),
        prison: lei(),
        staff_code: staff.code,
    }
}

fn result(write: WriteRef, intent: DeliusWrite, name: OutcomeName) -> WriteResult {
    let outcome = WriteOutcome { name, applied_at: day(6), changes: vec![], properties: Default::default() };
    WriteResult { write, intent, attempt: 1, outcome, code_version: CODE_VERSION.into() }
}

fn refused(write: WriteRef, intent: DeliusWrite, name: OutcomeName) -> CaseEvent {
    CaseEvent::DeliusWriteRefused(result(write, intent, name))
}

fn not_ready(id: &str, on: u32) -> CaseEvent {
    CaseEvent::AllocationNotReady { provenance: message(id, on).provenance(vec![fetched(None)]), at: day(on) }
}

fn hold(on: u32, staff: &StaffMember) -> DeliusWrite {
    DeliusWrite::AllocatePom { at: day(on), pom: pom_of(staff), overtaken: false }
}

/// The dates of `handover::changed`, as a write.
fn set_dates() -> DeliusWrite {
    DeliusWrite::SetHandoverDates {
        handover_date: NaiveDate::from_ymd_opt(2026, 9, 1),
        handover_start_date: None,
        dry_run: false,
    }
}

/// The case as these events made it.
fn case_of(events: impl IntoIterator<Item = CaseEvent>) -> Case {
    let mut case = Case::default();
    events.into_iter().for_each(|event| case.apply_event(event));
    case
}

/// What the case decides, where only a part of it matters.
async fn decided(mut case: Case, command: CaseCommand) -> Vec<CaseEvent> {
    let sink = EventSink::default();
    case.handle(command, &World::default().services(), &sink).await.unwrap();
    sink.collect().await
}

/// The relay settled the write with this name and no changed rows.
fn settled_as(write: WriteRef, intent: DeliusWrite, name: OutcomeName) -> CaseCommand {
    let WriteResult { write, intent, attempt, outcome, .. } = result(write, intent, name);
    CaseCommand::RecordOutcome { write, intent, attempt, outcome }
}

fn retry_of(write: WriteRef) -> CaseCommand {
    CaseCommand::RetryWrite { write, by: "op".into(), why: "why".into() }
}

fn first(sequence: u64) -> WriteRef {
    WriteRef { sequence, ordinal: 0 }
}
