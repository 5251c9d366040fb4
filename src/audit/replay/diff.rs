//! The difference of two JSON values, member by member.

use std::{collections::BTreeMap, fmt::Write as _};

use serde_json::Value;

/// The leaves of a value by their path.
fn leaves(value: &Value, path: &str, into: &mut BTreeMap<String, String>) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::Object(members) if !members.is_empty() => {
            members.iter().for_each(|(name, value)| leaves(value, &below(name), into));
        }
        Value::Array(items) if !items.is_empty() => {
            items
                .iter()
                .enumerate()
                .for_each(|(index, value)| leaves(value, &below(&index.to_string()), into));
        }
        leaf => {
            into.insert(path.to_owned(), leaf.to_string());
        }
    }
}

/// Every leaf as `path: value`.
pub(crate) fn lines(value: &Value) -> Vec<String> {
    let mut found = BTreeMap::new();
    leaves(value, "", &mut found);
    found.into_iter().map(|(path, leaf)| format!("{path}: {leaf}")).collect()
}

/// The leaves that differ: `-` as stored, `+` as derived.
pub(crate) fn diff(stored: &Value, derived: &Value) -> String {
    let (mut before, mut after) = (BTreeMap::new(), BTreeMap::new());
    leaves(stored, "", &mut before);
    leaves(derived, "", &mut after);
    let mut out = String::new();
    let paths: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for path in paths {
        let (stored, derived) = (before.get(path), after.get(path));
        if stored != derived {
            // Writing to a String cannot fail.
            let _ = stored.map(|leaf| writeln!(out, "- {path}: {leaf}"));
            let _ = derived.map(|leaf| writeln!(out, "+ {path}: {leaf}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_differs_is_shown() {
        let stored = json!({ "kind": "allocatePom", "pom": { "email": null, "tags": [1, 2] } });
        let derived = json!({ "kind": "allocatePom", "pom": { "email": "a@b", "tags": [1] }, "new": {} });
        assert_eq!(
            diff(&stored, &derived),
            "+ new: {}\n- pom.email: null\n+ pom.email: \"a@b\"\n- pom.tags.1: 2\n"
        );
    }
}
