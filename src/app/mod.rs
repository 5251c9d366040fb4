//! The application: its settings, its start-up checks, its assembly and the tasks that run in the background.

pub mod api;
mod failure;
pub mod logging;
pub mod queues;
mod service;
pub mod settings;
pub mod tasks;
pub mod watch;

pub use failure::Failure;
pub use service::{App, Role, ServeSettings, stop_on_signal};
