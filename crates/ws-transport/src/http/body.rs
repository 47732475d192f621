//! The body of a request, with a bound on its size and on its time.

use std::error::Error;

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::StatusCode;
use hyper::body::Incoming;
use tokio::time::{Instant, timeout_at};

use super::reply::Reply;
use crate::limits::HTTP_BODY_TIMEOUT;

/// A body that has not been read yet. Dropped unread, it ends the connection after the answer, unless it is short and
/// has arrived.
#[derive(Debug)]
pub(crate) struct Body<B = Incoming> {
    incoming: B,
    deadline: Instant,
}

impl<B> Body<B>
where
    B: hyper::body::Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>>,
{
    /// The body of a request whose head has just arrived: its time runs from here.
    pub(super) fn new(incoming: B) -> Self {
        Body { incoming, deadline: Instant::now() + HTTP_BODY_TIMEOUT }
    }

    /// A refusal that leaves it unread: unless it is empty, the connection closes after it.
    pub(super) fn unread(self, refused: Reply) -> Reply {
        if self.incoming.is_end_stream() { refused } else { refused.closing() }
    }

    /// Reads it to its end. A `Content-Length` that is too large is refused before anything is read, and so before
    /// `100 Continue`.
    ///
    /// # Errors
    /// The refusal: 413 for more than `bytes_max` bytes, 408 for a body that is not complete in time
    /// ([`HTTP_BODY_TIMEOUT`]), 400 for one that is cut off or badly framed. The connection closes after each.
    pub(super) async fn read(self, bytes_max: usize) -> Result<Bytes, Reply> {
        if self.incoming.is_end_stream() {
            return Ok(Bytes::new());
        }
        if self.incoming.size_hint().lower() > bytes_max as u64 {
            return Err(too_large(bytes_max));
        }
        let whole = Limited::new(self.incoming, bytes_max).collect();
        match timeout_at(self.deadline, Box::pin(whole)).await {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large(bytes_max)),
            Ok(Err(_)) => Err(refusal(StatusCode::BAD_REQUEST, "malformed", "the body is cut off or badly framed")),
            Err(_) => Err(timed_out()),
        }
    }
}

fn too_large(bytes_max: usize) -> Reply {
    Reply::too_large(bytes_max).closing()
}

fn timed_out() -> Reply {
    let message = format!("the body was not complete within {} s", HTTP_BODY_TIMEOUT.as_secs());
    refusal(StatusCode::REQUEST_TIMEOUT, "request_timeout", &message)
}

/// What is left of the body would be taken for the next request.
fn refusal(status: StatusCode, code: &str, message: &str) -> Reply {
    Reply::error(status, code, message).closing()
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::time::Duration;

    use futures_util::{Stream, StreamExt, stream};
    use http_body_util::{Full, StreamBody};
    use hyper::body::Frame;

    use super::*;

    type Part = Result<Frame<Bytes>, Infallible>;

    fn parts(count: usize) -> impl Stream<Item = Part> + Unpin {
        stream::iter((0..count).map(|_| Ok(Frame::data(Bytes::from_static(b"1234")))))
    }

    /// `Ok`: how many bytes. `Err`: the status.
    async fn read<B>(body: B, bytes_max: usize) -> Result<usize, u16>
    where
        B: hyper::body::Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>>,
    {
        Body::new(body).read(bytes_max).await.map(|body| body.len()).map_err(|refused| refused.status())
    }

    #[tokio::test(start_paused = true)]
    async fn the_size_is_bounded() {
        assert_eq!(read(Full::new(Bytes::new()), 0).await, Ok(0));
        assert_eq!(read(Full::new(Bytes::from_static(b"1234")), 4).await, Ok(4));
        assert_eq!(read(Full::new(Bytes::from_static(b"12345")), 4).await, Err(413), "its length is known before");
        assert_eq!(read(StreamBody::new(parts(3)), 12).await, Ok(12));
        assert_eq!(read(StreamBody::new(parts(4)), 12).await, Err(413), "its length is not");
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_is_bounded() {
        let began = Instant::now();
        assert_eq!(read(StreamBody::new(parts(1).chain(stream::pending())), 12).await, Err(408));
        assert_eq!(began.elapsed(), HTTP_BODY_TIMEOUT);
        // A peer that sends a little all the time does not move the end.
        let began = Instant::now();
        let drip = parts(1_000_000).then(|part| async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            part
        });
        assert_eq!(read(StreamBody::new(drip), usize::MAX).await, Err(408));
        assert_eq!(began.elapsed(), HTTP_BODY_TIMEOUT);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_is_cut_off_is_malformed() {
        let cut = parts(1).map(|part| part.map_err(|never| match never {})).chain(stream::iter([Err("cut off")]));
        assert_eq!(read(StreamBody::new(cut), 12).await, Err(400));
    }
}
