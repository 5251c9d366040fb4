//! A connection whose peer must finish the header of a request in time, and must take the answers.
//!
//! The HTTP library has one limit for both the wait for a request and the arrival of its header. A pooled connection
//! may well be idle for a minute; a header that takes a minute is an attack. So the library's limit is the idle one,
//! and the stream itself ends a header that drags on. For writing the library has no limit at all: a peer that asks
//! and never reads would keep its place for good.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

use super::{ApiConfig, refusal::Refusal};

/// Whether a request is being answered: then bytes that come are its body, under the request's own limit.
#[derive(Debug, Clone, Default)]
pub(super) struct Answering(Arc<AtomicBool>);

impl Answering {
    pub(super) fn begin(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(super) fn end(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    fn is_under_way(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A time by which something must have happened, while it is waited for.
struct Limit {
    after: Duration,
    what: &'static str,
    deadline: Option<Pin<Box<Sleep>>>,
}

impl Limit {
    fn new(after: Duration, what: &'static str) -> Self {
        Self { after, what, deadline: None }
    }

    fn is_running(&self) -> bool {
        self.deadline.is_some()
    }

    fn stop(&mut self) {
        self.deadline = None;
    }

    /// Starts it unless it runs, and fails once it is over.
    fn run(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let after = self.after;
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + after)));
        match deadline.as_mut().poll(cx) {
            Poll::Ready(()) => Err(io::Error::new(io::ErrorKind::TimedOut, self.what)),
            Poll::Pending => Ok(()),
        }
    }

    /// Runs while something is pending.
    fn watch<T>(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match polled {
            Poll::Pending => self.run(cx).map_or_else(|error| Poll::Ready(Err(error)), |()| Poll::Pending),
            ready => {
                self.stop();
                ready
            }
        }
    }
}

/// A stream that fails when a header is begun and not finished within its limit, or when the peer takes nothing of an
/// answer for too long. What the HTTP library refuses by itself leaves it in the shape of every error.
pub(super) struct Limited<S> {
    stream: S,
    answering: Answering,
    header: Limit,
    write: Limit,
    refusal: Refusal,
}

impl<S> Limited<S> {
    pub(super) fn new(stream: S, answering: Answering, config: &ApiConfig) -> Self {
        Self {
            stream,
            answering,
            header: Limit::new(config.header_timeout, "the header took too long"),
            write: Limit::new(config.write_timeout, "the answer was not taken"),
            refusal: Refusal::default(),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Limited<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, into)?;
        if self.answering.is_under_way() {
            self.header.stop();
        } else if into.filled().len() > before || self.header.is_running() {
            self.header.run(cx)?;
        }
        read.map(Ok)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Limited<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        // An answer goes out: the header it answers was finished.
        self.header.stop();
        let this = &mut *self;
        let stream = Pin::new(&mut this.stream);
        let written = this.refusal.poll_write(stream, cx, bytes);
        this.write.watch(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // A refusal is a head without a body, and so comes as one slice.
        if let [head] = bytes {
            return self.poll_write(cx, head);
        }
        self.header.stop();
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bytes);
        if let Poll::Ready(Ok(written)) = &written {
            let all: usize = bytes.iter().map(|slice| slice.len()).sum();
            self.refusal.passed(*written == all);
        }
        self.write.watch(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test]
    async fn a_peer_that_takes_nothing_is_cut_off_and_one_that_takes_something_has_its_time_again() {
        let config = ApiConfig { write_timeout: Duration::ZERO, ..ApiConfig::default() };
        let (ours, mut theirs) = duplex(4);
        let mut ours = Limited::new(ours, Answering::default(), &config);
        ours.write_all(b"1234").await.unwrap();
        let error = ours.write_all(b"5678").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(ours.write.is_running());

        theirs.read_exact(&mut [0; 4]).await.unwrap();
        ours.write_all(b"5678").await.unwrap();
        assert!(!ours.write.is_running());
    }
}
