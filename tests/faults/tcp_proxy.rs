//! A TCP proxy in front of a dependency that can fail in every way that a network can.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

/// What the proxy does to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Pass,
    /// Every connection is cut, new ones at once.
    Refuse,
    /// Every packet is delayed by this time.
    Delay(Duration),
    /// Bytes are accepted and dropped. A connection that this happened to never works again.
    Swallow,
}

#[derive(Debug, Clone, Copy)]
struct State {
    mode: Mode,
    /// Number of cuts so far; a connection belongs to the period between two cuts.
    cuts: u64,
}

pub(crate) struct Door {
    pub(crate) address: SocketAddr,
    state: watch::Sender<State>,
    /// Number of connections that were refused or cut, and of packets that were delayed or dropped.
    suffered: Arc<AtomicU64>,
    listening: JoinHandle<()>,
}

impl Door {
    pub(crate) async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (state, seen) = watch::channel(State { mode: Mode::Pass, cuts: 0 });
        let suffered = Arc::<AtomicU64>::default();
        let count = Arc::clone(&suffered);
        let listening = tokio::spawn(async move {
            loop {
                let Ok((inside, _)) = listener.accept().await else { continue };
                tokio::spawn(connection(inside, target, seen.clone(), Arc::clone(&count)));
            }
        });
        Self { address, state, suffered, listening }
    }

    /// Cuts every connection, and lets new ones through.
    pub(crate) fn cut(&self) {
        self.state.send_modify(|state| state.cuts += 1);
    }

    pub(crate) fn set(&self, mode: Mode) {
        self.state.send_modify(|state| {
            state.mode = mode;
            state.cuts += u64::from(mode == Mode::Refuse);
        });
    }

    pub(crate) fn suffered(&self) -> u64 {
        self.suffered.load(Ordering::SeqCst)
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn connection(
    inside: TcpStream,
    target: SocketAddr,
    state: watch::Receiver<State>,
    suffered: Arc<AtomicU64>,
) {
    let suffer = || {
        suffered.fetch_add(1, Ordering::SeqCst);
    };
    let State { mode, cuts } = *state.borrow();
    if mode == Mode::Refuse {
        return suffer();
    }
    let Ok(outside) = TcpStream::connect(target).await else { return };
    let _ = (inside.set_nodelay(true), outside.set_nodelay(true));
    let ((mut from_inside, mut to_inside), (mut from_outside, mut to_outside)) =
        (inside.into_split(), outside.into_split());
    let pumps = async {
        tokio::select! {
            () = pump(&mut from_inside, &mut to_outside, state.clone(), &suffer) => {}
            () = pump(&mut from_outside, &mut to_inside, state.clone(), &suffer) => {}
        }
    };
    let mut later = state.clone();
    let cut = async {
        if later.wait_for(|state| state.cuts != cuts).await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = pumps => {}
        () = cut => suffer(),
    }
}

async fn pump(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    state: watch::Receiver<State>,
    suffer: &impl Fn(),
) {
    let mut piece = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut piece).await {
        let now = state.borrow().mode;
        match now {
            Mode::Pass | Mode::Refuse => {}
            Mode::Delay(delay) => {
                suffer();
                tokio::time::sleep(delay).await;
            }
            Mode::Swallow => {
                suffer();
                return std::future::pending().await;
            }
        }
        if to.write_all(&piece[..length]).await.is_err() {
            return;
        }
    }
}
