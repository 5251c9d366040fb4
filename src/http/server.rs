//! The server. It has its own listener and connections, because the framework's server has no limits.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use http::Request;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::TokioIo,
    server::graceful::{GracefulShutdown, Watcher},
};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};

use crate::http::{
    Api, ApiConfig, Health, Site,
    connection::{Answering, Limited, http1},
    hot_path,
    service::Service,
};

/// Why the server cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another process listens there.
    #[error(
        "{0} is already in use: stop the other process, or choose another address (port 0 picks a free one)"
    )]
    InUse(SocketAddr),
    /// The operating system refuses.
    #[error("cannot listen on {0}: choose another address")]
    Refused(SocketAddr, #[source] io::Error),
}

/// A bound server, not yet running.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    service: Arc<Service>,
    health: Health,
    config: ApiConfig,
}

impl Server {
    /// Listens on the configured address. Requests are answered once it runs.
    ///
    /// # Errors
    /// When the address is taken or does not belong to this machine.
    pub async fn bind(api: &Api) -> Result<Self, BindError> {
        Self::of(&api.site()).await
    }

    /// The same for any site.
    ///
    /// # Errors
    /// When the address is taken or not ours.
    pub async fn of(site: &Site) -> Result<Self, BindError> {
        let config = site.config.clone();
        let refused = |error: io::Error| match error.kind() {
            io::ErrorKind::AddrInUse => BindError::InUse(config.bind),
            _ => BindError::Refused(config.bind, error),
        };
        let listener = TcpListener::bind(config.bind).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let name = site.name;
        tracing::info!(%address, "the {name} listens on http://{address}");
        Ok(Self { listener, address, service: Service::new(site), health: site.health.clone(), config })
    }

    /// The address it listens on, with the port that was picked.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Answers requests until `shutdown` resolves. Then readiness refuses, but requests are answered for the shutdown
    /// delay: load balancers continue to send until they have heard of it. After that no new connections are taken, and
    /// the requests in progress get their time to end.
    pub async fn run_until(self, shutdown: impl Future<Output = ()> + Send) {
        let (graceful, places) =
            (GracefulShutdown::new(), Arc::new(Semaphore::new(self.config.max_connections)));
        tokio::select! {
            () = shutdown => {}
            () = self.accept(&graceful, &places) => {}
        }
        self.health.drain();
        let _ = tokio::time::timeout(self.config.shutdown_delay, self.accept(&graceful, &places)).await;
        drop(self.listener);
        let open = graceful.count();
        match tokio::time::timeout(self.config.drain_timeout, graceful.shutdown()).await {
            Ok(()) => tracing::info!(connections = open, "the API has drained"),
            Err(_) => tracing::warn!(connections = open, "the API stops although requests are in progress"),
        }
    }

    async fn accept(&self, graceful: &GracefulShutdown, places: &Arc<Semaphore>) {
        loop {
            let stream = match self.listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Most likely out of file descriptors. Pause instead of spinning until connections end.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "a connection was gone before it was served");
                continue;
            }
            match Arc::clone(places).try_acquire_owned() {
                Ok(place) => match stream.into_std() {
                    Ok(stream) => self.serve(stream, graceful.watcher(), place),
                    Err(error) => tracing::warn!(%error, "a connection could not be handed over"),
                },
                Err(_) => turn_away(stream),
            }
        }
    }

    fn serve(&self, stream: std::net::TcpStream, watcher: Watcher, place: OwnedSemaphorePermit) {
        let (service, config) = (Arc::clone(&self.service), self.config.clone());
        let connection = async move {
            metrics::gauge!("http_connections").increment(1.0);
            if let Err(error) = converse(stream, service, &config, watcher).await {
                tracing::debug!(%error, "a connection ended early");
            }
            metrics::gauge!("http_connections").decrement(1.0);
            drop(place);
        };
        hot_path::next_thread().spawn(connection);
    }
}

/// Answers the requests of one connection.
async fn converse(
    stream: std::net::TcpStream,
    service: Arc<Service>,
    config: &ApiConfig,
    watcher: Watcher,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let answering = Answering::default();
    let stream = Limited::new(TcpStream::from_std(stream)?, answering.clone(), config);
    let answer = service_fn(move |request: Request<Incoming>| {
        let (service, answering) = (Arc::clone(&service), answering.clone());
        async move {
            answering.begin();
            let response = service.answer(request).await;
            answering.end();
            Ok::<_, std::convert::Infallible>(response)
        }
    });
    let connection = http1(config).serve_connection(TokioIo::new(stream), answer);
    Ok(watcher.watch(connection).await?)
}

/// Too many connections: say so and close, without waiting for the request.
fn turn_away(mut stream: TcpStream) {
    metrics::counter!("http_connections_turned_away_total").increment(1);
    tokio::spawn(async move {
        let answer = concat!(
            "HTTP/1.1 503 Service Unavailable\r\n",
            "content-type: application/json\r\n",
            "retry-after: 1\r\n",
            "connection: close\r\n",
            "content-length: 57\r\n\r\n",
            r#"{"status":503,"message":"There are too many connections"}"#,
        );
        let sent = async {
            stream.write_all(answer.as_bytes()).await?;
            stream.shutdown().await
        };
        let _ = tokio::time::timeout(Duration::from_secs(1), sent).await;
    });
}
