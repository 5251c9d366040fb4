//! `history`: what happened to a case, as a person or a program wants to read it.

use std::{io::Write as _, path::PathBuf, process::ExitCode};

use anyhow::{Context, anyhow};
use chrono::{DateTime, Utc};
use clap::Args;
use sqlx::PgPool;

use crate::{
    app::{
        Failure,
        settings::{
            self, StoreSettings,
            check::{both, somebody},
        },
    },
    audit::{
        evidence,
        history::{self, Access, Action, CaseFile, DeliusRow, Moment, Question},
        render::{self, Format},
    },
    case::{NomsNumber, PersonId},
    cli::people::CrnLookup,
};

/// Arguments of `history`.
#[derive(Debug, Args)]
#[command(
    after_help = "Times: 2026-03-03 (the end of that day), 2026-03-03T10:00 (London time) or 2026-03-03T10:00:00Z.\n\
    Every reading is recorded in the access log.\n\n\
    Examples:\n  history A1234BC\n  history A1234BC --as-of 2026-03-03 --known-at 2026-03-10\n  \
    history A1234BC --explain 4\n  history X123456 --format html > case.html"
)]
pub struct HistoryArguments {
    /// NOMS number (A1234BC) or CRN (X123456; needs DELIUS_DATABASE_URL)
    #[arg(value_name = "ID", required_unless_present_any = ["delius_row", "from"])]
    id: Option<PersonId>,
    /// Show the case in this evidence file; needs neither database nor network
    #[arg(long, value_name = "FILE", conflicts_with_all = ["id", "delius_row"])]
    from: Option<PathBuf>,
    /// What was true in the world at this time
    #[arg(long, value_name = "T")]
    as_of: Option<Moment>,
    /// What we knew at this time
    #[arg(long, value_name = "T")]
    known_at: Option<Moment>,
    /// Form of the answer
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
    /// List entries after this position only
    #[arg(long, value_name = "POSITION", default_value_t = 0)]
    after: u64,
    /// List at most so many entries
    #[arg(long, value_name = "COUNT", default_value_t = history::PAGE)]
    limit: usize,
    /// Show where the entry at this position comes from and what became of it, down to the rows in Delius
    #[arg(long, value_name = "POSITION", conflicts_with_all = ["as_of", "known_at", "delius_row"])]
    explain: Option<u64>,
    /// Show what differs between two times: who held the case, the dates, what happened in between, and what was recorded
    /// in between about the time before
    #[arg(long, value_names = ["FROM", "TO"], num_args = 2, conflicts_with_all = ["as_of", "explain", "delius_row"])]
    diff: Option<Vec<Moment>>,
    /// Show which events changed this row in Delius, for example prison_offender_manager:123
    #[arg(long, value_name = "TABLE:ID", conflicts_with_all = ["as_of", "known_at"])]
    delius_row: Option<DeliusRow>,
    /// Who asks; recorded
    #[arg(long, env = "USER", value_parser = somebody, required_unless_present = "from")]
    by: Option<String>,
    #[command(flatten)]
    store: StoreSettings,
    #[command(flatten)]
    lookup: CrnLookup,
}

impl HistoryArguments {
    pub(super) async fn run(self) -> Result<ExitCode, Failure> {
        if matches!(self.format, Format::Csv | Format::Html) {
            if self.explain.is_some() || self.delius_row.is_some() {
                return Err(Failure::setting("--format", "an entry is explained as table or json only"));
            }
            if self.diff.is_some() {
                return Err(Failure::setting("--format", "a difference is shown as table or json only"));
            }
        }
        if self.times().is_some_and(|(from, to)| from > to) {
            return Err(Failure::setting("--diff", "the first time is after the second one"));
        }
        if let Some(file) = &self.from {
            return self.of_file(file);
        }
        let person = self.id.as_ref().map(|id| self.lookup.person(id)).transpose();
        let (database, person) = both(self.store.database(), person)?;
        let pool = settings::connect_store(database).await?;
        let access = Access::cli(self.by.as_deref().unwrap_or_default()).as_format(self.format);
        if let Some(row) = &self.delius_row {
            return self.of_row(&pool, row, access).await;
        }
        let id = self.id.as_ref().context("an identifier is needed")?;
        let question = self.question();
        let times = (question.as_of, question.known_at);
        let person = person.context("an identifier is needed")?.find(&pool, times).await?;
        let access = access.to(self.action()).asking(&question);
        let access = match self.explain {
            Some(position) => access.at_position(position.cast_signed()),
            None => access,
        };
        let file =
            history::load_for(&pool, &person, access).await?.ok_or_else(|| not_found(id, &person.current))?;
        print(&self.answer(&file, &question)?)?;
        Ok(ExitCode::SUCCESS)
    }

    fn of_file(&self, file: &PathBuf) -> Result<ExitCode, Failure> {
        let evidence = super::evidence::read(file)?;
        let asked = self.question();
        let question = Question {
            as_of: asked.as_of.or(evidence.as_of),
            known_at: asked.known_at.or(evidence.known_at),
            ..asked
        };
        let case = evidence::case_of(&evidence)?;
        if self.format == Format::Html {
            // With its proof in it: the page checks itself.
            let history = history::build(&case, &question);
            print(&render::render_with_evidence(&history, &evidence.to_text()?))?;
        } else {
            print(&self.answer(&case, &question)?)?;
        }
        Ok(ExitCode::SUCCESS)
    }

    async fn of_row(&self, pool: &PgPool, row: &DeliusRow, access: Access) -> Result<ExitCode, Failure> {
        let explanations = history::by_delius_row(pool, row, access).await?;
        if explanations.is_empty() {
            return Err(anyhow!("no recorded write touched {row}").into());
        }
        for explanation in explanations {
            print(&explanation.render(self.format)?.unwrap_or_default())?;
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Of a difference, the later time says whom the identifier means.
    fn question(&self) -> Question {
        Question {
            as_of: self.times().map(|(_, to)| to).or(self.as_of.map(|moment| moment.0)),
            known_at: self.known_at.map(|moment| moment.0),
            after: self.after,
            limit: Some(self.limit),
        }
    }

    fn times(&self) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        match self.diff.as_deref() {
            Some([Moment(from), Moment(to)]) => Some((*from, *to)),
            _ => None,
        }
    }

    fn action(&self) -> Action {
        match (self.explain, &self.diff) {
            (Some(_), _) => Action::Explain,
            (None, Some(_)) => Action::Difference,
            (None, None) => Action::History,
        }
    }

    fn answer(&self, file: &CaseFile, question: &Question) -> anyhow::Result<String> {
        if let Some(times) = self.times() {
            let difference = history::difference(file, times, question.known_at);
            return render::render_difference(&difference, self.format).map(Option::unwrap_or_default);
        }
        match self.explain {
            None => render::render(&history::build(file, question), self.format),
            Some(position) => history::explain(file, position)
                .with_context(|| format!("case {} has no position {position}", file.noms))?
                .render(self.format)
                .map(Option::unwrap_or_default),
        }
    }
}

fn not_found(id: &PersonId, noms: &NomsNumber) -> anyhow::Error {
    match id {
        PersonId::Crn(crn) => anyhow!("nothing is recorded for CRN {crn} (NOMS number {noms})"),
        PersonId::Noms(noms) => anyhow!("nothing is recorded for NOMS number {noms}"),
    }
}

/// A reader that closes its end early (`| head`) is no failure.
fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
