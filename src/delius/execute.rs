//! Carries out a plan, change by change, and reports what it did.

use std::collections::BTreeMap;

use chrono::NaiveDateTime;

use super::{
    engine::{Session, Statement, Value},
    error::{DeliusError, During},
    plan::change::{Change, Field, WrittenRow},
    sql,
};
use crate::case::{ColumnChange, RowChange};

/// Who signs the rows, and when.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowSignature {
    pub(super) user_id: i64,
    pub(super) at: NaiveDateTime,
}

/// What was done.
pub(super) struct Done {
    pub(super) changes: Vec<RowChange>,
    /// Key of the member of staff that was created.
    pub(super) new_staff: Option<i64>,
}

/// Executes the changes in their order.
///
/// # Errors
/// Contended when a row is no longer in the version that was planned on: somebody else changed it meanwhile.
pub(super) async fn all(
    session: &mut dyn Session,
    changes: &[Change],
    signature: RowSignature,
) -> Result<Done, DeliusError> {
    let keys = keys(session, changes).await?;
    let key_of = |row: fn(&WrittenRow) -> bool| {
        let inserted = |change: &Change| matches!(change, Change::Insert(inserted) if row(inserted));
        changes.iter().position(inserted).and_then(|place| keys[place])
    };
    let new_pom = key_of(|row| matches!(row, WrittenRow::Pom(_)));
    let new_staff = key_of(|row| matches!(row, WrittenRow::Staff(_)));

    let mut done = Vec::with_capacity(changes.len());
    let mut steps = Vec::with_capacity(changes.len());
    for (change, key) in changes.iter().zip(&keys) {
        let columns: Vec<ChangedColumn> = change
            .columns()
            .into_iter()
            .map(|(name, from, to)| (name, from, settled(to, new_pom, new_staff)))
            .collect();
        let step = ChangeStep::of(change, *key, &columns, signature)?;
        done.push(row_change(change, step.id.clone(), step.version, &columns));
        steps.push(step);
    }
    for together in steps.chunk_by(ChangeStep::goes_with) {
        run(session, together).await?;
    }
    Ok(Done { changes: done, new_staff })
}

/// What the changes would do, without executing them; a row that would be inserted has the id `new`.
pub(super) fn preview(changes: &[Change]) -> Vec<RowChange> {
    changes
        .iter()
        .map(|change| {
            let identity = change.row().identity();
            let (row_id, version) = match (change, identity) {
                (Change::Update { .. }, Some((id, version))) => (id.to_string(), version + 1),
                (Change::Delete(_), Some((id, version))) => (id.to_string(), version),
                _ => ("new".to_owned(), 0),
            };
            row_change(change, row_id, version, &change.columns())
        })
        .collect()
}

/// Name, value before, value after.
type ChangedColumn = (&'static str, Field, Field);

/// The keys of the rows to insert, by their places; all of them in one question to the sequences.
async fn keys(session: &mut dyn Session, changes: &[Change]) -> Result<Vec<Option<i64>>, DeliusError> {
    let sequence = |change: &Change| match change {
        Change::Insert(row) => row.key().map(|(_, sequence)| sequence),
        _ => None,
    };
    let mut wanted: Vec<(&'static str, usize)> = Vec::new();
    for sequence in changes.iter().filter_map(sequence) {
        match wanted.iter_mut().find(|(known, _)| *known == sequence) {
            Some((_, count)) => *count += 1,
            None => wanted.push((sequence, 1)),
        }
    }
    if wanted.is_empty() {
        return Ok(vec![None; changes.len()]);
    }
    let doing = "while taking keys from sequences";
    let ids = session.next_ids(&wanted).await.during(doing)?;
    let mut ids: Vec<_> = ids.into_iter().map(IntoIterator::into_iter).collect();
    let mut take = |sequence: &str| {
        let place = wanted.iter().position(|(known, _)| *known == sequence)?;
        ids.get_mut(place)?.next()
    };
    let missing = || DeliusError::Unexpected { during: doing, reason: "a sequence gave too few".to_owned() };
    changes
        .iter()
        .map(|change| sequence(change).map(|sequence| take(sequence).ok_or_else(missing)).transpose())
        .collect()
}

fn settled(field: Field, new_pom: Option<i64>, new_staff: Option<i64>) -> Field {
    match field {
        Field::NewPom => Field::Value(Value::Int(new_pom)),
        Field::NewStaff => Field::Value(Value::Int(new_staff)),
        known => known,
    }
}

/// One change as a statement.
struct ChangeStep {
    statement: Statement,
    inserts: bool,
    table: &'static str,
    /// Id of its row as text, and the row's version afterwards.
    id: String,
    version: i64,
}

impl ChangeStep {
    fn of(
        change: &Change,
        key: Option<i64>,
        columns: &[ChangedColumn],
        RowSignature { user_id, at }: RowSignature,
    ) -> Result<Self, DeliusError> {
        let row = change.row();
        let table = row.table();
        let mut values: Vec<(&'static str, Value)> =
            columns.iter().map(|(name, _, to)| (*name, value(to.clone()))).collect();
        let (statement, id, version) = match (change, row.key(), row.identity()) {
            (Change::Insert(_), named, _) => {
                let id = key.map_or_else(|| id_of_columns(columns), |key| key.to_string());
                values.extend(named.zip(key).map(|((name, _), key)| (name, key.into())));
                (sql::insert(table, values, user_id, at), id, 0)
            }
            (Change::Update { .. }, Some((name, _)), Some((id, version))) => {
                let update = sql::update(table, (name, id), version, values, user_id, at);
                (update, id.to_string(), version + 1)
            }
            (Change::Delete(_), Some((name, _)), Some((id, version))) => {
                (sql::delete(table, (name, id), version), id.to_string(), version)
            }
            _ => {
                let reason = format!("the plan changes a row of {table} that does not exist");
                return Err(DeliusError::Unexpected { during: "while carrying out a plan", reason });
            }
        };
        Ok(Self { statement, inserts: matches!(change, Change::Insert(_)), table, id, version })
    }

    /// Whether the two rows are inserted by one statement.
    fn goes_with(&self, next: &Self) -> bool {
        self.inserts && next.inserts && self.statement.text() == next.statement.text()
    }
}

/// Runs one change, or several inserts that go together.
async fn run(session: &mut dyn Session, steps: &[ChangeStep]) -> Result<(), DeliusError> {
    let [step, ..] = steps else { return Ok(()) };
    let during = if step.inserts { "while inserting a row" } else { "while changing a row" };
    let changed = if step.inserts {
        let rows: Vec<Statement> = steps.iter().map(|step| step.statement.clone()).collect();
        session.insert(&rows).await
    } else {
        session.execute(&step.statement).await
    };
    if changed.during(during)? == steps.len() as u64 {
        return Ok(());
    }
    let reason = format!("{} {} was changed by somebody else", step.table, step.id);
    Err(DeliusError::Contended { during, reason })
}

/// A membership has no key but its two columns.
fn id_of_columns(columns: &[ChangedColumn]) -> String {
    columns.iter().filter_map(|(.., to)| text(to)).collect::<Vec<_>>().join("/")
}

fn row_change(change: &Change, row_id: String, row_version: i64, columns: &[ChangedColumn]) -> RowChange {
    let columns: BTreeMap<String, ColumnChange> = columns
        .iter()
        .map(|(name, from, to)| ((*name).to_owned(), ColumnChange { from: text(from), to: text(to) }))
        .filter(|(_, change)| change.from != change.to)
        .collect();
    RowChange {
        table: change.row().table().to_owned(),
        row_id,
        action: change.action(),
        row_version,
        columns,
    }
}

fn value(field: Field) -> Value {
    match field {
        Field::Value(value) => value,
        Field::Day(day) => day.into(),
        // Settled before it gets here.
        Field::NewPom | Field::NewStaff => Value::Int(None),
    }
}

fn text(field: &Field) -> Option<String> {
    match field {
        Field::Value(Value::Int(number)) => number.map(|number| number.to_string()),
        Field::Value(Value::Text(text)) => text.clone(),
        Field::Value(Value::Time(time)) => time.map(|time| time.format("%Y-%m-%d %H:%M:%S").to_string()),
        Field::Day(day) => Some(day.to_string()),
        Field::NewPom | Field::NewStaff => Some("new".to_owned()),
    }
}
