//! The clock of a process is wrong by minutes: whatever is decided is decided by the clocks of the databases.

use std::path::PathBuf;

use chrono::{SubsecRound, TimeDelta, Utc};

use crate::{
    ground::{Ground, noms},
    invariants,
    service::Service,
    stream::{Stream, allocation},
};

/// The library that shifts the clock of one process (Debian's `libfaketime`), if it is there.
fn library() -> Option<PathBuf> {
    std::env::var_os("FAKETIME_LIBRARY").map(PathBuf::from).filter(|path| path.exists())
}

/// The environment of a process whose clock is wrong by so many minutes; `None` where no library can shift it.
pub(crate) fn shifted(minutes: i64) -> Option<Vec<(&'static str, String)>> {
    let library = library()?.display().to_string();
    let monotonic = ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned());
    Some(vec![("LD_PRELOAD", library), ("FAKETIME", format!("{minutes:+}m")), monotonic])
}

/// One process lives ten minutes in the past and one ten minutes in the future. Rows that began a few minutes ago are
/// plans for the first and history for the second.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: make test-faults"]
async fn processes_whose_clocks_are_ten_minutes_wrong_write_the_same_rows() {
    let (Some(behind), Some(ahead)) = (shifted(-10), shifted(10)) else {
        println!("libfaketime is missing; the clocks are not shifted");
        return;
    };
    let ground = Ground::lay(4).await;
    let mut stream = Stream::new(81, 4);
    let start = async |clock: &[(&'static str, String)]| {
        let environment: Vec<(&str, &str)> =
            clock.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Service::start(&ground, &environment).await
    };
    let (behind, ahead) = (start(&behind).await, start(&ahead).await);
    ground.queue.send(&stream.teach(&ground)).await;
    invariants::drained(&ground, &stream).await;
    let now = Utc::now().trunc_subsecs(0);
    for round in 0..6 {
        ground.queue.send(&stream.next(&ground, 12)).await;
        for case in 0..4 {
            // Out of order, and all within the minutes by which the clocks are wrong.
            let at = now - TimeDelta::seconds(500 - (round * 7 % 6) * 80 - case as i64);
            let (id, holding) = (format!("now-{round}-{case}"), Some((1 + (round + case as i64) % 5, "LEI")));
            let body = allocation(&ground, &id, &noms(case), at, holding);
            stream.sent.insert(id, noms(case));
            stream.happened.entry(case).or_default().insert(at, holding);
            ground.queue.send(&[body]).await;
        }
    }
    invariants::hold(&ground, &stream).await;
    behind.stop().await;
    ahead.stop().await;
    ground.end().await;
}
