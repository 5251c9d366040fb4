//! Whether a running older version survives a migration of our store: two versions run side by side in every deployment,
//! and the older one must work after a rollback.
//!
//! A migration may do anything to tables that it creates itself. To other tables it may only add: columns that are
//! nullable or have a default, tables, and indices that are not unique. A statement that does more needs a reason in the
//! comment above it: `-- older versions survive this: …`.

/// The beginning of the reason.
pub(crate) const REASON: &str = "-- older versions survive this:";

/// What an older version may not survive, in words, with the statement.
pub(crate) fn offences(sql: &str) -> Vec<String> {
    let statements = statements(sql);
    let created: Vec<String> = statements
        .iter()
        .filter_map(|(words, _)| words.strip_prefix("create table ").map(|rest| name(rest).to_owned()))
        .collect();
    let own = |table: &str| created.iter().any(|created| created == table);
    statements
        .iter()
        .filter(|(_, excused)| !excused)
        .filter_map(|(words, _)| {
            offence(words, &own).map(|why| format!("{why}: {}", words.chars().take(90).collect::<String>()))
        })
        .collect()
}

fn offence(words: &str, own: &impl Fn(&str) -> bool) -> Option<&'static str> {
    let first = words.split(' ').next().unwrap_or_default();
    match first {
        "drop" | "truncate" | "delete" | "update" | "revoke" | "lock" | "do" => {
            Some("it takes something away")
        }
        "alter" => altered(words, own),
        "create" if words.starts_with("create unique index") => {
            let table = words.split(" on ").nth(1).map(name).unwrap_or_default();
            (!own(table)).then_some("an older version may insert what is not unique")
        }
        "create"
            if words.starts_with("create trigger")
                || words.contains(" trigger ") && !words.contains(" returns ") =>
        {
            let table = words.split(" on ").nth(1).map(name).unwrap_or_default();
            (!own(table)).then_some("a trigger may refuse what an older version does")
        }
        "create"
            if ["create rule ", "create or replace rule ", "create policy "]
                .iter()
                .any(|it| words.starts_with(it)) =>
        {
            Some("it may change what an older version does")
        }
        "create" | "insert" | "grant" | "comment" | "select" => None,
        _ => Some("what this does to an older version is not known here"),
    }
}

fn altered(words: &str, own: &impl Fn(&str) -> bool) -> Option<&'static str> {
    let Some(rest) = words.strip_prefix("alter table ") else {
        return Some("what this does to an older version is not known here");
    };
    let rest = rest.trim_start_matches("if exists ").trim_start_matches("only ");
    if own(name(rest)) {
        return None;
    }
    let actions = rest.split_once(' ').map_or("", |(_, actions)| actions);
    outside_brackets(actions, ',').iter().find_map(|action| action_on_column(action.trim()))
}

fn action_on_column(action: &str) -> Option<&'static str> {
    let constraints = ["constraint", "check", "unique", "primary", "foreign", "exclude"];
    let Some(added) = action.strip_prefix("add ") else {
        let harmless = action.starts_with("alter ")
            && (action.contains(" drop not null") || action.contains(" set default"));
        return (!harmless).then_some("it changes what an older version relies on");
    };
    let column = added.trim_start_matches("column ").trim_start_matches("if not exists ");
    if constraints.contains(&name(column)) {
        return Some("a constraint may refuse what an older version writes");
    }
    let definition = format!("{column} ");
    let filled = definition.contains(" default ") || definition.contains(" generated ");
    if definition.contains(" not null ") && !filled {
        return Some("an older version leaves the column out, and it has no default");
    }
    [" check ", " check(", " unique ", " references ", " primary key "]
        .iter()
        .any(|constraint| definition.contains(constraint))
        .then_some("a constraint may refuse what an older version writes")
}

/// The first name in the text.
fn name(text: &str) -> &str {
    let text = text.trim_start_matches("if not exists ").trim_start_matches("only ");
    text.split([' ', '(', ',']).next().unwrap_or_default()
}

/// The statements in lower case, without comments, texts and bodies of functions; and whether each has its reason.
fn statements(sql: &str) -> Vec<(String, bool)> {
    let (mut statements, mut words, mut excused) = (vec![], String::new(), false);
    let mut rest = sql;
    while let Some(next) = rest.chars().next() {
        let length = match next {
            '-' if rest.starts_with("--") => {
                let comment = rest.lines().next().unwrap_or_default();
                excused |= comment.strip_prefix(REASON).is_some_and(|why| !why.trim().is_empty());
                comment.len()
            }
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            '\'' => {
                words.push_str("''");
                rest[1..].find('\'').map_or(rest.len(), |end| end + 2)
            }
            '$' if rest.starts_with("$$") => rest[2..].find("$$").map_or(rest.len(), |end| end + 4),
            ';' => {
                statements.push((std::mem::take(&mut words), std::mem::take(&mut excused)));
                1
            }
            other => {
                words.push(other.to_ascii_lowercase());
                other.len_utf8()
            }
        };
        rest = &rest[length..];
    }
    statements.push((words, excused));
    let plain = |words: &str| words.split_whitespace().collect::<Vec<_>>().join(" ");
    let statements = statements.into_iter().map(|(words, excused)| (plain(&words), excused));
    statements.filter(|(words, _)| !words.is_empty()).collect()
}

/// Splits at separators outside brackets.
fn outside_brackets(text: &str, separator: char) -> Vec<&str> {
    let (mut depth, mut begins, mut parts) = (0_i32, 0, vec![]);
    for (at, character) in text.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ if character == separator && depth == 0 => {
                parts.push(&text[begins..at]);
                begins = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[begins..]);
    parts
}
