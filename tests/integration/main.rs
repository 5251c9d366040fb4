//! Integration tests: one binary, a database of its own for every test.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod records_fields;
mod records_people;
