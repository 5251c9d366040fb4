//! Values in and out.

use std::sync::Arc;

use chrono::{NaiveDate, NaiveDateTime};
use sqlx::{
    Column, Encode, Postgres, Row as _, Type, TypeInfo, ValueRef,
    encode::IsNull,
    error::BoxDynError,
    postgres::{PgArgumentBuffer, PgArguments, PgRow, PgTypeInfo},
    query::Query,
};

use crate::delius::engine::{EngineFailure, Row, Value};

/// A text whose type the server infers. Declared as `text`, a comparison with a `char(n)` column would convert the
/// column, and no index on it could be used.
struct Untyped(Option<String>);

impl Type<Postgres> for Untyped {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_name("unknown")
    }
}

impl Encode<'_, Postgres> for Untyped {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        match &self.0 {
            Some(text) => <&str as Encode<Postgres>>::encode_by_ref(&text.as_str(), buffer),
            None => Ok(IsNull::Yes),
        }
    }
}

pub(super) fn bind<'q>(
    query: Query<'q, Postgres, PgArguments>,
    value: &Value,
) -> Query<'q, Postgres, PgArguments> {
    match value {
        Value::Int(number) => query.bind(*number),
        Value::Text(text) => query.bind(Untyped(text.clone())),
        Value::Time(time) => query.bind(*time),
    }
}

pub(super) fn rows(rows: &[PgRow]) -> Result<Vec<Row>, EngineFailure> {
    let Some(first) = rows.first() else { return Ok(Vec::new()) };
    let columns: Arc<[String]> = first.columns().iter().map(|column| column.name().to_owned()).collect();
    let row = |row: &PgRow| {
        let values = (0..columns.len())
            .map(|place| value(row, place).map_err(|_| EngineFailure::unreadable(&columns[place])));
        values.collect::<Result<Vec<_>, _>>().map(|values| Row::new(Arc::clone(&columns), values))
    };
    rows.iter().map(row).collect()
}

fn value(row: &PgRow, place: usize) -> sqlx::Result<Value> {
    let raw = row.try_get_raw(place)?;
    let midnight = |date: NaiveDate| date.into();
    Ok(match raw.type_info().name() {
        "INT2" => Value::Int(row.try_get::<Option<i16>, _>(place)?.map(i64::from)),
        "INT4" => Value::Int(row.try_get::<Option<i32>, _>(place)?.map(i64::from)),
        "INT8" => Value::Int(row.try_get(place)?),
        "TIMESTAMP" => Value::Time(row.try_get::<Option<NaiveDateTime>, _>(place)?),
        "DATE" => Value::Time(row.try_get::<Option<NaiveDate>, _>(place)?.map(midnight)),
        _ => Value::Text(row.try_get(place)?),
    })
}
