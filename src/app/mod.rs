//! The application: its settings, its start-up checks, its assembly and the tasks that run in the background.

pub mod api;
mod failure;
mod health;
pub mod logging;
mod measure;
pub mod metrics;
mod queue_depths;
pub mod queues;
mod service;
pub mod settings;
mod start_up;
pub mod tasks;

pub use failure::Failure;
pub use service::{App, ProcessRole, ServeSettings, stop_on_signal};
pub(crate) use start_up::queue as check_queue;
