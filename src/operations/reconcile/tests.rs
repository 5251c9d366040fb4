//! Tables of pictures and what the comparison makes of them.

#![allow(clippy::unwrap_used, clippy::panic)]

mod dates;

use chrono::{DateTime, NaiveDate, Utc};

use crate::{
    case::{
        AllocationAnswer, CaseEvent, DeliusWrite, Evidence, HandoverAnswer, HoldingPeriod, Message,
        NameSource, Pom, Provenance, StaffMember,
    },
    delius::{CurrentHolder, HeldPeriod, Holdings},
    london::wall_clock,
    operations::reconcile::{
        Dates, Difference, Ledgers, Mpc, Note, Recorded, Repair, RepairSubject, Seen, Verdict, compare,
        recorded,
    },
};

fn at(text: &str) -> DateTime<Utc> {
    format!("2026-07-{text}:00Z").parse().unwrap()
}

fn day(number: u32) -> Option<NaiveDate> {
    NaiveDate::from_ymd_opt(2026, 9, number)
}

fn provenance(occurred_at: DateTime<Utc>) -> Provenance {
    let message = Message {
        id: "m".into(),
        event_type: "x".into(),
        occurred_at,
        received_at: occurred_at,
        evidence: Evidence::of("{}"),
        under: None,
    };
    message.provenance(vec![])
}

fn pom(code: i64, surname: &str, prison: &str) -> Pom {
    Pom {
        prison: prison.parse().unwrap(),
        staff_code: code,
        forename: "ADA".into(),
        surname: surname.into(),
        email: None,
    }
}

fn allocated(time: &str, pom: Pom) -> CaseEvent {
    CaseEvent::PomAllocated {
        provenance: provenance(at(time)),
        at: at(time),
        pom,
        named_by: NameSource::Answer,
        reflects: None,
        followed_by: None,
    }
}

fn deallocated(time: &str) -> CaseEvent {
    CaseEvent::PomDeallocated { provenance: provenance(at(time)), at: at(time), followed_by: None }
}

fn superseded(time: &str, staff_code: i64) -> CaseEvent {
    let (provenance, at) = (provenance(at(time)), at(time));
    CaseEvent::AllocationSuperseded { provenance, at, prison: "LEI".parse().unwrap(), staff_code }
}

fn dates(time: &str, start: Option<NaiveDate>, handover: Option<NaiveDate>) -> CaseEvent {
    CaseEvent::HandoverDatesChanged {
        provenance: provenance(at(time)),
        handover_date: handover,
        handover_start_date: start,
        dry_run: false,
    }
}

fn says(code: i64, surname: &str, prison: &str) -> AllocationAnswer {
    let Pom { prison, forename, surname, .. } = pom(code, surname, prison);
    let staff = StaffMember { code, forename, surname, email: None };
    AllocationAnswer::Allocated { staff, prison }
}

fn held(surname: &str, prison: &str, since: &str) -> Option<CurrentHolder> {
    Some(CurrentHolder {
        provider: "N03".into(),
        prison: Some(prison.into()),
        team: "POM".into(),
        forename: "Ada".into(),
        surname: surname.into(),
        unallocated: false,
        since: wall_clock(at(since)),
        email: None,
    })
}

fn unallocated(since: &str) -> Option<CurrentHolder> {
    held("Staff", "LEI", since).map(|held| CurrentHolder { unallocated: true, ..held })
}

fn delius(pom: Option<CurrentHolder>) -> Holdings {
    let open = |holder: &CurrentHolder| HeldPeriod { holder: holder.clone(), until: None };
    let periods = pom.iter().map(open).collect();
    Holdings {
        at: at("30T12:00"),
        pom,
        periods,
        responsible: None,
        live_custodies: 1,
        handover_start_date: None,
        handover_date: None,
    }
}

fn seen(allocation: AllocationAnswer, events: &[CaseEvent], pom: Option<CurrentHolder>) -> Seen {
    let mpc = Mpc { allocation, handover: HandoverAnswer::NotFound };
    let recorded = recorded(events);
    // Delius has what was recorded before the present holding.
    let (_, before) = recorded.periods.split_last().unzip();
    let mut delius = delius(pom);
    delius.periods.splice(0..0, before.unwrap_or_default().iter().filter_map(row));
    Seen { mpc, recorded, ledgers: Ledgers::default(), delius: Some(delius) }
}

fn row(period: &HoldingPeriod) -> Option<HeldPeriod> {
    let holder = period.holder.as_ref()?;
    let mut held = held(holder.surname.as_deref()?, holder.prison.as_str(), "01T09:00")?;
    held.since = wall_clock(period.from);
    Some(HeldPeriod { holder: held, until: period.until.map(wall_clock) })
}

/// The kinds of differences, and the repair of the allocation: at which time, or now.
fn summary(verdict: &Verdict) -> (Vec<&'static str>, Option<Option<DateTime<Utc>>>) {
    let kind = |difference: &Difference| match difference {
        Difference::NotOnePerson => "NotOnePerson",
        Difference::NothingRecorded => "NothingRecorded",
        Difference::NeverRecorded { .. } => "NeverRecorded",
        Difference::NewsOfHolder { .. } => "NewsOfHolder",
        Difference::NewsOfEmail => "NewsOfEmail",
        Difference::HeldByAnother { .. } => "HeldByAnother",
        Difference::PastHeldByAnother(_) => "PastHeldByAnother",
        Difference::Lost { .. } => "Lost",
        Difference::Forgotten { .. } => "Forgotten",
        Difference::HeldSinceLater { .. } => "HeldSinceLater",
        Difference::Email => "Email",
        Difference::NewsOfDates { .. } => "NewsOfDates",
        Difference::NoHandover { .. } => "NoHandover",
        Difference::OtherDates { .. } => "OtherDates",
    };
    let repair = verdict.repairs.first().map(|repair| repair.at);
    (verdict.differences.iter().map(kind).collect(), repair)
}

fn in_agreement() -> Verdict {
    Verdict { at: Some(at("30T12:00")), ..Verdict::default() }
}

#[test]
fn allocations_are_compared_between_all_three() {
    let ada = || allocated("01T09:00", pom(1, "BYRON", "LEI"));
    let byron = || says(1, "BYRON", "LEI");
    let now = Some(None);
    let then = |time| Some(Some(at(time)));
    let nobody = AllocationAnswer::NotAllocated;
    type Expected = (Vec<&'static str>, Option<Option<DateTime<Utc>>>);
    let cases: Vec<(&str, Seen, Expected)> = vec![
        ("all agree", seen(byron(), &[ada()], held("Byron", "LEI", "01T09:00")), (vec![], None)),
        (
            "Delius had the same holder before",
            seen(byron(), &[ada()], held("Byron", "LEI", "01T08:00")),
            (vec![], None),
        ),
        (
            "said again later, and Delius has it from the first time on",
            seen(
                byron(),
                &[ada(), allocated("03T09:00", pom(1, "BYRON", "LEI"))],
                held("Byron", "LEI", "01T09:00"),
            ),
            (vec![], None),
        ),
        ("nobody anywhere", seen(nobody.clone(), &[], None), (vec![], None)),
        (
            "deallocated everywhere",
            seen(nobody.clone(), &[ada(), deallocated("02T09:00")], unallocated("02T09:00")),
            (vec![], None),
        ),
        (
            "right before this service came",
            seen(byron(), &[], held("Byron", "LEI", "01T09:00")),
            (vec![], None),
        ),
        (
            "a lost message: MPC says something new",
            seen(says(2, "NOETHER", "LEI"), &[ada()], held("Byron", "LEI", "01T09:00")),
            (vec!["NewsOfHolder"], now),
        ),
        (
            "the same officer in another prison is news",
            seen(says(1, "BYRON", "MDI"), &[ada()], held("Byron", "LEI", "01T09:00")),
            (vec!["NewsOfHolder"], now),
        ),
        ("a lost first message", seen(byron(), &[], None), (vec!["NeverRecorded"], now)),
        (
            "a lost deallocation",
            seen(nobody.clone(), &[ada()], held("Byron", "LEI", "01T09:00")),
            (vec!["NewsOfHolder"], now),
        ),
        (
            "Delius lacks what was recorded",
            seen(byron(), &[ada()], None),
            (vec!["HeldByAnother"], then("01T09:00")),
        ),
        (
            "Delius still holds the one before",
            seen(byron(), &[ada()], held("Noether", "LEI", "01T08:00")),
            (vec!["HeldByAnother"], then("01T09:00")),
        ),
        (
            "somebody put another one in place in Delius afterwards",
            seen(byron(), &[ada()], held("Noether", "LEI", "02T09:00")),
            (vec!["HeldByAnother", "PastHeldByAnother"], then("01T09:00")),
        ),
        (
            "Delius still holds who was removed",
            seen(nobody, &[ada(), deallocated("02T09:00")], held("Byron", "LEI", "01T09:00")),
            (vec!["HeldByAnother"], then("02T09:00")),
        ),
        (
            "Delius begins too late",
            seen(byron(), &[ada()], held("Byron", "LEI", "01T10:00")),
            (vec!["HeldSinceLater", "PastHeldByAnother"], then("01T09:00")),
        ),
        (
            "MPC and Delius both differ from the record",
            seen(says(2, "NOETHER", "LEI"), &[ada()], held("Germain", "LEI", "01T08:00")),
            (vec!["NewsOfHolder", "HeldByAnother"], now),
        ),
        (
            "not ready for allocation says nothing",
            seen(AllocationAnswer::NotReady, &[ada()], held("Byron", "LEI", "01T09:00")),
            (vec![], None),
        ),
        (
            "not ready for allocation repairs nothing",
            seen(AllocationAnswer::NotReady, &[ada()], None),
            (vec!["HeldByAnother"], None),
        ),
    ];
    for (what, seen, expected) in cases {
        assert_eq!(summary(&compare(&seen)), expected, "{what}");
    }
}

#[test]
fn a_row_that_was_ended_by_hand_and_the_one_that_continues_it_are_one_holding() {
    let ada = || allocated("01T09:00", pom(1, "BYRON", "LEI"));
    let mut seen = seen(says(1, "BYRON", "LEI"), &[ada()], held("Byron", "LEI", "02T09:00"));
    let until = Some(wall_clock(at("02T09:00")));
    let mut ended = |surname| {
        let holder = held(surname, "LEI", "01T09:00").unwrap();
        let rows = &mut seen.delius.as_mut().unwrap().periods;
        rows.retain(|row| row.until.is_none());
        rows.insert(0, HeldPeriod { holder, until });
        summary(&compare(&seen)).0
    };
    assert_eq!(ended("Byron"), Vec::<&str>::new());
    assert_eq!(ended("Noether"), ["HeldSinceLater", "PastHeldByAnother"]);
}

#[test]
fn a_holding_that_delius_merely_lacks_is_stated_again_and_news_are_not() {
    let ada = pom(1, "BYRON", "LEI");
    let events = [allocated("01T09:00", ada.clone())];
    let lacking = compare(&seen(says(1, "BYRON", "LEI"), &events, None));
    let write = DeliusWrite::AllocatePom { at: at("01T09:00"), pom: ada, overtaken: false };
    let expected = Repair { subject: RepairSubject::Timeline(vec![write]), at: Some(at("01T09:00")) };
    assert_eq!(lacking.repairs, [expected]);
    let news = compare(&seen(says(2, "NOETHER", "LEI"), &events, None));
    assert_eq!(news.repairs[0], Repair { subject: RepairSubject::Allocation, at: None });
}

#[test]
fn a_repair_says_what_it_knows_at_the_time_it_speaks_of() {
    let noms = "A1234BC".parse().unwrap();
    let now = at("05T12:00");
    let repair = Repair { subject: RepairSubject::Holding(None), at: Some(at("01T09:00")) };
    let message = repair.message(&noms, "https://mpc.example/", now);
    assert!(message.id.starts_with("reconcile:"));
    assert_eq!(message.occurred_at, at("01T09:00"));
    assert_eq!(message.information["staffCode"], serde_json::Value::Null);
    let url = "https://mpc.example/api/allocation/A1234BC/primary_pom";
    assert_eq!(message.detail_url.as_deref(), Some(url));
    let news =
        Repair { subject: RepairSubject::Allocation, at: None }.message(&noms, "https://mpc.example", now);
    assert_eq!((news.occurred_at, news.information.get("staffCode")), (now, None));
}

#[test]
fn of_several_holdings_the_latest_in_valid_time_counts() {
    let events = [
        allocated("03T09:00", pom(2, "NOETHER", "LEI")),
        allocated("01T09:00", pom(1, "BYRON", "LEI")),
        allocated("02T09:00", pom(2, "NOETHER", "LEI")),
        // Within one second the later event counts.
        allocated("02T10:00", pom(1, "BYRON", "LEI")),
        allocated("02T10:00", pom(2, "NOETHER", "LEI")),
    ];
    let holding = recorded(&events).holding.unwrap();
    assert_eq!(holding.pom.unwrap().staff_code, 2);
    assert_eq!((holding.at, holding.since), (at("03T09:00"), at("02T09:00")));
}

#[test]
fn what_waits_for_a_name_is_listed_until_it_is_reflected() {
    let mut events = vec![superseded("01T09:00", 7), superseded("02T09:00", 8)];
    let listed = |events: &[CaseEvent]| -> Vec<i64> {
        recorded(events).unreflected.iter().map(|waiting| waiting.staff_code).collect()
    };
    assert_eq!(listed(&events), [7, 8]);
    let CaseEvent::PomAllocated { provenance, at, pom, named_by, followed_by, .. } =
        allocated("01T09:00", pom(7, "GERMAIN", "LEI"))
    else {
        panic!("an allocation");
    };
    events.push(CaseEvent::PomAllocated { provenance, at, pom, named_by, reflects: Some(1), followed_by });
    assert_eq!(listed(&events), [8]);
    let verdict = compare(&seen(AllocationAnswer::NotReady, &events, held("Germain", "LEI", "01T09:00")));
    assert_eq!(verdict.differences, [], "what waits is no difference of the present");
    assert!(matches!(&verdict.notes[..], [Note::UnnamedAllocation(waiting)] if waiting.staff_code == 8));
}

#[test]
fn an_address_is_compared_only_where_there_is_one() {
    let with = |email: Option<&str>| {
        let pom = Pom { email: email.map(Into::into), ..pom(1, "BYRON", "LEI") };
        [allocated("01T09:00", pom)]
    };
    let held = held("Byron", "LEI", "01T09:00");
    let verdict = compare(&seen(says(1, "BYRON", "LEI"), &with(Some("a@example.org")), held.clone()));
    assert_eq!(summary(&verdict), (vec!["Email"], Some(Some(at("01T09:00")))));
    assert_eq!(compare(&seen(says(1, "BYRON", "LEI"), &with(None), held.clone())), in_agreement());

    let known = held.map(|held| CurrentHolder { email: Some("a@example.org".into()), ..held });
    let verdict = compare(&seen(says(1, "BYRON", "LEI"), &with(Some("a@example.org")), known));
    assert_eq!((summary(&verdict), verdict.notes), ((vec![], None), vec![Note::EmailWithdrawn]));
}

#[test]
fn a_case_without_exactly_one_person_differs_only_when_there_is_something_to_write() {
    let mut seen = seen(AllocationAnswer::NotAllocated, &[], None);
    seen.delius = None;
    assert_eq!(compare(&seen), Verdict::default());
    seen.mpc.allocation = says(1, "BYRON", "LEI");
    assert_eq!(summary(&compare(&seen)), (vec!["NotOnePerson", "NothingRecorded"], Some(None)));
    seen.recorded = Recorded { ..recorded(&[allocated("01T09:00", pom(1, "BYRON", "LEI"))]) };
    assert_eq!(summary(&compare(&seen)), (vec!["NotOnePerson"], None));
}

#[test]
fn no_line_of_a_report_names_a_member_of_staff() {
    let events = [allocated("01T09:00", pom(1, "BYRON", "LEI"))];
    let verdict = compare(&seen(says(2, "NOETHER", "LEI"), &events, held("Germain", "LEI", "02T09:00")));
    let lines: String = verdict.differences.iter().map(|difference| format!("{difference}\n")).collect();
    assert!(
        lines.contains("Manage POM Cases says staff 2 in LEI, recorded is staff 1 in LEI since 2026-07-01")
    );
    for name in ["BYRON", "Byron", "NOETHER", "Noether", "Germain", "Ada", "ADA"] {
        assert!(!lines.contains(name), "{lines}");
    }
}
