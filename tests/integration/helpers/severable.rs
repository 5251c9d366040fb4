//! A connection to a server that a test can cut and restore.

use std::{net::SocketAddr, sync::Arc};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// A proxy on its own port. While severed it closes every connection, old and new.
pub(crate) struct Severable {
    address: SocketAddr,
    severed: Arc<watch::Sender<bool>>,
}

impl Severable {
    pub(crate) async fn to(host: &str, port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let severed = Arc::new(watch::channel(false).0);
        let (upstream, state) = (format!("{host}:{port}"), Arc::clone(&severed));
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let (upstream, mut severed) = (upstream.clone(), state.subscribe());
                tokio::spawn(async move {
                    if *severed.borrow() {
                        return;
                    }
                    let Ok(mut far) = TcpStream::connect(upstream).await else { return };
                    tokio::select! {
                        _ = copy_bidirectional(&mut near, &mut far) => {}
                        _ = severed.wait_for(|severed| *severed) => {}
                    }
                });
            }
        });
        Self { address, severed }
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn sever(&self) {
        self.severed.send_replace(true);
    }

    pub(crate) fn mend(&self) {
        self.severed.send_replace(false);
    }
}
