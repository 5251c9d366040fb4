//! The chart's cron jobs run commands that exist, with flags that they take.

use clap::Parser;
use manage_pom_cases_and_delius::cli::Arguments;

#[test]
fn the_cron_jobs_run_commands_that_exist() {
    let chart = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/helm/manage-pom-cases-and-delius");
    let mut found = 0;
    for values in ["values.yaml", "values-dev.yaml", "values-preprod.yaml", "values-prod.yaml"] {
        let text = std::fs::read_to_string(format!("{chart}/{values}")).unwrap();
        let lists = text.lines().filter_map(|line| line.trim().strip_prefix("args: [")?.strip_suffix(']'));
        for list in lists {
            let arguments: Vec<&str> = list.split(',').map(str::trim).collect();
            let verify = (arguments == ["verify"]).then_some(["--checkpoint", "/checkpoints/checkpoints"]);
            let given = ["program"].into_iter().chain(arguments).chain(verify.into_iter().flatten());
            let parsed = Arguments::try_parse_from(given);
            assert!(parsed.is_ok(), "{values}: [{list}]: {}", parsed.unwrap_err());
            found += 1;
        }
    }
    assert!(found >= 4, "only {found} cron jobs were found: are the values read at all?");
}
