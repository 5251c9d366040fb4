//! What every `--help` says is kept in `tests/golden/help`; `make docs` writes it again.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{collections::BTreeSet, fs, path::PathBuf};

use clap::{Command, CommandFactory, Parser};

use super::Arguments;

fn directory() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "golden", "help"].iter().collect()
}

/// Without the values that the environment of the test happens to have.
fn without_environment(command: Command) -> Command {
    command.mut_args(|argument| argument.hide_env_values(true)).mut_subcommands(without_environment)
}

/// The commands that do something, by their full name.
fn leaves(command: &Command, name: &str) -> Vec<(String, Command)> {
    let subcommands: Vec<_> = command.get_subcommands().filter(|each| each.get_name() != "help").collect();
    let own = (subcommands.is_empty() || command.get_name() == "reconcile")
        .then(|| (name.to_owned(), command.clone()));
    let full = |each: &Command| format!("{name} {}", each.get_name()).trim().to_owned();
    own.into_iter().chain(subcommands.iter().flat_map(|each| leaves(each, &full(each)))).collect()
}

fn helps() -> Vec<(String, String)> {
    let mut root = without_environment(Arguments::command().term_width(100));
    root.build();
    let leaves = leaves(&root, "");
    leaves.into_iter().map(|(name, mut command)| (name, command.render_long_help().to_string())).collect()
}

#[test]
fn every_help_is_as_kept() {
    let update = std::env::var_os("UPDATE_DOCS").is_some();
    let mut names = BTreeSet::new();
    fs::create_dir_all(directory()).unwrap();
    for (name, help) in helps() {
        let help: String = help.lines().map(|line| format!("{}\n", line.trim_end())).collect();
        let file = directory().join(format!("{}.txt", name.replace(' ', "-")));
        names.insert(file.clone());
        if update {
            fs::write(&file, &help).unwrap();
        }
        let kept = fs::read_to_string(&file).unwrap_or_default();
        assert_eq!(kept, help, "`{name} --help` changed: run `make docs` and read the difference");
    }
    for entry in fs::read_dir(directory()).unwrap() {
        let path = entry.unwrap().path();
        assert!(names.contains(&path), "{} belongs to no command", path.display());
    }
}

/// The words of an example as a shell splits them, up to a redirection.
fn words(example: &str) -> Vec<String> {
    let quoted = example.split('"').enumerate();
    let words = quoted.flat_map(|(index, part)| match index % 2 {
        0 => part.split_whitespace().map(str::to_owned).collect(),
        _ => vec![part.to_owned()],
    });
    words.take_while(|word| word != ">").collect()
}

fn parses(example: &str) -> Result<(), clap::Error> {
    let example = example
        .replace(" ID ", " 0195f3c2-6d1e-7c4a-9b1e-3f5a7c9d1e2f ")
        .replace("NAME+ID+KEY", "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW");
    let with = |more: &[&str]| {
        let program = std::iter::once("program".to_owned()).chain(words(&example));
        Arguments::try_parse_from(program.chain(more.iter().map(|word| (*word).to_owned()))).map(|_| ())
    };
    // The environment of an operator names them.
    with(&[]).or_else(|_| with(&["--by", "Op"]))
}

#[test]
fn every_help_has_an_example_of_its_command_and_all_examples_parse() {
    for (name, help) in helps() {
        let (_, examples) = help.split_once("\nExample").unwrap_or_default();
        let examples: Vec<&str> = examples.lines().skip(1).map(str::trim).collect();
        assert!(
            examples.iter().any(|example| example.starts_with(&name)),
            "`{name} --help` has no example of it"
        );
        for example in examples.into_iter().filter(|example| !example.is_empty()) {
            if let Err(error) = parses(example) {
                panic!("`{name} --help` shows `{example}`: {error}");
            }
        }
    }
}
