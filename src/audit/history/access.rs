//! The access log: who looked at whose history, as of when. A reading that cannot be recorded is not answered.

use sqlx::PgPool;

use crate::{
    audit::{history::Question, render::Format},
    case::NomsNumber,
};

/// A reading of a case's history.
#[derive(Debug, Clone)]
pub struct Access {
    by: String,
    via: &'static str,
    client: Option<String>,
    action: Action,
    question: Question,
    format: Option<Format>,
    position: Option<i64>,
}

/// What is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The history.
    History,
    /// Where one entry comes from and what became of it.
    Explain,
    /// What changed a row in Delius.
    DeliusRow,
    /// What we hold about a person, for that person.
    SubjectAccess,
    /// The evidence file of a case.
    Evidence,
    /// A write on its way to Delius.
    Write,
    /// A parked message with its bytes.
    ParkedMessage,
    /// What differs between two times.
    Difference,
}

impl Action {
    fn as_str(self) -> &'static str {
        match self {
            Self::History => "history",
            Self::Explain => "explain",
            Self::DeliusRow => "deliusRow",
            Self::SubjectAccess => "subjectAccess",
            Self::Evidence => "evidence",
            Self::Write => "write",
            Self::ParkedMessage => "parkedMessage",
            Self::Difference => "difference",
        }
    }
}

impl Access {
    /// By somebody on the command line.
    pub fn cli(by: &str) -> Self {
        Self::new(by, "cli", None)
    }

    /// By the bearer of a token: its subject (or user name), and its client.
    pub fn http(by: &str, client: Option<&str>) -> Self {
        Self::new(by, "http", client.map(str::to_owned))
    }

    fn new(by: &str, via: &'static str, client: Option<String>) -> Self {
        let (action, question) = (Action::History, Question::default());
        Self { by: by.to_owned(), via, client, action, question, format: None, position: None }
    }

    /// What is read.
    pub fn to(self, action: Action) -> Self {
        Self { action, ..self }
    }

    /// As of when.
    pub fn asking(self, question: &Question) -> Self {
        Self { question: *question, ..self }
    }

    /// In which form it is handed over.
    pub fn as_format(self, format: Format) -> Self {
        Self { format: Some(format), ..self }
    }

    /// Who reads.
    pub(crate) fn by(&self) -> &str {
        &self.by
    }

    /// Which entry is explained, or the number of the parked message.
    pub fn at_position(self, position: i64) -> Self {
        Self { position: Some(position), ..self }
    }

    /// Records the reading, in the log of the store and as a structured log event.
    pub(crate) async fn record(
        &self,
        pool: &PgPool,
        noms: Option<&NomsNumber>,
        found: bool,
    ) -> sqlx::Result<()> {
        sqlx::query(
            "insert into access_log (by_whom, via, client, action, case_id, as_of, known_at, format, found, position)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        )
        .bind(&self.by)
        .bind(self.via)
        .bind(&self.client)
        .bind(self.action.as_str())
        .bind(noms.map(NomsNumber::as_str))
        .bind(self.question.as_of)
        .bind(self.question.known_at)
        .bind(self.format.map(Format::as_str))
        .bind(found)
        .bind(self.position)
        .execute(pool)
        .await?;
        tracing::info!(
            target: "access",
            by = self.by,
            via = self.via,
            client = self.client,
            action = self.action.as_str(),
            noms = noms.map(NomsNumber::as_str),
            position = self.position,
            as_of = self.question.as_of.map(|at| at.to_rfc3339()),
            known_at = self.question.known_at.map(|at| at.to_rfc3339()),
            format = self.format.map(Format::as_str),
            found,
            "history read"
        );
        Ok(())
    }
}
