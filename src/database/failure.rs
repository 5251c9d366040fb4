//! What an error of PostgreSQL means for the database, the connection and the statement.

/// What to do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// The database is to blame (it is away, restarts, is restored, out of resources, slow or refuses the login): the
    /// same statement can succeed later.
    Outage,
    /// Another transaction changed or holds the same rows: the same statement can succeed at once.
    Conflict,
    /// This connection is out of date (its cached plans, its prepared statements): another connection works.
    StaleConnection,
    /// The statement cannot succeed.
    Statement,
}

/// Sorts an error.
pub fn failure_kind(error: &sqlx::Error) -> FailureKind {
    match error {
        sqlx::Error::Database(error) => kind_of_state(&error.code().unwrap_or_default()),
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::BeginFailed => FailureKind::Outage,
        _ => FailureKind::Statement,
    }
}

/// Sorts an error that came while connecting: whatever it is, no statement is to blame.
pub fn while_connecting(_: &sqlx::Error) -> FailureKind {
    FailureKind::Outage
}

/// Whether the same statement can succeed later without anybody's decision.
pub fn is_outage(error: &sqlx::Error) -> bool {
    failure_kind(error) != FailureKind::Statement
}

/// Classes 08 (connection), 28 (login refused, as while a password is changed), 53 (out of resources), 55 (not in the
/// state that is needed), 57P (restart, fail-over) and 58 (system); then a database that is missing or whose tables are
/// missing (3D000, 3F000, 42P01: it is being restored), that is read-only (25006) or that ended what took too long.
///
/// The statements of this service are right for its schema, so a missing table is never a wrong statement.
fn kind_of_state(code: &str) -> FailureKind {
    match code {
        "0A000" | "26000" => FailureKind::StaleConnection,
        "55P03" => FailureKind::Conflict,
        "57014" | "25P03" | "25P04" | "25006" | "3D000" | "3F000" | "42P01" => FailureKind::Outage,
        _ if code.starts_with("40") => FailureKind::Conflict,
        _ if ["08", "28", "53", "55", "57P", "58"].iter().any(|class| code.starts_with(class)) => {
            FailureKind::Outage
        }
        _ => FailureKind::Statement,
    }
}

/// Whether the connection that gave this error may give it for ever. It is not used again.
pub(super) fn condemns_connection(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(error) => error.code().is_some_and(|code| condemns(&code)),
        _ => false,
    }
}

fn condemns(code: &str) -> bool {
    ["0A000", "25006", "26000"].contains(&code) || code.starts_with("08") || code.starts_with("57P")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_of_the_database_are_told_from_statements_that_cannot_succeed() {
        for code in [
            "08006", "28P01", "28000", "53300", "55000", "55006", "57P01", "57P03", "57014", "58030",
            "25006", "3D000", "3F000", "42P01",
        ] {
            assert_eq!(kind_of_state(code), FailureKind::Outage, "{code}");
        }
        for code in ["40001", "40P01", "55P03"] {
            assert_eq!(kind_of_state(code), FailureKind::Conflict, "{code}");
        }
        for code in ["0A000", "26000"] {
            assert_eq!(kind_of_state(code), FailureKind::StaleConnection, "{code}");
        }
        for code in ["22021", "22P05", "23505", "23514", "42703", ""] {
            assert_eq!(kind_of_state(code), FailureKind::Statement, "{code}");
        }
        assert!(is_outage(&sqlx::Error::PoolTimedOut));
        assert!(is_outage(&super::super::no_answer()));
        assert!(!is_outage(&sqlx::Error::RowNotFound));
    }

    #[test]
    fn connections_that_answer_only_errors_are_condemned() {
        for code in ["0A000", "25006", "26000", "08003", "57P01", "57P05"] {
            assert!(condemns(code), "{code}");
        }
        for code in ["23505", "57014", "40001", "42P01", ""] {
            assert!(!condemns(code), "{code}");
        }
    }
}
