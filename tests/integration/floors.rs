//! Rooms depend downwards only, as the table of floors in `src/lib.rs` says, and a name of a type is used once.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// `room -> floor`, from the table in the documentation of the library.
fn floors() -> BTreeMap<String, u32> {
    let table = include_str!("../../src/lib.rs");
    let rows = table.lines().filter_map(|line| line.strip_prefix("//! | "));
    let cells = rows.filter_map(|row| row.split_once(" | ")).filter_map(|(floor, rest)| {
        let rooms = rest.split_once(" | ")?.0;
        Some((
            floor.parse::<u32>().ok()?,
            rooms.split(", ").map(|room| room.trim_matches(['`', '[', ']']).to_owned()),
        ))
    });
    cells.flat_map(|(floor, rooms)| rooms.map(move |room| (room, floor))).collect()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        // Tests may look at everything.
        if path.is_dir() && name != "tests" {
            sources(&path, found);
        } else if path.extension().is_some_and(|it| it == "rs") && !name.ends_with("tests") {
            found.push(path);
        }
    }
}

/// The rooms that a file names: `crate::room`, and the first names within `use crate::{…}`.
fn rooms_named(code: &str) -> Vec<String> {
    let mut rooms = vec![];
    for (at, _) in code.match_indices("crate::") {
        let mut depth = 0;
        let mut name = String::new();
        for character in code[at + "crate::".len()..].chars() {
            match character {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ if depth <= 1 && (character.is_alphanumeric() || character == '_') => {
                    name.push(character);
                    continue;
                }
                _ => {}
            }
            let ends = !name.is_empty();
            rooms.extend(ends.then(|| std::mem::take(&mut name)));
            if depth == 0 && (ends || character == ';') {
                break;
            }
        }
    }
    rooms
}

#[test]
fn rooms_depend_downwards_only() {
    let floors = floors();
    assert!(floors.len() > 15, "the table of floors was not found: {floors:?}");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = vec![];
    sources(&root, &mut files);
    let mut upward = vec![];
    for file in files {
        let inside = file.strip_prefix(&root).unwrap();
        let room = inside.iter().next().unwrap().to_string_lossy().replace(".rs", "");
        let Some(floor) = floors.get(&room) else {
            assert!(["lib", "main"].contains(&room.as_str()), "{room} is missing from the table of floors");
            continue;
        };
        let code = fs::read_to_string(&file).unwrap();
        let code = code.split("#[cfg(test)]\nmod").next().unwrap();
        for used in rooms_named(code).iter().filter(|used| **used != room) {
            if floors.get(used).is_some_and(|other| other >= floor && *floor > 1) {
                upward.push(format!("{} uses {used}", inside.display()));
            }
        }
    }
    assert!(upward.is_empty(), "upward imports: {upward:#?}");
}

/// The matches of a formatted source: the patterns of each one's arms, by their indentation.
fn matches(code: &str) -> Vec<Vec<&str>> {
    let lines: Vec<&str> = code.lines().collect();
    let indent = |line: &str| line.len() - line.trim_start().len();
    let opens =
        |line: &str| line.ends_with('{') && line.contains("match ") && !line.trim_start().starts_with("//");
    let arms = |start: usize| {
        let outer = indent(lines[start]);
        let inside = lines[start + 1..].iter().take_while(|line| line.is_empty() || indent(line) > outer);
        inside.filter(|line| indent(line) == outer + 4).map(|line| line.trim()).collect()
    };
    (0..lines.len()).filter(|start| opens(lines[*start])).map(arms).collect()
}

/// Whether the match is over the events of a case and would swallow a new one.
fn swallows_events(arms: &[&str]) -> bool {
    let over_events = ["CaseEvent::", "Self::PomAllocated", "Self::DeliusUpdated"];
    let names = |arm: &&str| over_events.iter().any(|event| arm.trim_start_matches("| ").starts_with(event));
    arms.iter().any(names) && arms.iter().any(|arm| arm.starts_with("_ =>") || arm.starts_with("_ if"))
}

#[test]
fn a_new_event_of_a_case_does_not_compile_until_every_match_has_decided_about_it() {
    let swallowing =
        "    match event {\n        CaseEvent::PomAllocated { .. } => {}\n        _ => {}\n    }\n";
    assert!(matches(swallowing).iter().any(|arms| swallows_events(arms)), "the test sees a catch-all arm");
    let mut files = vec![];
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    let mut seen = 0;
    for file in files {
        let code = fs::read_to_string(&file).unwrap();
        for arms in matches(&code) {
            seen += usize::from(arms.iter().any(|arm| arm.contains("PomAllocated")));
            assert!(!swallows_events(&arms), "{} has a catch-all arm over events: {arms:#?}", file.display());
        }
    }
    assert!(seen > 8, "only {seen} matches over events were found");
}

/// The names of the types that the line declares.
fn declared(line: &str) -> Option<&str> {
    let line =
        line.trim_start_matches("pub ").trim_start_matches("pub(crate) ").trim_start_matches("pub(super) ");
    let (kind, rest) = line.split_once(' ')?;
    let name = rest.split(|c: char| !c.is_alphanumeric() && c != '_').next()?;
    ["struct", "enum", "trait", "type", "union"].contains(&kind).then_some(name)
}

#[test]
fn one_name_means_one_type() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = vec![];
    sources(&root, &mut files);
    let mut places: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for file in files {
        let code = fs::read_to_string(&file).unwrap();
        let code = code.split("#[cfg(test)]\nmod").next().unwrap();
        // Types of a function or an implementation are indented.
        for name in code.lines().filter_map(declared) {
            places.entry(name.to_owned()).or_default().push(file.clone());
        }
    }
    assert!(places.len() > 300, "the types were not found: {}", places.len());
    let several: Vec<_> = places.iter().filter(|(_, files)| files.len() > 1).collect();
    assert!(several.is_empty(), "types of one name: {several:#?}");
}
