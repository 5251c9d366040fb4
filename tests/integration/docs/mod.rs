//! The documentation names nothing that is not there, and its generated page is up to date.

mod configuration;
mod names;
mod pages;
