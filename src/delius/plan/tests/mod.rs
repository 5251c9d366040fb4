#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod any_order;
mod changes;
mod contacts;
mod handover;
mod late;
mod memory;
mod model;
mod plans;
mod pom;
mod responsible_officer;
mod sound;
mod ties;
mod whole_case;

use memory::{Memory, at};
