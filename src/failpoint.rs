//! Points at which a test has the process die as by `kill -9`: at every boundary that a crash must not cross badly.
//! In a build without the feature `failpoints`, which is every build but the tests', a point is nothing at all.
//!
//! `FAILPOINTS="appended=2*off->return"` has the third append be the last thing that the process does.

/// Dies here, when a test asks for it.
#[cfg(feature = "failpoints")]
macro_rules! failpoint {
    ($name:literal) => {
        let _: Option<()> = fail::eval($name, |_| $crate::failpoint::die($name));
    };
}

/// Nothing.
#[cfg(not(feature = "failpoints"))]
macro_rules! failpoint {
    ($name:literal) => {};
}

/// Kills the process as nothing else but the system can: no destructor, no flush, no farewell.
#[cfg(feature = "failpoints")]
pub(crate) fn die(name: &str) {
    eprintln!("failpoint {name}: kill -9");
    let killed = std::process::Command::new("kill").args(["-9", &std::process::id().to_string()]).status();
    // The signal is on its way; the thread must not get beyond the point before it arrives.
    loop {
        if killed.is_err() {
            std::process::abort();
        }
        std::thread::park();
    }
}

/// Reads which points are wanted.
#[cfg(feature = "failpoints")]
pub(crate) fn prepare() {
    // Dropped, the scenario would take the points away again.
    std::mem::forget(fail::FailScenario::setup());
}
