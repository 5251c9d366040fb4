//! Request bodies, read up to a limit.

use futures_util::{Stream, StreamExt};
use http::{HeaderMap, StatusCode, header};
use hyper::body::Buf;

use crate::http::Problem;

/// Reads a body of at most `limit` bytes. One that announces more is refused before it is read.
///
/// # Errors
/// 413 for a body that is too long, 400 for one that is cut short.
pub async fn read<S, B>(headers: &HeaderMap, body: S, limit: usize) -> Result<Vec<u8>, Problem>
where
    S: Stream<Item = Result<B, warp::Error>>,
    B: Buf,
{
    let too_long =
        || Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("The body is longer than {limit} bytes"));
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|it| it.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|it| it > limit as u64) {
        return Err(too_long());
    }
    let (mut bytes, mut chunks) = (Vec::new(), std::pin::pin!(body));
    while let Some(chunk) = chunks.next().await {
        let mut chunk = chunk.map_err(|_| Problem::bad_request("The body ended early"))?;
        if bytes.len() + chunk.remaining() > limit {
            return Err(too_long());
        }
        while chunk.has_remaining() {
            let part = chunk.chunk();
            bytes.extend_from_slice(part);
            let length = part.len();
            chunk.advance(length);
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[tokio::test]
    async fn a_body_may_come_in_pieces_up_to_the_limit_and_is_refused_beyond_it() {
        let pieces = || {
            futures_util::stream::iter(["[\"X00", "0001\"]"].map(|it| Ok::<_, warp::Error>(it.as_bytes())))
        };
        assert_eq!(read(&HeaderMap::new(), pieces(), 11).await.unwrap(), b"[\"X000001\"]");
        let refused = read(&HeaderMap::new(), pieces(), 10).await.unwrap_err();
        assert_eq!(refused.status(), StatusCode::PAYLOAD_TOO_LARGE);
    }

    #[tokio::test]
    async fn a_body_that_announces_too_much_is_refused_unread() {
        let headers = HeaderMap::from_iter([(header::CONTENT_LENGTH, 11.into())]);
        let unread = futures_util::stream::pending::<Result<&[u8], warp::Error>>();
        assert_eq!(read(&headers, unread, 10).await.unwrap_err().status(), StatusCode::PAYLOAD_TOO_LARGE);
    }
}
