//! `docs/CONFIGURATION.md` is generated from the definition of the command line. `make docs` writes it again.

use std::{collections::BTreeMap, fmt::Write};

use clap::{Arg, Command, CommandFactory};
use manage_pom_cases_and_delius::cli::Arguments;

use super::pages::{Page, root};

const HEAD: &str = "# Configuration

Generated from the command line's definition by `make docs`; a test compares. Do not edit.

Every setting is an environment variable and a flag; the flag wins. A blank value counts as absent. All settings are checked
before any connection is made, and each one that is missing or wrong is reported with a remedy (exit code 2). Risky
combinations are reported in the log at the start. Secrets are never printed.

Besides the settings below:

| environment | meaning |
| --- | --- |
| `AWS_ENDPOINT_URL`, `AWS_REGION`, credentials | as every AWS SDK reads them; the region defaults to `eu-west-2` |
| `RUST_LOG` | filter of log lines, default `info` |
| `OTEL_EXPORTER_OTLP_ENDPOINT` | of a build with `--features otlp`: the collector of traces, see [OPERATIONS.md](OPERATIONS.md) |
";

/// One setting and the commands that use it.
struct Setting {
    row: String,
    commands: Vec<String>,
}

#[test]
fn the_configuration_page_is_what_the_command_line_defines() {
    let page = root().join("docs/CONFIGURATION.md");
    let generated = generate();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&page, generated).unwrap();
        return;
    }
    assert!(Page::read(page).text == generated, "docs/CONFIGURATION.md is out of date: run `make docs`");
}

fn generate() -> String {
    let mut root = Arguments::command();
    root.build();
    let leaves = leaves(&root, "");
    let mut page = HEAD.to_owned();
    write_settings(&mut page, &leaves);
    write_flags(&mut page, &leaves);
    page
}

/// The commands that do something, by their full name, in the order in which `--help` lists them.
fn leaves<'a>(command: &'a Command, name: &str) -> Vec<(String, &'a Command)> {
    let subcommands: Vec<_> = command.get_subcommands().filter(|each| each.get_name() != "help").collect();
    if subcommands.is_empty() {
        return vec![(name.to_owned(), command)];
    }
    let full = |each: &Command| format!("{name} {}", each.get_name()).trim().to_owned();
    subcommands.into_iter().flat_map(|each| leaves(each, &full(each))).collect()
}

fn write_settings(page: &mut String, leaves: &[(String, &Command)]) {
    let mut order = vec![];
    let mut settings: BTreeMap<String, Setting> = BTreeMap::new();
    for (name, command) in leaves {
        for argument in command.get_arguments() {
            let Some(env) = argument.get_env() else { continue };
            let env = env.to_string_lossy().into_owned();
            let setting = settings.entry(env.clone()).or_insert_with(|| {
                order.push(env.clone());
                Setting { row: row(&env, argument), commands: vec![] }
            });
            setting.commands.push(name.clone());
        }
    }
    page.push_str("\n## Settings\n\n| environment | flag | default | meaning | used by |\n| --- | --- | --- | --- | --- |\n");
    for env in order {
        let setting = &settings[&env];
        let used_by = if setting.commands.len() == leaves.len() {
            "every command".to_owned()
        } else {
            setting.commands.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
        };
        writeln!(page, "| {} | {used_by} |", setting.row).unwrap();
    }
}

fn row(env: &str, argument: &Arg) -> String {
    let flag = argument.get_long().map(|long| format!("`--{long}`")).unwrap_or_default();
    format!("`{env}` | {flag} | {} | {}", default(argument), meaning(argument))
}

fn write_flags(page: &mut String, leaves: &[(String, &Command)]) {
    page.push_str("\n## Flags of each command\n\nFlags that have no environment variable.\n");
    for (name, command) in leaves {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        writeln!(page, "\n### `{name}`\n\n{about}").unwrap();
        let own: Vec<_> = command
            .get_arguments()
            .filter(|each| each.get_env().is_none() && !["help", "version"].contains(&each.get_id().as_str()))
            .collect();
        if own.is_empty() {
            continue;
        }
        page.push_str("\n| flag | default | meaning |\n| --- | --- | --- |\n");
        for argument in own {
            writeln!(page, "| {} | {} | {} |", flag(argument), default(argument), meaning(argument)).unwrap();
        }
    }
}

fn flag(argument: &Arg) -> String {
    let names: Vec<String> =
        argument.get_value_names().into_iter().flatten().map(ToString::to_string).collect();
    let value = if argument.get_action().takes_values() { names.join(" ") } else { String::new() };
    match argument.get_long() {
        Some(long) => format!("`{}`", format!("--{long} {value}").trim()),
        None => format!("`{value}`"),
    }
}

fn default(argument: &Arg) -> String {
    let values: Vec<_> = argument.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    if values.is_empty() || !argument.get_action().takes_values() {
        return String::new();
    }
    format!("`{}`", values.join(","))
}

/// The first paragraph of the help, in one line, with the values to choose from.
fn meaning(argument: &Arg) -> String {
    let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
    let choices: Vec<_> =
        argument.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
    let help = help.lines().collect::<Vec<_>>().join(" ").replace('|', "\\|");
    if choices.is_empty() || !argument.get_action().takes_values() {
        help
    } else {
        format!("{help} ({})", choices.join(", "))
    }
}
