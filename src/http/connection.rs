//! A connection whose peer must finish the header of a request in time, and must take the answers.
//!
//! The HTTP library has one limit for both the wait for a request and the arrival of its header, and sets a timer for
//! every request. A pooled connection may well be idle for a minute; a header that takes a minute is an attack. So the
//! stream itself has both limits, with one timer for the connection that is rarely set anew. For writing the library has
//! no limit at all: a peer that asks and never reads would keep its place for good.

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

use crate::http::{ApiConfig, refusal::Refusal};

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

/// A stream that ends when nothing is asked for too long, and fails when a header is begun and not finished within its
/// limit, or when the peer takes nothing of an answer for too long. What the HTTP library refuses by itself leaves it
/// in the shape of every error.
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
    /// Since when the peer takes nothing.
    write_waits_since: Option<Instant>,
    read_timer: Timer,
    write_timer: Timer,
    refusal: Refusal,
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
            refusal: Refusal::default(),
        }
    }

    /// An answer goes out: the header it answers was finished.
    fn answers(&mut self) {
        self.header_begun = None;
        self.idle_since = Instant::now();
    }

    /// Passes on what came of a write, unless the peer has taken nothing for too long.
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
        if this.answering.is_under_way() {
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
                Poll::Ready(Ok(())) // as if the peer had ended the connection
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Limited<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.answers();
        let this = &mut *self;
        let stream = Pin::new(&mut this.stream);
        let written = this.refusal.poll_write(stream, cx, bytes);
        this.written(cx, written)
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
        self.answers();
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bytes);
        if let Poll::Ready(Ok(written)) = &written {
            let all: usize = bytes.iter().map(|slice| slice.len()).sum();
            self.refusal.passed(*written == all);
        }
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
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::future::poll_fn;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test]
    async fn a_deadline_that_moved_on_is_not_over_when_the_timer_goes_off() {
        let mut timer = Timer::default();
        let first = Instant::now() + Duration::from_millis(1);
        poll_fn(|cx| timer.poll(cx, first)).await;
        let later = first + Duration::from_secs(3600);
        let again = poll_fn(|cx| Poll::Ready(timer.poll(cx, later))).await;
        assert!(again.is_pending(), "a connection that was busy meanwhile is not idle");
    }

    #[tokio::test]
    async fn a_peer_that_takes_nothing_is_cut_off_and_one_that_takes_something_has_its_time_again() {
        let config = ApiConfig { write_timeout: Duration::ZERO, ..ApiConfig::default() };
        let (ours, mut theirs) = duplex(4);
        let mut ours = Limited::new(ours, Answering::default(), &config);
        ours.write_all(b"1234").await.unwrap();
        let error = ours.write_all(b"5678").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(ours.write_waits_since.is_some());

        theirs.read_exact(&mut [0; 4]).await.unwrap();
        ours.write_all(b"5678").await.unwrap();
        assert!(ours.write_waits_since.is_none());
    }
}
