//! One connection: how long its peer may take, and how much memory it may use.
//!
//! The HTTP library has one limit for both the wait for a request and the arrival of its header, and sets a timer for
//! every request. A pooled connection may well be idle for a minute; a header that takes a minute is an attack. So the
//! stream itself has both limits, with one timer for the connection that is rarely set anew. For writing the library
//! has no limit at all: a peer that asks and never reads would keep its place forever.

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

use hyper::server::conn::http1;
use hyper_util::rt::TokioTimer;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

use crate::http::ApiConfig;

/// The HTTP library with the limits of the configuration.
pub(super) fn http1(config: &ApiConfig) -> http1::Builder {
    let mut builder = http1::Builder::new();
    // The stream has the time limits: the library's own would set a timer for every request.
    builder.timer(TokioTimer::new()).header_read_timeout(None);
    // A header that does not fit is answered with 431. The library reads into this buffer before anybody is known by a
    // token, so connections x buffer is what strangers can make us hold.
    builder.max_buf_size(config.max_header_bytes.max(ApiConfig::MIN_HEADER_BYTES));
    builder
}

/// Whether a request is being answered: then bytes that arrive are its body, under the request's own limit.
#[derive(Debug, Clone, Default)]
pub(super) struct Answering(Arc<AtomicBool>);

impl Answering {
    pub(super) fn begin(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(super) fn end(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    fn is_in_progress(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A timer that is set rarely: when the deadline moves to later, it stays as it is and checks again when it fires.
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

/// A stream that ends when no request arrives for too long, and fails when a header is begun and not finished within its
/// limit, or when the peer reads nothing of an answer for too long.
pub(super) struct Limited<S> {
    stream: S,
    answering: Answering,
    idle_limit: Duration,
    header_limit: Duration,
    write_limit: Duration,
    /// When the last answer went out.
    idle_since: Instant,
    /// When the first byte of a header came.
    header_begun: Option<Instant>,
    /// Since when the peer has read nothing.
    write_waits_since: Option<Instant>,
    read_timer: Timer,
    write_timer: Timer,
}

impl<S> Limited<S> {
    pub(super) fn new(stream: S, answering: Answering, config: &ApiConfig) -> Self {
        Self {
            stream,
            answering,
            idle_limit: config.idle_timeout,
            header_limit: config.header_timeout,
            write_limit: config.write_timeout,
            idle_since: Instant::now(),
            header_begun: None,
            write_waits_since: None,
            read_timer: Timer::default(),
            write_timer: Timer::default(),
        }
    }

    /// An answer goes out, so the header that it answers was complete.
    fn answers(&mut self) {
        self.header_begun = None;
        self.idle_since = Instant::now();
    }

    /// Passes the result of a write on, unless the peer has taken nothing for too long.
    fn written<T>(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.write_waits_since = None;
            return polled;
        }
        let since = *self.write_waits_since.get_or_insert_with(Instant::now);
        ready!(self.write_timer.poll(cx, since + self.write_limit));
        Poll::Ready(Err(too_long("the answer was not taken")))
    }
}

fn too_long(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, what)
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
        if this.answering.is_in_progress() {
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
                ready!(this.read_timer.poll(cx, begun + this.header_limit));
                Poll::Ready(Err(too_long("the header took too long")))
            }
            None => {
                ready!(this.read_timer.poll(cx, this.idle_since + this.idle_limit));
                // Nothing read is how a stream says that the peer closed it, and the library ends quietly.
                Poll::Ready(Ok(()))
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Limited<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.answers();
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.written(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.answers();
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bytes);
        self.written(cx, written)
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
#[path = "connection_tests.rs"]
mod tests;
