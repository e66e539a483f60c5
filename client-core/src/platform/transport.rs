//! One HTTP request to one guardian.
//!
//! A transport neither retries nor limits: who is asked, how often and how much of the answer is
//! read is decided above it. The body is a stream, so that a caller can cut records out of it as
//! they arrive and stop after any number of bytes.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::LocalBoxStream;
use thiserror::Error;

/// Why a request got no answer, or an answer ended early. A status of 400 or 500 is an answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TransportError {
    /// The request could not be made at all: the URL or a header value is malformed.
    #[error("the request is malformed: {0}")]
    InvalidRequest(String),
    /// No answer: the server is down, unreachable, or refused by the browser.
    #[error("no answer: {0}")]
    Unreachable(String),
    /// The connection broke while the body was arriving.
    #[error("the answer was cut off: {0}")]
    Interrupted(String),
}

impl TransportError {
    /// A stable name of this error.
    pub fn code(&self) -> &'static str {
        match self {
            TransportError::InvalidRequest(_) => "request_invalid",
            TransportError::Unreachable(_) => "guardian_unreachable",
            TransportError::Interrupted(_) => "answer_interrupted",
        }
    }
}

/// An HTTP method that the session API uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Read.
    Get,
    /// Submit.
    Post,
    /// Replace.
    Put,
}

impl Method {
    /// Its name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Put => "PUT",
        }
    }
}

/// What a request carries.
#[derive(Clone, PartialEq, Eq)]
pub struct RequestBody {
    /// Its media type.
    pub content_type: &'static str,
    /// Its bytes.
    pub bytes: Bytes,
}

/// A request.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// An absolute `http` or `https` URL.
    pub url: String,
    /// The media type wanted in return (`Accept`).
    pub accept: &'static str,
    /// What to send, if anything.
    pub body: Option<RequestBody>,
    /// Ask the server itself, past every cache on the way (`Cache-Control: no-cache`), because
    /// what a cache served before did not verify.
    pub bypass_cache: bool,
}

impl Request {
    /// A `GET` of binary content that caches may answer.
    pub fn get(url: impl Into<String>) -> Self {
        Request {
            method: Method::Get,
            url: url.into(),
            accept: Self::BINARY,
            body: None,
            bypass_cache: false,
        }
    }

    /// A `POST` of binary content that wants binary content back.
    pub fn post(url: impl Into<String>, body: impl Into<Bytes>) -> Self {
        Request {
            method: Method::Post,
            body: Some(RequestBody { content_type: Self::BINARY, bytes: body.into() }),
            ..Self::get(url)
        }
    }

    /// A `PUT` of binary content that wants binary content back.
    pub fn put(url: impl Into<String>, body: impl Into<Bytes>) -> Self {
        Request { method: Method::Put, ..Self::post(url, body) }
    }

    /// The media type of everything in the canonical encoding.
    pub const BINARY: &'static str = "application/octet-stream";
}

/// Bodies may hold what is nobody's business, so only their length shows.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("url", &self.url)
            .field("body_bytes", &self.body.as_ref().map(|b| b.bytes.len()))
            .field("bypass_cache", &self.bypass_cache)
            .finish_non_exhaustive()
    }
}

/// A body as it arrives, in pieces of any size. It ends after the first error.
pub type BodyStream = LocalBoxStream<'static, Result<Bytes, TransportError>>;

/// An answer whose headers have arrived.
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// `Content-Type`, if the server sent it.
    pub content_type: Option<String>,
    /// `Retry-After` as sent: seconds or a date.
    pub retry_after: Option<String>,
    /// `ETag`, if the server sent it.
    pub etag: Option<String>,
    /// The body.
    pub body: BodyStream,
}

impl Response {
    /// Whether the status is 200 to 299.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("content_type", &self.content_type)
            .field("retry_after", &self.retry_after)
            .finish_non_exhaustive()
    }
}

/// Carries requests to guardians.
#[async_trait(?Send)]
pub trait Transport {
    /// Sends `request` and returns when the headers of the answer are there.
    ///
    /// Dropping the future, or later the response's body, aborts the request. No time limit
    /// applies: the caller drops what takes too long.
    async fn request(&self, request: Request) -> Result<Response, TransportError>;
}
