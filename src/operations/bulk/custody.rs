//! The cases of a run: every NOMS number with one live custody.

use super::BulkRun;
use crate::{
    case::NomsNumber,
    delius::{Delius, DeliusError, NomsCursor},
};

/// NOMS numbers read from Delius at once.
const PAGE: u32 = 1000;

/// Cases up to the run's cursor that are still in custody.
///
/// # Errors
/// When Delius cannot be read.
pub async fn enqueued_cases(delius: &Delius, run: &BulkRun) -> Result<Vec<NomsNumber>, DeliusError> {
    let mut numbers = vec![];
    let mut next = run.cursor().map(|_| NomsCursor::default());
    while let Some(cursor) = next {
        let page = delius.noms_in_custody(&cursor, PAGE).await?;
        next = page.next.filter(|_| page.numbers.last() <= run.cursor().as_ref());
        numbers.extend(page.numbers.into_iter().filter(|noms| Some(noms) <= run.cursor().as_ref()));
    }
    Ok(numbers)
}

/// Cases in custody after the run's cursor, and how many persons are left out because their number is not a NOMS
/// number.
///
/// # Errors
/// When Delius cannot be read.
pub async fn remaining_cases(
    delius: &Delius,
    run: &BulkRun,
) -> Result<(Vec<NomsNumber>, usize), DeliusError> {
    let mut numbers = vec![];
    let mut skipped = 0;
    let mut next = Some(run.cursor().map_or_else(NomsCursor::default, |noms| NomsCursor::after(&noms)));
    while let Some(cursor) = next {
        let page = delius.noms_in_custody(&cursor, PAGE).await?;
        numbers.extend(page.numbers);
        skipped += page.skipped;
        next = page.next;
    }
    Ok((numbers, skipped))
}
