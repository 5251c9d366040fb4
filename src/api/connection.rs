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
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

use super::ApiConfig;

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

/// A timer that is armed rarely: when the deadline moves on, it is left as it is and looks again when it goes off.
#[derive(Default)]
struct Timer(Option<Pin<Box<Sleep>>>);

impl Timer {
    /// Ready once the deadline has passed.
    fn poll(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        let timer = self.0.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if timer.deadline() > deadline {
            timer.as_mut().reset(deadline);
        }
        loop {
            ready!(timer.as_mut().poll(cx));
            if Instant::now() >= deadline {
                return Poll::Ready(());
            }
            timer.as_mut().reset(deadline);
        }
    }
}

/// A stream that ends when nothing is asked for too long, and fails when a header is begun and not finished in time.
pub(super) struct Limited<S> {
    stream: S,
    answering: Answering,
    idle_limit: Duration,
    header_limit: Duration,
    /// When the last answer went out.
    idle_since: Instant,
    /// When the first byte of a header came.
    header_begun: Option<Instant>,
    timer: Timer,
}

impl<S> Limited<S> {
    pub(super) fn new(stream: S, answering: Answering, config: &ApiConfig) -> Self {
        Self {
            stream,
            answering,
            idle_limit: config.idle_timeout,
            header_limit: config.header_timeout,
            idle_since: Instant::now(),
            header_begun: None,
            timer: Timer::default(),
        }
    }

    /// An answer goes out: the header it answers was finished.
    fn answers(&mut self) {
        self.header_begun = None;
        self.idle_since = Instant::now();
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Limited<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = into.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(cx, into);
        if this.answering.0.load(Ordering::Relaxed) {
            this.header_begun = None;
            return read;
        }
        if read.is_ready() {
            if into.filled().len() > before {
                this.header_begun.get_or_insert_with(Instant::now);
            }
            return read;
        }
        match this.header_begun {
            Some(begun) => {
                ready!(this.timer.poll(cx, begun + this.header_limit));
                Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the header took too long")))
            }
            None => {
                ready!(this.timer.poll(cx, this.idle_since + this.idle_limit));
                Poll::Ready(Ok(())) // as if the peer had ended the connection
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Limited<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.answers();
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.answers();
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
