//! What the HTTP library refuses before any of our code sees it (a line that is no HTTP, a header that is too long) it
//! answers with a head and no body, and has no hook to change that. Here such an answer gets the body of every error.
//!
//! It is told from our own answers by its form: a write begins with it and holds nothing else, it has no body, and it
//! lacks the request id that each of our answers carries. Where a refusal
//! shares its write with the answer before it, because requests were sent without waiting, it goes out as it is.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::StatusCode;
use tokio::io::AsyncWrite;

use crate::http::{ProblemBody, service::REQUEST_ID};

/// The library's refusals are shorter.
const LONGEST: usize = 512;

/// The refusal that is on its way out in our shape, if one is.
#[derive(Default)]
pub(super) struct Refusal {
    instead: Option<Vec<u8>>,
    gone: usize,
    /// The write before took only a part of its bytes: what comes begins in the middle of something.
    inside: bool,
}

impl Refusal {
    /// Something was written past here, whole or in part.
    pub(super) fn passed(&mut self, whole: bool) {
        self.inside = !whole;
    }

    /// Writes the bytes, or what takes their place; that counts as written once all of it is.
    pub(super) fn poll_write<S: AsyncWrite>(
        &mut self,
        mut stream: Pin<&mut S>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.instead.is_none() && !self.inside {
            self.instead = in_our_shape(bytes);
        }
        let Some(instead) = &self.instead else {
            let written = ready!(stream.poll_write(cx, bytes))?;
            self.passed(written == bytes.len());
            return Poll::Ready(Ok(written));
        };
        while self.gone < instead.len() {
            let written = ready!(stream.as_mut().poll_write(cx, &instead[self.gone..]))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.gone += written;
        }
        *self = Self::default();
        Poll::Ready(Ok(bytes.len()))
    }
}

/// The answer that takes the place of a refusal; `None` when these bytes are none.
fn in_our_shape(bytes: &[u8]) -> Option<Vec<u8>> {
    if bytes.len() > LONGEST || !bytes.starts_with(b"HTTP/1.1 4") {
        return None;
    }
    let text = std::str::from_utf8(bytes).ok()?;
    let head = text.strip_suffix("\r\n\r\n")?;
    let mut lines = head.split("\r\n");
    let status_line = lines.next()?;
    let status: StatusCode = status_line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    let message = match status {
        StatusCode::BAD_REQUEST => {
            "The request is not HTTP/1.1 as it should be: its first line or a header is malformed"
        }
        StatusCode::URI_TOO_LONG => "The address of the request is too long",
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
            "The header of the request is too long, or has too many lines"
        }
        _ => return None,
    };
    let mut kept = vec![];
    let mut is_empty = false;
    for line in lines {
        let (name, value) = line.split_once(':')?;
        match name {
            "content-length" => is_empty = value.trim() == "0",
            REQUEST_ID => return None,
            _ => kept.push(line),
        }
    }
    if !is_empty {
        return None;
    }
    let body = ProblemBody { status: status.as_u16(), message: message.to_owned() };
    let body = serde_json::to_string(&body).ok()?;
    metrics::counter!("http_requests_refused_total", "status" => status.as_str().to_owned()).increment(1);
    let mut answer =
        format!("{status_line}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n", body.len());
    for line in kept {
        answer.push_str(line);
        answer.push_str("\r\n");
    }
    Some(format!("{answer}\r\n{body}").into_bytes())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const REFUSAL: &str = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

    #[test]
    fn only_a_bare_refusal_of_the_library_is_given_a_body() {
        let answer = String::from_utf8(in_our_shape(REFUSAL.as_bytes()).unwrap()).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("\r\nconnection: close"), "{head}");
        assert!(head.contains(&format!("\r\ncontent-length: {}\r\n", body.len())), "{head}");
        assert!(body.starts_with(r#"{"status":400,"message":"#), "{body}");
        for other in [
            format!("HTTP/1.1 400 Bad Request\r\n{REQUEST_ID}: 1\r\ncontent-length: 0\r\n\r\n"),
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 5\r\n\r\n".to_owned(),
            "HTTP/1.1 304 Not Modified\r\ncontent-length: 0\r\n\r\n".to_owned(),
            format!("{{}}{REFUSAL}"),
            format!("{REFUSAL}{{}}"),
            REFUSAL.trim_end().to_owned(),
            String::new(),
        ] {
            assert_eq!(in_our_shape(other.as_bytes()), None, "{other}");
        }
    }

    #[tokio::test]
    async fn what_goes_on_from_a_write_in_parts_is_no_refusal() {
        let (mut refusal, mut out) = (Refusal::default(), vec![]);
        refusal.inside = true;
        let bytes = REFUSAL.as_bytes();
        std::future::poll_fn(|cx| refusal.poll_write(Pin::new(&mut out), cx, bytes)).await.unwrap();
        assert_eq!(out, bytes);
        out.clear();
        let written = std::future::poll_fn(|cx| refusal.poll_write(Pin::new(&mut out), cx, bytes)).await;
        assert_eq!(written.unwrap(), bytes.len());
        assert!(out.ends_with(b"}"));
    }
}
