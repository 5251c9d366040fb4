//! The append statement without the parts that a batch does not need.

use std::sync::LazyLock;

const APPEND: &str = include_str!("../append.sql");

/// Every statement there is, by [`AppendParts::number`].
static STATEMENTS: LazyLock<[String; 8]> =
    LazyLock::new(|| std::array::from_fn(|number| AppendParts::numbered(number).write()));

/// Which optional parts of `append.sql` have something to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AppendParts {
    /// Receipts of messages and new writes.
    pub(super) message: bool,
    /// Notices of outcomes, and whom in Delius they were written to.
    pub(super) outcome: bool,
    /// Names, allocations that wait for one, and identifiers of persons.
    pub(super) person: bool,
}

impl AppendParts {
    /// The same text every time for the same parts, so that a connection prepares it once.
    pub(super) fn statement(self) -> &'static str {
        &STATEMENTS[self.number()]
    }

    fn number(self) -> usize {
        usize::from(self.message) | usize::from(self.outcome) << 1 | usize::from(self.person) << 2
    }

    fn numbered(number: usize) -> Self {
        Self { message: number & 1 != 0, outcome: number & 2 != 0, person: number & 4 != 0 }
    }

    fn has(self, part: &str) -> bool {
        match part {
            "message" => self.message,
            "outcome" => self.outcome,
            "person" => self.person,
            _ => true,
        }
    }

    fn write(self) -> String {
        let mut lines = APPEND.lines();
        // The first comment stays: whoever looks at the sessions of the store sees what this is.
        let (mut sql, mut keeps) = (lines.next().unwrap_or_default().to_owned() + "\n", true);
        for line in lines {
            match line.trim_start().strip_prefix("--").map(str::trim) {
                Some("]") => keeps = true,
                Some(comment) => {
                    if let Some(part) = comment.strip_prefix('[') {
                        keeps = self.has(part);
                    }
                }
                None if keeps => {
                    sql.push_str(line.trim_start());
                    sql.push('\n');
                }
                None => {}
            }
        }
        sql
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: AppendParts = AppendParts { message: true, outcome: true, person: true };

    #[test]
    fn each_parameter_of_the_statement_is_bound_and_used_once() {
        let sql = ALL.statement();
        let used = sql.split('$').skip(1).filter_map(|rest| rest.split_once("::")?.0.parse::<usize>().ok());
        let mut used: Vec<_> = used.collect();
        used.sort_unstable();
        let bound = include_str!("columns.rs").matches(concat!(".bind(", "self.")).count();
        assert_eq!(used, (1..=bound).collect::<Vec<_>>());
    }

    #[test]
    fn each_part_has_its_tables() {
        let tables = [
            (AppendParts { message: true, ..AppendParts::numbered(0) }, vec!["outbox", "message_receipts"]),
            (
                AppendParts { outcome: true, ..AppendParts::numbered(0) },
                vec!["outcome_notices", "delius_staff"],
            ),
            (
                AppendParts { person: true, ..AppendParts::numbered(0) },
                vec!["staff_directory", "unreflected_allocations", "identity_facts"],
            ),
        ];
        let none = AppendParts::numbered(0).statement();
        for (parts, tables) in tables {
            for table in tables {
                let insert = format!("insert into {table} ");
                assert!(parts.statement().replace('\n', " ").contains(&insert), "{insert}");
                assert!(!none.replace('\n', " ").contains(&insert), "{insert}");
            }
        }
    }
}
