//! What this service depends on.

use std::fmt;

/// A system outside this process that has a breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dependency {
    EventStore,
    Delius,
    ManagePomCases,
    Auth,
    Sqs,
    Sns,
    EmailDirectory,
}

pub const MPC: Dependency = Dependency::ManagePomCases;
pub const AUTH: Dependency = Dependency::Auth;
pub const DELIUS: Dependency = Dependency::Delius;
pub const STORE: Dependency = Dependency::EventStore;
pub const SQS: Dependency = Dependency::Sqs;
/// Its certificates, where signatures are verified.
pub const SNS: Dependency = Dependency::Sns;
pub const DIRECTORY: Dependency = Dependency::EmailDirectory;

impl Dependency {
    pub const ALL: [Self; 7] = [
        Self::EventStore,
        Self::Delius,
        Self::ManagePomCases,
        Self::Auth,
        Self::Sqs,
        Self::Sns,
        Self::EmailDirectory,
    ];

    /// The name in messages, in `/health` and as a label of metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EventStore => "the event store",
            Self::Delius => "Delius",
            Self::ManagePomCases => "Manage POM Cases",
            Self::Auth => "HMPPS Auth",
            Self::Sqs => "SQS",
            Self::Sns => "the certificates of SNS",
            Self::EmailDirectory => "the e-mail directory",
        }
    }

    /// The dependency with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dependency| dependency.as_str() == name)
    }
}

impl fmt::Display for Dependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
