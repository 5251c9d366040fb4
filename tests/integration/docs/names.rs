//! Every name in the documentation refers to something: tests, identifiers, files, links, targets, commands and flags.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use clap::CommandFactory;
use manage_pom_cases_and_delius::cli::Arguments;

use super::pages::{self, Page, files, root};

const README_BYTES: usize = 8 * 1024;

fn is_identifier(text: &str) -> bool {
    text.contains('_')
        && text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.chars().all(|each| each.is_ascii_alphanumeric() || each == '_')
}

fn words(text: &str) -> BTreeSet<&str> {
    text.split(|each: char| !each.is_ascii_alphanumeric() && each != '_').collect()
}

/// Fails with everything that is missing at once, by page.
fn assert_nothing_missing(missing: impl Iterator<Item = (Page, Vec<String>)>) {
    let missing: Vec<String> = missing
        .flat_map(|(page, names)| {
            let page = page.path.strip_prefix(root()).unwrap().display().to_string();
            names.into_iter().map(move |name| format!("{page}: {name}"))
        })
        .collect();
    assert!(missing.is_empty(), "the documentation names what is not there:\n{}", missing.join("\n"));
}

fn missing(page: &Page, exists: impl Fn(&str) -> bool) -> Vec<String> {
    page.code_spans().into_iter().filter(|span| !exists(span)).map(str::to_owned).collect()
}

#[test]
fn every_test_that_the_documentation_names_exists() {
    let sources = pages::sources();
    let tests: BTreeSet<&str> =
        sources.split("fn ").skip(1).filter_map(|rest| rest.split_once('(')).map(|(name, _)| name).collect();
    let mut named = 0;
    let missing = ["docs/RULES.md", "tests/faults/README.md"].map(|page| {
        let page = Page::read(root().join(page));
        let names: Vec<String> = tests_named_in(&page).into_iter().map(str::to_owned).collect();
        named += names.len();
        (page, names.into_iter().filter(|name| !tests.contains(name.as_str())).collect())
    });
    assert_nothing_missing(missing.into_iter());
    assert!(named > 50, "only {named} names of tests were found: are the tables read at all?");
}

/// The tests stand in the last column of a table.
fn tests_named_in(page: &Page) -> Vec<&str> {
    let last_columns = page.text.lines().filter_map(|line| line.strip_suffix(" |")?.rsplit_once("| "));
    let spans = last_columns.flat_map(|(_, column)| column.split('`').skip(1).step_by(2));
    spans.filter(|span| is_identifier(span)).collect()
}

#[test]
fn every_identifier_in_the_documentation_exists() {
    let sources = pages::sources();
    let known = words(&sources);
    assert_nothing_missing(pages::all().into_iter().map(|page| {
        let missing = missing(&page, |span| !is_identifier(span) || known.contains(span));
        (page, missing)
    }));
}

#[test]
fn every_file_and_folder_in_the_documentation_exists() {
    let paths: Vec<PathBuf> = ["src", "tests", "deploy", "benches", "migrations", "docs"]
        .iter()
        .flat_map(|room| files(&root().join(room), ""))
        .collect();
    let known: Vec<&Path> =
        paths.iter().flat_map(|path| path.ancestors().take_while(|it| *it != root())).collect();
    assert_nothing_missing(pages::all().into_iter().map(|page| {
        // "`plan/`" in a paragraph about `delius/` is enough, so the end of a path is compared.
        let missing = missing(&page, |span| {
            !is_path(span)
                || span.starts_with("target/")
                || root().join(span).exists()
                || known.iter().any(|path| path.ends_with(span))
        });
        (page, missing)
    }));
}

fn is_path(text: &str) -> bool {
    let plain = text.chars().all(|each| each.is_ascii_alphanumeric() || "/._-".contains(each));
    let extension = [".rs", ".sh", ".sql", ".json"].iter().any(|extension| text.ends_with(extension));
    plain && !text.starts_with(['/', '.']) && (text.ends_with('/') || extension)
}

#[test]
fn every_link_in_the_documentation_leads_somewhere() {
    assert_nothing_missing(pages::all().into_iter().map(|page| {
        let missing = page
            .links()
            .into_iter()
            .filter(|link| !link.starts_with("http"))
            .filter(|link| {
                let file = link.split('#').next().unwrap();
                !file.is_empty() && !page.directory().join(file).exists()
            })
            .map(str::to_owned)
            .collect();
        (page, missing)
    }));
}

#[test]
fn every_make_target_in_the_documentation_exists() {
    let makefile = std::fs::read_to_string(root().join("Makefile")).unwrap();
    let targets: BTreeSet<&str> =
        makefile.lines().filter_map(|line| line.split_once(':')).map(|(name, _)| name).collect();
    assert_nothing_missing(pages::all().into_iter().map(|page| {
        let missing = missing(&page, |span| {
            let mut words = span.split_whitespace();
            words.next() != Some("make") || words.next().is_none_or(|target| targets.contains(target))
        });
        (page, missing)
    }));
}

#[test]
fn every_command_and_flag_in_the_documentation_exists() {
    let mut command = Arguments::command();
    command.build();
    let mut flags = BTreeSet::new();
    collect_flags(&command, &mut flags);
    // Flags of other programs.
    flags.extend(
        ["check", "features", "workspace", "example", "bench", "lib", "variant", "help"].map(str::to_owned),
    );
    assert_nothing_missing(pages::all().into_iter().map(|page| {
        let missing = missing(&page, |span| {
            if ["kubectl", "helm", "cargo", "terraform", "wrk"]
                .iter()
                .any(|program| span.starts_with(program))
            {
                return true;
            }
            let mut words = span.split_whitespace();
            let known = words.next() != Some("manage-pom-cases-and-delius")
                || words.next().is_none_or(|name| {
                    ["COMMAND", "…"].contains(&name) || command.find_subcommand(name).is_some()
                });
            known
                && span.split([' ', '[', ']', '|']).filter_map(|word| word.strip_prefix("--")).all(|flag| {
                    let name = flag.split(['=', '\\']).next().unwrap();
                    name.is_empty() || flags.contains(name)
                })
        });
        (page, missing)
    }));
}

fn collect_flags(command: &clap::Command, flags: &mut BTreeSet<String>) {
    flags.extend(command.get_arguments().filter_map(|argument| argument.get_long()).map(str::to_owned));
    command.get_subcommands().for_each(|each| collect_flags(each, flags));
}

#[test]
fn the_readme_is_short() {
    let length = Page::read(root().join("README.md")).text.len();
    assert!(
        length <= README_BYTES,
        "README.md has {length} bytes; move what is more than {README_BYTES} to docs/"
    );
}
