//! A connection whose peer must finish the header of a request in time.
//!
//! The HTTP library has one limit for both the wait for a request and the arrival of its header. A pooled connection
//! may well be idle for a minute; a header that takes a minute is an attack. So the library's limit is the idle one,
//! and the stream itself ends a header that drags on.

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
}

/// A stream that fails when a header is begun and not finished within the limit.
pub(super) struct HeaderLimited<S> {
    stream: S,
    answering: Answering,
    limit: Duration,
    deadline: Option<Pin<Box<Sleep>>>,
}

impl<S> HeaderLimited<S> {
    pub(super) fn new(stream: S, answering: Answering, limit: Duration) -> Self {
        Self { stream, answering, limit, deadline: None }
    }

    /// Starts the limit with the first byte of a header.
    fn came(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if self.answering.0.load(Ordering::Relaxed) {
            self.deadline = None;
            return Ok(());
        }
        let limit = self.limit;
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + limit)));
        match deadline.as_mut().poll(cx) {
            Poll::Ready(()) => Err(io::Error::new(io::ErrorKind::TimedOut, "the header took too long")),
            Poll::Pending => Ok(()),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for HeaderLimited<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, into)?;
        if self.answering.0.load(Ordering::Relaxed) {
            self.deadline = None;
        }
        if into.filled().len() > before || self.deadline.is_some() {
            self.came(cx)?;
        }
        read.map(Ok)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for HeaderLimited<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        // An answer goes out: the header it answers was finished.
        self.deadline = None;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.deadline = None;
        Pin::new(&mut self.stream).poll_write_vectored(cx, bytes)
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
