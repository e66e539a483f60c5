//! A bound on the memory that answers take while clients read them.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    body::{Body, Bytes, HttpBody},
    response::{IntoResponse, Response},
};
use hyper::body::{Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{ApiError, ranges::CHUNK_BYTES};

/// Answers below this many bytes are not counted: they fit into a socket's buffer.
const SMALL_BYTES: usize = 16 << 10;
/// What a streamed answer holds at a time: the chunk that is being sent and the one being made.
const STREAM_BYTES: usize = 2 * CHUNK_BYTES;
/// The unit that is counted in.
const UNIT: usize = 1 << 10;

/// Bytes of answers that may be held at the same time.
pub struct AnswerBudget(Arc<Semaphore>);

impl AnswerBudget {
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new((bytes / UNIT).min(Semaphore::MAX_PERMITS))))
    }

    /// Holds room for a large answer until it is sent or given up; without room it is another answer that says so.
    pub fn bound(&self, response: Response) -> Response {
        let hint = response.body().size_hint();
        let bytes = match hint.exact() {
            Some(exact) => usize::try_from(exact).unwrap_or(usize::MAX),
            None => STREAM_BYTES,
        };
        if bytes <= SMALL_BYTES {
            return response;
        }
        match self.hold(bytes) {
            Ok(room) => response.map(|body| Body::new(Held { body, _room: room })),
            Err(error) => error.into_response(),
        }
    }

    /// Room for an answer of so many bytes.
    fn hold(&self, bytes: usize) -> Result<OwnedSemaphorePermit, ApiError> {
        let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX);
        self.0
            .clone()
            .try_acquire_many_owned(units)
            .map_err(|_| ApiError::unavailable("busy", "too many large answers are being read"))
    }
}

/// A body and the room it takes.
struct Held {
    body: Body,
    _room: OwnedSemaphorePermit,
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_given_back() {
        let budget = AnswerBudget::new(100 << 10);
        let first = budget.hold(60 << 10).unwrap();
        assert_eq!(budget.hold(60 << 10).unwrap_err().status.as_u16(), 503);
        drop(first);
        assert!(budget.hold(60 << 10).is_ok());
        assert!(budget.hold(usize::MAX).is_err());
    }
}
