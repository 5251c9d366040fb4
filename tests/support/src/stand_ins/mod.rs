//! Stand-ins for Manage POM Cases and HMPPS Auth: one server on one port that plays both, for development and tests.
//! Never part of the release binary.
//!
//! Manage POM Cases answers from a table of path → answer that can be changed at any time; HMPPS Auth issues tokens
//! signed with a key that is made at start (there is no key in the repository to leak or to find).
//!
//! ```ignore
//! let stand_ins = StandIns::start(StandInsConfig::default()).await?;
//! stand_ins.mpc().answer("/api/handovers/A1234BC", Answer::not_found("Not found"));
//! stand_ins.mpc().break_down(Some(Breakdown::ServerError));
//! let token = stand_ins.token(&["ROLE_SAR_DATA_ACCESS"]);
//! ```
#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "each target that includes this module uses a part of it"
)]

mod answers;
mod auth;
mod routes;

use std::{io, net::SocketAddr, sync::Arc};

pub use answers::{Answer, Answers, Breakdown, MPC_ROLE};
pub use auth::{Auth, Claims, Client, Grant};
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};

/// Settings of the stand-ins.
#[derive(Debug, Clone)]
pub struct StandInsConfig {
    /// Address; port 0 picks one.
    pub bind: SocketAddr,
    /// Clients that HMPPS Auth knows.
    pub clients: Vec<Client>,
}

impl Default for StandInsConfig {
    fn default() -> Self {
        Self { bind: ([127, 0, 0, 1], 0).into(), clients: vec![Client::new("client", "secret", &[MPC_ROLE])] }
    }
}

/// Both servers, running until dropped or stopped.
pub struct StandIns {
    address: SocketAddr,
    mpc: Arc<Answers>,
    auth: Arc<Auth>,
    stop: Option<oneshot::Sender<()>>,
    server: JoinHandle<()>,
}

impl StandIns {
    /// Starts them. Without answers, every case is *not ready for allocation* and has no handover.
    ///
    /// # Errors
    /// When the address cannot be bound or no key can be made.
    pub async fn start(config: StandInsConfig) -> io::Result<Self> {
        let listener = TcpListener::bind(config.bind).await?;
        let address = listener.local_addr()?;
        let auth = Arc::new(Auth::new(&format!("http://{address}/auth"), config.clients)?);
        let mpc = Arc::new(Answers::default());
        let (stop, stopped) = oneshot::channel();
        let server = warp::serve(routes::all(Arc::clone(&mpc), Arc::clone(&auth)))
            .incoming(listener)
            .graceful(async {
                // Dropping the sender stops the server as well.
                let _ = stopped.await;
            })
            .run();
        Ok(Self { address, mpc, auth, stop: Some(stop), server: tokio::spawn(server) })
    }

    /// The address of both.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The value of `MPC_URL`.
    pub fn mpc_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The value of `AUTH_URL`.
    pub fn auth_url(&self) -> String {
        format!("http://{}/auth", self.address)
    }

    /// The answers of Manage POM Cases, and the calls it got.
    pub fn mpc(&self) -> &Answers {
        &self.mpc
    }

    /// HMPPS Auth: keys, tokens, and the calls it got.
    pub fn auth(&self) -> &Auth {
        &self.auth
    }

    /// A token for a caller of our API with these roles, valid for an hour.
    ///
    /// # Errors
    /// When signing fails.
    pub fn token(&self, roles: &[&str]) -> io::Result<String> {
        self.auth.sign(&self.auth.claims(roles))
    }

    /// Waits until the server ends, which happens only on a failure.
    pub async fn wait(&mut self) {
        let _ = (&mut self.server).await;
    }

    /// Stops listening and cuts open connections, like a crash.
    pub async fn stop(mut self) {
        drop(self.stop.take());
        self.server.abort();
        let _ = (&mut self.server).await;
    }
}

impl Drop for StandIns {
    fn drop(&mut self) {
        self.server.abort();
    }
}
