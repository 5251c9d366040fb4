mod bulk;
mod erased_columns;
mod erasure;
mod rebuild;
mod reconcile;
