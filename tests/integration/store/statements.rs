//! No statement of the write path joins two cases. So the tables below can be distributed over several databases by the
//! case; see docs/PERFORMANCE.md.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The tables that grow with the number of cases, and would be distributed by the case.
const DISTRIBUTED: [&str; 5] =
    ["events", "outbox", "message_receipts", "unreflected_allocations", "outcome_notices"];

/// The rooms that write to them.
const ROOMS: [&str; 3] = ["src/event_store", "src/outbox", "src/relay"];

/// Each of these keeps a join within one case: it compares the case, or joins a row with itself.
const KEYS: [&str; 7] = [
    "case_id = ",
    "aggregate_id = ",
    "using (case_id",
    "join granted using (append)",
    "outbox.id = due.id",
    "write_id = due.write_id",
    "write_id in ( select write_id from outcome_notices",
];

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// The statements in a file: the whole of an SQL file without its comments, the string literals of a Rust file.
fn statements(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    let plain = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    if path.extension().is_some_and(|extension| extension == "sql") {
        let code: Vec<&str> = text.lines().map(|line| line.split("--").next().unwrap()).collect();
        return vec![plain(&code.join("\n"))];
    }
    let literals = text.replace("\\\"", "'");
    let literals = literals.split('"').skip(1).step_by(2).map(plain);
    let verbs = ["select ", "insert ", "update ", "delete ", "with "];
    literals.filter(|literal| verbs.iter().any(|verb| literal.starts_with(verb))).collect()
}

/// How often a statement names one of the tables as the source or the target of rows.
fn tables_named(statement: &str) -> usize {
    let words: Vec<&str> = statement.split([' ', '(', ')', ',']).filter(|word| !word.is_empty()).collect();
    let introduced = |word: &str| ["from", "join", "into", "update"].contains(&word);
    words.windows(2).filter(|pair| introduced(pair[0]) && DISTRIBUTED.contains(&pair[1])).count()
}

#[test]
fn no_statement_of_the_write_path_joins_two_cases() {
    let mut paths = vec![];
    for room in ROOMS {
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join(room), &mut paths);
    }
    let (mut joined, mut odd) = (0, vec![]);
    for path in &paths {
        for statement in statements(path).into_iter().filter(|statement| tables_named(statement) > 1) {
            joined += 1;
            if !KEYS.iter().any(|key| statement.contains(key)) {
                odd.push(format!("{}: {statement}", path.display()));
            }
        }
    }
    assert!(
        odd.is_empty(),
        "these statements name two rows and no case that both belong to:\n{}",
        odd.join("\n")
    );
    assert!(joined >= 8, "only {joined} statements were found: are the sources read at all?");
}
