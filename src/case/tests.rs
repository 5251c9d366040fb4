//! The case: given events, when a command comes, then these events.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};
use cqrs_es::test::TestFramework;

use super::*;

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

struct World {
    allocation: AllocationAnswer,
    handover: HandoverAnswer,
    staff: Vec<StaffMember>,
}

impl Default for World {
    fn default() -> Self {
        Self { allocation: AllocationAnswer::NotAllocated, handover: HandoverAnswer::NotFound, staff: vec![] }
    }
}

impl World {
    fn harness(self) -> Harness {
        let told = Arc::new(Told {
            allocation: Mutex::new(Ok(self.allocation)),
            handover: Mutex::new(Ok(self.handover)),
            staff: self.staff,
        });
        TestFramework::with(CaseServices { mpc: told.clone(), staff: told })
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
        staff_code: Some(staff.code),
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

fn refused(write: WriteRef, intent: DeliusWrite, name: OutcomeName) -> CaseEvent {
    let outcome = WriteOutcome { name, applied_at: day(6), changes: vec![], properties: Default::default() };
    CaseEvent::DeliusWriteRefused(WriteResult {
        write,
        intent,
        attempt: 1,
        outcome,
        code_version: CODE_VERSION.into(),
    })
}

fn first(sequence: u64) -> WriteRef {
    WriteRef { sequence, ordinal: 0 }
}

mod allocations {
    use super::*;

    async fn expect(stated: StatedAllocation, world: World, event: CaseEvent) {
        let command = allocation_of(message("m1", 1), stated);
        world.harness().given_no_previous_events().when_async(command).await.then_expect_events(vec![event]);
    }

    #[tokio::test]
    async fn a_message_that_states_nothing_is_recorded_from_the_answer() {
        let world = World { allocation: allocated_now(ada()), ..World::default() };
        expect(StatedAllocation::Unstated, world, allocated("m1", 1, &ada(), NameSource::Answer)).await;
        expect(StatedAllocation::Unstated, World::default(), deallocated("m1", 1)).await;
    }

    #[tokio::test]
    async fn a_stated_code_that_the_answer_confirms_takes_name_and_email_from_the_answer() {
        let with_mail = StaffMember { email: Some("ada.byron@example.org".into()), ..ada() };
        // The prison is that of the message, even where the person has moved since.
        let moved = AllocationAnswer::Allocated { staff: with_mail.clone(), prison: "MDI".parse().unwrap() };
        let world = World { allocation: moved, ..World::default() };
        expect(states(&ada()), world, allocated("m1", 1, &with_mail, NameSource::Answer)).await;
    }

    #[tokio::test]
    async fn a_stated_code_that_is_replaced_already_is_named_by_the_directory() {
        for allocation in [allocated_now(mary()), AllocationAnswer::NotAllocated] {
            let world = World { allocation, staff: vec![ada()], ..World::default() };
            expect(states(&ada()), world, allocated("m1", 1, &ada(), NameSource::Directory)).await;
        }
    }

    #[tokio::test]
    async fn a_stated_code_that_nobody_ever_named_waits_as_superseded() {
        for allocation in [allocated_now(mary()), AllocationAnswer::NotAllocated] {
            let world = World { allocation, ..World::default() };
            expect(states(&ada()), world, superseded("m1", 1, &ada())).await;
        }
    }

    #[tokio::test]
    async fn a_stated_removal_needs_no_confirmation() {
        for allocation in [allocated_now(ada()), AllocationAnswer::NotAllocated] {
            let world = World { allocation, ..World::default() };
            expect(StatedAllocation::Deallocated, world, deallocated("m1", 1)).await;
        }
    }

    #[tokio::test]
    async fn not_ready_is_recorded_whatever_the_message_states() {
        for stated in [StatedAllocation::Unstated, states(&ada()), StatedAllocation::Deallocated] {
            let provenance = message("m1", 1).provenance(vec![fetched(None)]);
            let world = World { allocation: AllocationAnswer::NotReady, ..World::default() };
            expect(stated, world, CaseEvent::AllocationNotReady { provenance, at: day(1) }).await;
        }
    }

    #[tokio::test]
    async fn a_second_delivery_changes_nothing() {
        let world = World { allocation: allocated_now(ada()), ..World::default() };
        world
            .harness()
            .given(vec![allocated("m1", 1, &ada(), NameSource::Answer)])
            .when_async(allocation_of(message("m1", 1), states(&ada())))
            .await
            .then_expect_events(vec![]);
    }

    #[tokio::test]
    async fn a_late_allocation_knows_the_holding_that_follows_it() {
        let world = World { allocation: allocated_now(ada()), staff: vec![mary()], ..World::default() };
        let given = vec![
            allocated("m1", 1, &ada(), NameSource::Answer),
            allocated("m3", 3, &ada(), NameSource::Answer),
        ];
        let mut expected = allocated("m2", 2, &mary(), NameSource::Directory);
        let CaseEvent::PomAllocated { followed_by, .. } = &mut expected else { unreachable!() };
        *followed_by = Some(Holding { at: day(3), pom: Some(pom_of(&ada())) });
        world
            .harness()
            .given(given)
            .when_async(allocation_of(message("m2", 2), states(&mary())))
            .await
            .then_expect_events(vec![expected]);
    }

    #[tokio::test]
    async fn an_unavailable_answer_records_nothing() {
        let down = FetchError::Unavailable { dependency: "Manage POM Cases", reason: "500".into() };
        let told = Arc::new(Told {
            allocation: Mutex::new(Err(down.clone())),
            handover: Mutex::new(Ok(HandoverAnswer::NotFound)),
            staff: vec![],
        });
        TestFramework::<Case>::with(CaseServices { mpc: told.clone(), staff: told })
            .given_no_previous_events()
            .when_async(allocation_of(message("m1", 1), states(&ada())))
            .await
            .then_expect_error(CaseError::Fetch(down));
    }
}

mod unreflected {
    use super::*;

    #[tokio::test]
    async fn what_waited_is_recorded_at_its_own_date_once_the_code_is_known() {
        let mut expected = allocated("m1", 1, &ada(), NameSource::Directory);
        let CaseEvent::PomAllocated { reflects, followed_by, .. } = &mut expected else { unreachable!() };
        *reflects = Some(1);
        *followed_by = Some(Holding { at: day(2), pom: Some(pom_of(&mary())) });
        let given = vec![superseded("m1", 1, &ada()), allocated("m2", 2, &mary(), NameSource::Answer)];
        let command = CaseCommand::ReflectAllocations { staff: ada() };
        World::default()
            .harness()
            .given(given.clone())
            .when_async(command.clone())
            .await
            .then_expect_events(vec![expected.clone()]);
        // And once only.
        let given = given.into_iter().chain([expected]).collect();
        World::default().harness().given(given).when_async(command).await.then_expect_events(vec![]);
    }

    #[tokio::test]
    async fn another_code_reflects_nothing() {
        let command = CaseCommand::ReflectAllocations { staff: mary() };
        let given = vec![superseded("m1", 1, &ada())];
        World::default().harness().given(given).when_async(command).await.then_expect_events(vec![]);
    }
}

mod handover {
    use super::*;

    fn dates() -> HandoverAnswer {
        let handover_date = NaiveDate::from_ymd_opt(2026, 9, 1);
        HandoverAnswer::Dates { handover_date, handover_start_date: None }
    }

    pub(super) fn changed(id: &str, on: u32, dry_run: bool) -> CaseEvent {
        CaseEvent::HandoverDatesChanged {
            provenance: message(id, on).provenance(vec![fetched(None)]),
            handover_date: NaiveDate::from_ymd_opt(2026, 9, 1),
            handover_start_date: None,
            dry_run,
        }
    }

    fn command(dry_run: bool) -> CaseCommand {
        let address = DetailAddress::OfCase;
        CaseCommand::RecordHandover { noms: noms(), message: message("m1", 1), address, dry_run }
    }

    #[tokio::test]
    async fn the_answer_is_recorded_with_its_dry_run_flag() {
        for dry_run in [false, true] {
            let world = World { handover: dates(), ..World::default() };
            let harness = world.harness().given_no_previous_events();
            harness.when_async(command(dry_run)).await.then_expect_events(vec![changed("m1", 1, dry_run)]);
        }
    }

    #[tokio::test]
    async fn no_handover_is_recorded_and_writes_nothing() {
        let provenance = message("m1", 1).provenance(vec![fetched(None)]);
        let expected = CaseEvent::HandoverNotFound { provenance };
        let harness = World::default().harness().given_no_previous_events();
        harness.when_async(command(false)).await.then_expect_events(vec![expected]);
    }

    #[tokio::test]
    async fn a_refused_date_is_not_retried_over_a_newer_one() {
        let intent = DeliusWrite::SetHandoverDates {
            handover_date: NaiveDate::from_ymd_opt(2026, 8, 1),
            handover_start_date: None,
            dry_run: false,
        };
        let given = vec![
            changed("m1", 1, false),
            refused(first(1), intent, OutcomeName::NoActiveCustodialSentence),
            changed("m2", 2, false),
        ];
        let retry = CaseCommand::RetryWrite { write: first(1), by: "op".into(), why: "why".into() };
        let reason = "other handover dates have been recorded since; they must not be overwritten";
        World::default()
            .harness()
            .given(given)
            .when_async(retry)
            .await
            .then_expect_error(CaseError::NotAllowed { write: first(1), reason });
    }
}

mod identifier_linked {
    use super::*;

    fn link() -> CaseCommand {
        CaseCommand::LinkIdentifier { noms: noms(), message: message("link", 4) }
    }

    fn linked(released: Vec<DeliusWrite>) -> CaseEvent {
        let provenance = message("link", 4).provenance(vec![fetched(None), fetched(None)]);
        CaseEvent::IdentifierLinked { provenance, released }
    }

    fn hold(on: u32, staff: &StaffMember) -> DeliusWrite {
        DeliusWrite::AllocatePom { at: day(on), pom: pom_of(staff) }
    }

    #[tokio::test]
    async fn writes_refused_for_want_of_the_person_are_released_at_their_own_dates() {
        let given = vec![
            allocated("m2", 2, &mary(), NameSource::Answer),
            refused(first(1), hold(2, &mary()), OutcomeName::PersonNotFound),
            allocated("m1", 1, &ada(), NameSource::Directory),
            refused(first(3), hold(1, &ada()), OutcomeName::PersonNotFound),
        ];
        let world = World { allocation: allocated_now(mary()), ..World::default() };
        let expected = linked(vec![hold(1, &ada()), hold(2, &mary())]);
        world.harness().given(given).when_async(link()).await.then_expect_events(vec![expected]);
    }

    #[tokio::test]
    async fn what_was_refused_for_another_reason_stays_refused() {
        let given = vec![
            allocated("m1", 1, &ada(), NameSource::Answer),
            refused(first(1), hold(1, &ada()), OutcomeName::UnknownPrison),
        ];
        let world = World { allocation: allocated_now(ada()), ..World::default() };
        world.harness().given(given).when_async(link()).await.then_expect_events(vec![linked(vec![])]);
    }

    #[tokio::test]
    async fn the_present_state_is_added_only_where_it_differs() {
        let same = World { allocation: allocated_now(ada()), ..World::default() };
        let given = vec![allocated("m1", 1, &ada(), NameSource::Answer)];
        same.harness().given(given.clone()).when_async(link()).await.then_expect_events(vec![linked(vec![])]);
        let differs = World { allocation: allocated_now(mary()), ..World::default() };
        differs
            .harness()
            .given(given.clone())
            .when_async(link())
            .await
            .then_expect_events(vec![linked(vec![]), allocated("link", 4, &mary(), NameSource::Answer)]);
        let removed = World::default();
        let expected = vec![linked(vec![]), deallocated("link", 4)];
        removed.harness().given(given).when_async(link()).await.then_expect_events(expected);
    }

    #[tokio::test]
    async fn both_allocation_and_dates_are_fetched_for_a_case_without_history() {
        let handover_date = NaiveDate::from_ymd_opt(2026, 9, 1);
        let handover = HandoverAnswer::Dates { handover_date, handover_start_date: None };
        let world = World { allocation: allocated_now(ada()), handover, ..World::default() };
        world.harness().given_no_previous_events().when_async(link()).await.then_expect_events(vec![
            linked(vec![]),
            allocated("link", 4, &ada(), NameSource::Answer),
            handover::changed("link", 4, false),
        ]);
    }

    #[tokio::test]
    async fn a_late_link_does_not_put_todays_pom_before_what_is_known() {
        let given = vec![allocated("m5", 5, &ada(), NameSource::Answer)];
        let world = World { allocation: allocated_now(mary()), ..World::default() };
        let mut expected = allocated("link", 4, &mary(), NameSource::Answer);
        let CaseEvent::PomAllocated { at, .. } = &mut expected else { unreachable!() };
        *at = fetched(None).at;
        let events = vec![linked(vec![]), expected];
        world.harness().given(given).when_async(link()).await.then_expect_events(events);
    }
}

mod outcomes {
    use super::*;

    #[tokio::test]
    async fn an_outcome_is_recorded_once() {
        let intent = DeliusWrite::DeallocatePom { at: day(1) };
        let given =
            vec![deallocated("m1", 1), refused(first(1), intent.clone(), OutcomeName::PersonNotFound)];
        let outcome = WriteOutcome {
            name: OutcomeName::NoPomChange,
            applied_at: day(6),
            changes: vec![],
            properties: Default::default(),
        };
        let again = CaseCommand::RecordOutcome { write: first(1), intent, attempt: 2, outcome };
        World::default().harness().given(given).when_async(again).await.then_expect_events(vec![]);
    }

    #[tokio::test]
    async fn only_a_parked_write_can_be_skipped() {
        let skip = CaseCommand::SkipWrite { write: first(1), by: "op".into(), why: "why".into() };
        let reason = "only a parked write can be skipped";
        World::default()
            .harness()
            .given(vec![deallocated("m1", 1)])
            .when_async(skip.clone())
            .await
            .then_expect_error(CaseError::NotAllowed { write: first(1), reason });
        let parked = CaseEvent::DeliusWriteParked { write: first(1), attempts: 8, error: "odd".into() };
        let skipped = CaseEvent::DeliusWriteSkipped { write: first(1), by: "op".into(), why: "why".into() };
        World::default()
            .harness()
            .given(vec![deallocated("m1", 1), parked])
            .when_async(skip)
            .await
            .then_expect_events(vec![skipped]);
    }
}
