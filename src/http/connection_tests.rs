#![allow(clippy::unwrap_used)]

use std::{convert::Infallible, future::poll_fn, sync::atomic::AtomicUsize};

use futures_util::future::join_all;
use http::{Request, Response};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::*;

#[tokio::test]
async fn a_deadline_that_moved_on_is_not_over_when_the_timer_fires() {
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

/// Counts the bytes that a connection reads from its peer, and the buffer space that it offers.
struct Counted {
    stream: DuplexStream,
    held: Arc<AtomicUsize>,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, into);
        self.held.fetch_add(into.filled().len() - before, Ordering::SeqCst);
        read
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Sends a header that never ends, in one piece or many, and returns the answer with the bytes that were taken.
async fn endless_header(config: &ApiConfig, piece: usize) -> (String, usize) {
    let (stream, mut peer) = duplex(256 * 1024);
    let held = Arc::new(AtomicUsize::new(0));
    let counted = Counted { stream, held: Arc::clone(&held) };
    let answer =
        service_fn(|_: Request<Incoming>| async { Ok::<_, Infallible>(Response::new(String::new())) });
    let serving = http1(config).serve_connection(TokioIo::new(counted), answer);
    let sending = async {
        let header = [&b"GET / HTTP/1.1\r\nHost: x\r\nX: "[..], &[b'x'; 395_000]].concat();
        for piece in header.chunks(piece) {
            if peer.write_all(piece).await.is_err() {
                break;
            }
        }
        let mut answer = vec![];
        let _ = peer.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    };
    let (_, answer) = tokio::join!(serving, sending);
    (answer, held.load(Ordering::SeqCst))
}

#[tokio::test]
async fn a_thousand_endless_headers_hold_no_more_than_connections_times_header_bytes() {
    for max_header_bytes in [ApiConfig::MIN_HEADER_BYTES, ApiConfig::default().max_header_bytes, 64 * 1024] {
        let config = ApiConfig { max_header_bytes, ..ApiConfig::default() };
        let mut all = 0;
        for _ in 0..10 {
            for (answer, held) in
                join_all((0..100).map(|number| endless_header(&config, 512 << (number % 8)))).await
            {
                assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
                all += held;
            }
        }
        // The buffer grows to its limit, and the read that exceeds it may bring once more as much.
        assert!(all <= 1000 * 2 * max_header_bytes, "{all} for {max_header_bytes}");
    }
}

#[tokio::test]
async fn a_header_as_long_as_the_limit_says_is_taken() {
    let config = ApiConfig::default();
    let (stream, mut peer) = duplex(256 * 1024);
    let answer =
        service_fn(|_: Request<Incoming>| async { Ok::<_, Infallible>(Response::new(String::new())) });
    let serving = http1(&config).serve_connection(TokioIo::new(stream), answer);
    let asking = async {
        let (begin, end) = ("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: ", "\r\n\r\n");
        let filling = "x".repeat(config.max_header_bytes - begin.len() - end.len());
        peer.write_all(format!("{begin}{filling}{end}").as_bytes()).await.unwrap();
        let mut answer = String::new();
        peer.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let (_, answer) = tokio::join!(serving, asking);
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}
