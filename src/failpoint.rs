//! Failpoints: places at which a test can kill the process as `kill -9` does, one at each boundary that a crash must not
//! break. Only the build of the tests has the feature `failpoints`; in any other build a failpoint expands to nothing.
//!
//! `FAILPOINTS="appended=2*off->return"` kills the process at its third append.

/// Kills the process here if a test asks for it.
#[cfg(feature = "failpoints")]
macro_rules! failpoint {
    ($name:literal) => {
        let _: Option<()> = fail::eval($name, |_| $crate::failpoint::die($name));
    };
}

#[cfg(not(feature = "failpoints"))]
macro_rules! failpoint {
    ($name:literal) => {};
}

/// Sends SIGKILL to the process itself, so that no destructor and no flush runs. `std::process::abort` would not do: it
/// raises SIGABRT, which writes a core dump and may be handled.
#[cfg(feature = "failpoints")]
pub(crate) fn die(name: &str) {
    eprintln!("failpoint {name}: kill -9");
    let killed = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    // The signal may arrive a moment later; this thread must not run past the failpoint before it does.
    loop {
        if killed.is_err() {
            std::process::abort();
        }
        std::thread::park();
    }
}

/// Reads `FAILPOINTS`.
#[cfg(feature = "failpoints")]
pub(crate) fn prepare() {
    // Dropping the scenario would remove the failpoints again.
    std::mem::forget(fail::FailScenario::setup());
}
