//! Metrics of the process itself, under the names that every Prometheus client library uses. Read from `/proc`, so there
//! are none on other systems than Linux.

use std::{fs, time::Duration};

/// Ticks per second of the times in `/proc`: fixed at 100 on every Linux that Rust supports.
const TICKS: f64 = 100.0;
/// Bytes of a page of memory. Larger on some ARM kernels, where memory would read too small.
const PAGE: f64 = 4096.0;

/// Reads them now.
pub fn measure() {
    let Ok(stat) = fs::read_to_string("/proc/self/stat") else { return };
    if let Some(usage) = Usage::parse(&stat) {
        metrics::counter!("process_cpu_seconds_total").absolute(usage.cpu.as_secs());
        metrics::gauge!("process_resident_memory_bytes").set(usage.resident_bytes);
        metrics::gauge!("process_virtual_memory_bytes").set(usage.virtual_bytes);
        metrics::gauge!("process_threads").set(usage.threads);
        if let Some(booted) = boot_time() {
            metrics::gauge!("process_start_time_seconds")
                .set(booted + usage.started_after_boot.as_secs_f64());
        }
    }
    if let Ok(files) = fs::read_dir("/proc/self/fd") {
        metrics::gauge!("process_open_fds").set(files.count() as f64);
    }
    if let Some(limit) = fs::read_to_string("/proc/self/limits").ok().as_deref().and_then(open_files_limit) {
        metrics::gauge!("process_max_fds").set(limit);
    }
}

struct Usage {
    cpu: Duration,
    started_after_boot: Duration,
    threads: f64,
    virtual_bytes: f64,
    resident_bytes: f64,
}

impl Usage {
    /// Reads the line of `proc(5)`. The second field is the program's name in parentheses and may hold anything, so
    /// fields are counted behind it.
    fn parse(stat: &str) -> Option<Self> {
        let fields: Vec<&str> = stat.get(stat.rfind(')')? + 1..)?.split_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
        Some(Self {
            cpu: Duration::from_secs_f64((field(14)? + field(15)?) / TICKS),
            threads: field(20)?,
            started_after_boot: Duration::from_secs_f64(field(22)? / TICKS),
            virtual_bytes: field(23)?,
            resident_bytes: field(24)? * PAGE,
        })
    }
}

/// Seconds since 1970 at which the machine started.
fn boot_time() -> Option<f64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

fn open_files_limit(limits: &str) -> Option<f64> {
    let line = limits.lines().find(|line| line.starts_with("Max open files"))?;
    line.split_whitespace().nth(3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_program_name_with_blanks_and_parentheses_shifts_no_field() {
        let stat = "77 (a b) c) S 1 77 77 0 -1 4194560 2000 0 1 0 150 50 0 0 20 0 9 0 12300 5000000 700 18446744073709551615";
        let usage = Usage::parse(stat).unwrap();
        assert_eq!((usage.cpu, usage.threads), (Duration::from_secs(2), 9.0));
        assert_eq!(usage.started_after_boot, Duration::from_secs(123));
        assert_eq!((usage.virtual_bytes, usage.resident_bytes), (5_000_000.0, 700.0 * PAGE));
        assert!(Usage::parse("77 (short) S 1").is_none());
    }

    #[test]
    fn the_limit_of_open_files_is_the_soft_one() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units\n\
                      Max open files            1024                 524288               files\n";
        assert_eq!(open_files_limit(limits), Some(1024.0));
    }
}
