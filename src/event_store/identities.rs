//! The identifiers of persons: a projection of the events, stored by the statement that appends them.

use std::collections::BTreeSet;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool, Row, postgres::PgRow};

use crate::{
    breakers::STORE,
    case::{
        CaseEvent, Crn, FetchError, KnownIdentities, NomsNumber, PersonId,
        identity::{self, Identities, IdentityFact, IdentityStatement, Person},
    },
    database::in_time,
};

async fn store(
    connection: &mut PgConnection,
    noms: &NomsNumber,
    events: &[(u64, CaseEvent)],
) -> sqlx::Result<()> {
    for (sequence, event) in events {
        for (ordinal, fact) in (0_i32..).zip(identity::facts(noms, event)) {
            let (kind, one, other) = columns(&fact.statement);
            sqlx::query(
                "insert into identity_facts (case_id, sequence, ordinal, kind, one, other, at, recorded_at)
                 select aggregate_id, sequence, $3, $4, $5, $6, $7, recorded_at from events
                 where aggregate_type = 'case' and aggregate_id = $1 and sequence = $2
                 on conflict do nothing",
            )
            .bind(noms.as_str())
            .bind(sequence.cast_signed())
            .bind(ordinal)
            .bind(kind)
            .bind(one)
            .bind(other)
            .bind(fact.at)
            .execute(&mut *connection)
            .await?;
        }
    }
    Ok(())
}

/// Makes the facts of a case those that its events say, for a rebuild.
pub(crate) async fn rebuild(
    connection: &mut PgConnection,
    noms: &NomsNumber,
    events: &[(u64, CaseEvent)],
) -> sqlx::Result<()> {
    // An append that came after the events were read has stored its own facts.
    let last = events.last().map_or(0, |(sequence, _)| *sequence);
    sqlx::query("delete from identity_facts where case_id = $1 and sequence <= $2")
        .bind(noms.as_str())
        .bind(last.cast_signed())
        .execute(&mut *connection)
        .await?;
    store(connection, noms, events).await
}

pub(super) fn columns(statement: &IdentityStatement) -> (&'static str, &str, &str) {
    match statement {
        IdentityStatement::Holds { crn, noms } => ("holds", crn.as_str(), noms.as_str()),
        IdentityStatement::Replaced { from, to } => ("replaced", from.as_str(), to.as_str()),
        IdentityStatement::Merged { from, to } => ("merged", from.as_str(), to.as_str()),
        IdentityStatement::Unmerged { reactivated, unmerged } => {
            ("unmerged", reactivated.as_str(), unmerged.as_str())
        }
    }
}

fn fact(row: &PgRow) -> sqlx::Result<IdentityFact> {
    let decode = |error| sqlx::Error::Decode(Box::new(error));
    let (one, other): (String, String) = (row.try_get("one")?, row.try_get("other")?);
    let crn = |text: &str| text.parse::<Crn>().map_err(decode);
    let noms = |text: &str| text.parse::<NomsNumber>().map_err(decode);
    let statement = match row.try_get::<&str, _>("kind")? {
        "holds" => IdentityStatement::Holds { crn: crn(&one)?, noms: noms(&other)? },
        "replaced" => IdentityStatement::Replaced { from: noms(&one)?, to: noms(&other)? },
        "merged" => IdentityStatement::Merged { from: crn(&one)?, to: crn(&other)? },
        _ => IdentityStatement::Unmerged { reactivated: crn(&one)?, unmerged: crn(&other)? },
    };
    Ok(IdentityFact { at: row.try_get("at")?, statement })
}

/// Everything recorded by `known_at` about the persons who ever had one of the identifiers.
pub async fn around(
    pool: &PgPool,
    ids: &[PersonId],
    known_at: Option<DateTime<Utc>>,
) -> sqlx::Result<Identities> {
    let mut known: BTreeSet<String> = ids.iter().map(ToString::to_string).collect();
    let mut unread: Vec<String> = known.iter().cloned().collect();
    let mut facts = vec![];
    // From identifier to identifier until nothing new is named; almost always the first query finds nothing.
    while !unread.is_empty() {
        let found = sqlx::query(
            "select kind, one, other, at from identity_facts
             where (one = any($1) or other = any($1)) and ($2::timestamptz is null or recorded_at <= $2)",
        )
        .bind(&unread)
        .bind(known_at)
        .try_map(|row: PgRow| {
            Ok((fact(&row)?, row.try_get::<String, _>("one")?, row.try_get::<String, _>("other")?))
        })
        .fetch_all(pool)
        .await?;
        unread.clear();
        for (fact, one, other) in found {
            facts.push(fact);
            unread.extend([one, other].into_iter().filter(|id| known.insert(id.clone())));
        }
    }
    Ok(Identities::of(facts))
}

/// The person whom the identifier means at a time (now when absent), by what was recorded by `known_at`; `None` for a
/// CRN about which nothing is recorded.
pub async fn person(
    pool: &PgPool,
    id: &PersonId,
    as_of: Option<DateTime<Utc>>,
    known_at: Option<DateTime<Utc>>,
) -> sqlx::Result<Option<Person>> {
    let identities = around(pool, std::slice::from_ref(id), known_at).await?;
    // No message is about the future, so the end of time means the present.
    Ok(identities.person(id, as_of.unwrap_or(DateTime::<Utc>::MAX_UTC)))
}

/// The numbers that nobody has any more: the persons have other ones.
pub async fn replaced_numbers(pool: &PgPool) -> sqlx::Result<BTreeSet<NomsNumber>> {
    let named: Vec<String> =
        sqlx::query_scalar("select distinct one from identity_facts where kind = 'replaced'")
            .fetch_all(pool)
            .await?;
    let mut replaced = BTreeSet::new();
    for number in named {
        let noms: NomsNumber = number.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
        if heir(pool, &noms, DateTime::<Utc>::MAX_UTC).await? != noms {
            replaced.insert(noms);
        }
    }
    Ok(replaced)
}

/// The number that the person who had `noms` at that time has now.
pub async fn heir(pool: &PgPool, noms: &NomsNumber, at: DateTime<Utc>) -> sqlx::Result<NomsNumber> {
    Ok(around(pool, &[PersonId::Noms(noms.clone())], None).await?.heir(noms, at))
}

/// What the store knows about identifiers, for a case that decides.
pub struct StoredIdentities {
    pool: PgPool,
}

impl StoredIdentities {
    pub fn new(pool: PgPool) -> Self {
        Self { pool }
    }
}

#[async_trait]
impl KnownIdentities for StoredIdentities {
    async fn around(&self, noms: &NomsNumber, crn: Option<&Crn>) -> Result<Identities, FetchError> {
        let mut ids = vec![PersonId::Noms(noms.clone())];
        ids.extend(crn.cloned().map(PersonId::Crn));
        in_time(around(&self.pool, &ids, None))
            .await
            .map_err(|error| FetchError::Unavailable { dependency: STORE, reason: error.to_string() })
    }
}
