//! A man in the middle: passes requests on, or answers in the guardians' place.

use std::{cell::RefCell, rc::Rc};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, stream};

use crate::platform::{Request, Response, Transport, TransportError};

/// Looks at a request and answers it, or lets it pass.
pub type Meddle = dyn Fn(&Request) -> Option<Response>;

/// A [`Transport`] that somebody meddles with.
pub struct Meddler {
    inner: Rc<dyn Transport>,
    meddle: Box<Meddle>,
    log: RefCell<Vec<Request>>,
}

impl Meddler {
    /// Requests that `meddle` does not answer go on to `inner`.
    pub fn new(
        inner: Rc<dyn Transport>,
        meddle: impl Fn(&Request) -> Option<Response> + 'static,
    ) -> Rc<Self> {
        Rc::new(Meddler { inner, meddle: Box::new(meddle), log: RefCell::default() })
    }

    /// The requests so far.
    pub fn log(&self) -> Vec<Request> {
        self.log.borrow().clone()
    }
}

#[async_trait(?Send)]
impl Transport for Meddler {
    async fn request(&self, request: Request) -> Result<Response, TransportError> {
        self.log.borrow_mut().push(request.clone());
        match (self.meddle)(&request) {
            Some(response) => Ok(response),
            None => self.inner.request(request).await,
        }
    }
}

/// A binary answer.
pub fn binary(status: u16, body: Vec<u8>) -> Response {
    let body = stream::iter([Ok(Bytes::from(body))]).boxed_local();
    let content_type = Some(Request::BINARY.to_owned());
    Response { status, content_type, retry_after: None, etag: None, body }
}

/// An answer that never ends: `piece` again and again. `sent` counts its bytes.
pub fn endless(piece: Vec<u8>, sent: Rc<RefCell<usize>>) -> Response {
    let piece = Bytes::from(piece);
    let body = stream::repeat_with(move || {
        *sent.borrow_mut() += piece.len();
        Ok(piece.clone())
    });
    Response { body: body.boxed_local(), ..binary(200, Vec::new()) }
}
