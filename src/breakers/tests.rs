use super::*;

const FIRST_PAUSE: Duration = Duration::from_secs(1);

fn down(breakers: &Breakers, dependency: Dependency, now: Instant) {
    for item in ["A0001AA", "A0002AA", "A0003AA"] {
        breakers.failed(dependency, item, now);
    }
}

#[test]
fn a_breaker_opens_when_different_items_fail_in_a_row_probes_and_closes_on_success() {
    let (breakers, start) = (Breakers::default(), Instant::now());
    breakers.failed(DELIUS, "A0001AA", start);
    breakers.failed(DELIUS, "A0002AA", start);
    assert_eq!(breakers.admission(&[DELIUS], start), Admission::Open);
    assert_eq!(breakers.failures(start)[0].state, BreakerState::Closed);
    breakers.failed(DELIUS, "A0003AA", start);
    assert_eq!(breakers.admission(&[DELIUS], start), Admission::Paused(FIRST_PAUSE));
    assert_eq!(breakers.open(), [DELIUS]);
    assert_eq!(breakers.failures(start)[0].state, BreakerState::Open);
    assert_eq!(breakers.admission(&[DELIUS], start + FIRST_PAUSE), Admission::Probe);
    assert_eq!(breakers.failures(start + FIRST_PAUSE)[0].state, BreakerState::HalfOpen);
    breakers.failed(DELIUS, "A0004AA", start + FIRST_PAUSE);
    assert_eq!(breakers.admission(&[DELIUS], start + FIRST_PAUSE), Admission::Paused(FIRST_PAUSE * 2));
    breakers.answered(&[STORE]);
    assert_eq!(breakers.open(), [DELIUS]);
    breakers.answered(&[DELIUS]);
    assert_eq!(breakers.admission(&[DELIUS], start), Admission::Open);
    assert!(breakers.open().is_empty());
    assert_eq!(breakers.recoveries(DELIUS), 1);
}

#[test]
fn one_item_that_fails_again_and_again_opens_no_breaker() {
    let (breakers, start) = (Breakers::default(), Instant::now());
    for _ in 0..100 {
        breakers.failed(MPC, "A0001AA", start);
    }
    assert_eq!(breakers.admission(&[MPC], start), Admission::Open);
}

#[test]
fn items_that_fail_while_others_succeed_stop_counting() {
    let (breakers, start) = (Breakers::default(), Instant::now());
    let bad: Vec<String> = (0..20).map(|number| format!("B{number:04}AA")).collect();
    let fail_all = || bad.iter().for_each(|item| breakers.failed(MPC, item, start));
    for opens in [true, true, false, false] {
        fail_all();
        assert_eq!(breakers.is_open(MPC), opens);
        breakers.succeeded(&[MPC], "A0001AA");
        assert!(!breakers.is_open(MPC));
    }
    assert!(breakers.is_fault_of(MPC, &bad[0]) && !breakers.is_fault_of(MPC, "A0001AA"));
    down(&breakers, MPC, start);
    assert!(breakers.is_open(MPC), "others that fail still count");
    breakers.succeeded(&[MPC], &bad[0]);
    assert!(!breakers.is_fault_of(MPC, &bad[0]), "it succeeded");
}

#[test]
fn the_items_that_waited_for_the_end_of_an_outage_are_not_at_fault() {
    let (breakers, start) = (Breakers::default(), Instant::now());
    down(&breakers, MPC, start);
    breakers.answered(&[MPC]);
    down(&breakers, MPC, start);
    assert!(breakers.is_open(MPC), "it fails again, after one answer");
}

#[test]
fn failures_of_no_item_count_each() {
    let (breakers, start) = (Breakers::default(), Instant::now());
    for _ in 0..3 {
        assert!(!breakers.is_open(SQS));
        breakers.unreachable(SQS, start);
    }
    assert!(breakers.is_open(SQS));
}

#[test]
fn one_failure_opens_the_breaker_of_what_is_not_needed() {
    let (breakers, start) = (Breakers::default(), Instant::now());
    breakers.trip(DIRECTORY, start);
    assert_eq!(breakers.turn(DIRECTORY, start), Admission::Paused(FIRST_PAUSE));
    assert_eq!(breakers.turn(DIRECTORY, start + FIRST_PAUSE), Admission::Probe);
    breakers.trip(DIRECTORY, start + FIRST_PAUSE);
    assert_eq!(breakers.turn(DIRECTORY, start + FIRST_PAUSE), Admission::Paused(FIRST_PAUSE * 2));
}

#[test]
fn one_probe_of_each_kind_is_let_through_in_a_pause() {
    let (breakers, start) = (Breakers::default(), Instant::now());
    down(&breakers, MPC, start);
    let later = start + FIRST_PAUSE;
    assert_eq!(breakers.turn(MPC, later), Admission::Probe);
    assert_eq!(breakers.turn(MPC, later), Admission::Paused(FIRST_PAUSE));
    assert_eq!(breakers.admission(&[MPC], later), Admission::Probe);
    assert_eq!(breakers.admission(&[MPC], later), Admission::Paused(FIRST_PAUSE));
}

#[test]
fn what_does_not_need_a_dependency_that_is_down_proceeds() {
    let (breakers, start) = (Breakers::default(), Instant::now());
    down(&breakers, MPC, start);
    assert_eq!(breakers.admission(&[STORE], start), Admission::Open);
    assert_eq!(breakers.turn(DELIUS, start), Admission::Open);
}

#[test]
fn pauses_grow_with_probes_alone_up_to_the_longest_and_polls_pause_less() {
    let (breakers, mut now) = (Breakers::default(), Instant::now());
    for _ in 0..1000 {
        breakers.unreachable(DELIUS, now);
    }
    assert_eq!(breakers.turn(DELIUS, now), Admission::Paused(FIRST_PAUSE), "a burst is one failure");
    for _ in 0..20 {
        let Admission::Paused(pause) = breakers.turn(DELIUS, now) else { break };
        now += pause;
        assert_eq!(breakers.turn(DELIUS, now), Admission::Probe);
        breakers.unreachable(DELIUS, now);
    }
    assert_eq!(breakers.turn(DELIUS, now), Admission::Paused(Duration::from_secs(30)));
    assert_eq!(breakers.admission(&[DELIUS], now), Admission::Paused(LONGEST_POLL_PAUSE));
}

#[tokio::test]
async fn everybody_who_waits_is_woken_when_the_dependency_is_back() {
    let day = Duration::from_secs(86_400);
    let config = BreakerConfig { first_pause: day, longest_pause: day, ..BreakerConfig::default() };
    let (breakers, start) = (Breakers::new(config), Instant::now());
    down(&breakers, MPC, start);
    let waiting = futures_util::future::join_all((0..100).map(|_| breakers.wait_until_allowed(MPC)));
    let back = async {
        tokio::task::yield_now().await;
        breakers.answered(&[MPC]);
    };
    futures_util::future::join(waiting, back).await;
}
