//! The catalogue of metrics is what the code records, what `/metrics` shows, and all that alerts, dashboard and runbooks
//! name.

use std::{
    collections::BTreeSet,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use manage_pom_cases_and_delius::app::metrics::{CATALOGUE, MetricKind};

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn sources(directory: &Path, into: &mut String) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push_str(&std::fs::read_to_string(&path).unwrap());
        }
    }
}

fn catalogue() -> BTreeSet<&'static str> {
    CATALOGUE.iter().map(|metric| metric.name).collect()
}

const RULES: &str = "deploy/helm/manage-pom-cases-and-delius/rules/alerts.yaml";

/// Names that look like metrics, in expressions or prose.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|each: char| !each.is_ascii_alphanumeric() && each != '_');
    let ours: BTreeSet<&str> = catalogue().iter().filter_map(|name| name.split('_').next()).collect();
    let ends = ["_total", "_seconds", "_bytes", "_seconds_bucket", "_info"];
    words
        .filter(|word| word.contains('_') && ours.contains(word.split('_').next().unwrap_or_default()))
        .filter(|word| ends.iter().any(|end| word.ends_with(end)) || catalogue().contains(word))
        .map(|word| word.trim_end_matches("_bucket").to_owned())
        .collect()
}

/// Fails where Prometheus would not take it, or lint it away.
pub(super) fn assert_well_formed(text: &str) {
    for metric in CATALOGUE {
        let shown = text.contains(&format!("# HELP {} {}\n", metric.name, metric.help));
        let kind = match metric.kind {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
            MetricKind::Histogram(_) => "histogram",
        };
        let expected = metric.zero && metric.labels.iter().all(|(_, values)| !values.is_empty());
        assert!(shown || !expected, "{} is not there from the start:\n{text}", metric.name);
        assert!(!shown || text.contains(&format!("# TYPE {} {kind}\n", metric.name)), "{}", metric.name);
    }
    let local = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(".local/tools/prometheus/usr/bin/promtool");
    let promtool = if local.exists() { local } else { PathBuf::from("promtool") };
    let started = Command::new(promtool)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut promtool) = started else {
        return eprintln!(
            "SKIPPED: promtool check metrics, as there is no promtool; deploy/check/check.sh gets it"
        );
    };
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let ended = promtool.wait_with_output().unwrap();
    assert!(ended.status.success(), "{}{text}", String::from_utf8_lossy(&ended.stderr));
}

#[test]
fn the_code_records_every_metric_of_the_catalogue_and_no_other() {
    let mut all = String::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut all);
    let recorded: BTreeSet<&str> = ["counter!(", "gauge!(", "histogram!("]
        .iter()
        .flat_map(|macro_name| all.split(macro_name).skip(1))
        .filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next())
        .collect();
    assert_eq!(recorded, catalogue());
}

#[test]
fn names_end_in_their_unit_and_say_what_they_count() {
    let names = catalogue();
    assert_eq!(names.len(), CATALOGUE.len(), "a name twice");
    for metric in CATALOGUE {
        assert_eq!(metric.name.ends_with("_total"), metric.kind == MetricKind::Counter, "{}", metric.name);
        let timed = matches!(metric.kind, MetricKind::Histogram(_));
        assert!(!timed || metric.name.ends_with("_seconds"), "{}", metric.name);
        assert!(metric.help.len() > 15 && !metric.help.ends_with('.'), "{}", metric.name);
    }
}

#[test]
fn alerts_dashboard_and_runbooks_name_only_metrics_that_exist() {
    let board = "deploy/helm/manage-pom-cases-and-delius/dashboards/service.json";
    for (page, least) in [(RULES, 15), (board, 25), ("docs/RUNBOOKS.md", 8), ("docs/OPERATIONS.md", 2)] {
        let named = named(&read(page));
        let unknown: Vec<_> = named.iter().filter(|name| !catalogue().contains(name.as_str())).collect();
        assert!(unknown.is_empty(), "{page} names {unknown:?}");
        assert!(named.len() >= least, "{page} names only {named:?}: is it read at all?");
    }
}

#[test]
fn every_alert_has_a_runbook_and_every_runbook_an_alert() {
    let (rules, runbooks) = (read(RULES), read("docs/RUNBOOKS.md"));
    let alerts: Vec<&str> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    let sections: Vec<&str> = runbooks.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    assert!(alerts.len() > 10);
    assert_eq!(alerts, sections);
    let tests = read("deploy/helm/manage-pom-cases-and-delius/rules/alerts_test.yaml");
    for alert in alerts {
        assert!(tests.contains(&format!("alertname: {alert}\n")), "no test fires {alert}");
    }
}

/// What a runbook quotes of the log must be what the program says.
#[test]
fn the_runbooks_quote_what_the_program_says() {
    let mut all = String::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut all);
    // A literal that goes on in the next line.
    let said = all.split("\\\n").map(str::trim_start).collect::<String>();
    for quoted in [
        "the schema lacks",
        "panic: this is a bug",
        "outcome notice not published",
        "cannot connect to",
        "Delius has no audit user",
        "write not applied; trying again",
    ] {
        assert!(read("docs/RUNBOOKS.md").contains(quoted), "{quoted} is no longer quoted");
        assert!(said.contains(quoted), "the program never says: {quoted}");
    }
}
