//! PostgreSQL: the development Delius.

mod failure;
mod session;
mod values;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use sqlx::PgPool;

use self::session::PostgresSession;
use super::{Connections, Engine, EngineFailure, Limits, Session, SessionAccess};
use crate::{
    database::{self, KeptConnections},
    trace,
};

/// A pool of connections to a Delius on PostgreSQL.
#[derive(Debug, Clone)]
pub struct Postgres {
    connections: KeptConnections,
    context: Option<String>,
}

impl Postgres {
    /// An engine over a pool.
    pub fn new(pool: PgPool) -> Self {
        Self { connections: KeptConnections::of(pool), context: None }
    }

    /// With statements that tell row-level security who is at work, run at the beginning of every session. They must
    /// hold for one transaction only (`set local …`), so that the end of the session ends them.
    pub fn with_context(self, statements: impl Into<String>) -> Self {
        Self { context: Some(statements.into()), ..self }
    }

    fn begin(&self, access: SessionAccess, limits: Limits) -> Option<String> {
        let mode = match access {
            SessionAccess::Write => "",
            SessionAccess::Read => " read only",
            // A context needs a transaction to live in.
            SessionAccess::Statement if self.context.is_some() => " read only",
            SessionAccess::Statement => return None,
        };
        // Who looks at the sessions of Delius sees which message one works for. The name has 60 bytes of at most 63.
        let name = trace::current().map(|trace| {
            format!(
                ", set_config('application_name', '{} {}', true)",
                env!("CARGO_PKG_NAME"),
                trace.trace_id()
            )
        });
        Some(format!(
            "begin isolation level read committed{mode}; {} select current_timestamp, \
             set_config('lock_timeout', '{}', true), set_config('statement_timeout', '{}', true){}",
            self.context.as_ref().map(|context| format!("{context};")).unwrap_or_default(),
            limits.lock.as_millis(),
            limits.statement.as_millis(),
            name.unwrap_or_default(),
        ))
    }
}

#[async_trait]
impl Engine for Postgres {
    async fn open(&self, access: SessionAccess, limits: Limits) -> Result<Box<dyn Session>, EngineFailure> {
        let session = PostgresSession::open(&self.connections, self.begin(access, limits)).await?;
        Ok(Box::new(session))
    }

    fn beside(&self, limit: Duration) -> Arc<dyn Engine> {
        let pool = self.connections.pool();
        let connections = pool.options().get_max_connections();
        let statement_timeout = limit.as_millis().to_string();
        // The server ends a statement that nobody waits for any more.
        let options = (*pool.connect_options()).clone().options([("statement_timeout", statement_timeout)]);
        let pool = database::pool(connections).acquire_timeout(limit).connect_lazy_with(options);
        Arc::new(Self { connections: KeptConnections::of(pool), context: self.context.clone() })
    }

    fn connections(&self) -> Connections {
        Connections::of(self.connections.pool())
    }
}

impl Connections {
    /// Of a pool of connections to PostgreSQL.
    pub fn of(pool: &PgPool) -> Self {
        let idle = u32::try_from(pool.num_idle()).unwrap_or(u32::MAX);
        Self { open: pool.size(), idle, most: pool.options().get_max_connections() }
    }
}
