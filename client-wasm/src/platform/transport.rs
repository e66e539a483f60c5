//! Requests by `fetch`, with bodies as they arrive.

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, LocalBoxStream};
use gloo_net::http::{self, RequestBuilder};
use js_sys::Uint8Array;
use rekindle_client::platform::{Method, Request, Response, Transport, TransportError};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    AbortController, ReadableStream, ReadableStreamDefaultReader, ReadableStreamReadResult, ReferrerPolicy,
    RequestCache, RequestCredentials,
};

/// The module's memory never shrinks, so no more of a body is copied into it at once, in bytes.
const PIECE_BYTES: u32 = 128 << 10;

/// Requests by the browser's `fetch`. It sends no cookies and no referrer: guardians need neither,
/// and both would tell them who asks.
#[derive(Debug, Clone, Copy, Default)]
pub struct FetchTransport;

#[async_trait(?Send)]
impl Transport for FetchTransport {
    async fn request(&self, request: Request) -> Result<Response, TransportError> {
        let abort = AbortOnDrop::new()?;
        let response = build(request, &abort.0)?.send().await.map_err(|error| {
            // The browser says little about why, so that pages can't explore networks.
            TransportError::Unreachable(error.to_string())
        })?;
        let headers = response.headers();
        Ok(Response {
            status: response.status(),
            content_type: headers.get("content-type"),
            retry_after: headers.get("retry-after"),
            etag: headers.get("etag"),
            body: match response.body() {
                Some(body) => read(body, abort)?,
                None => stream::empty().boxed_local(),
            },
        })
    }
}

fn build(request: Request, abort: &AbortController) -> Result<http::Request, TransportError> {
    // `fetch` resolves anything else against the page's own address.
    if !request.url.starts_with("https://") && !request.url.starts_with("http://") {
        return Err(TransportError::InvalidRequest("the URL does not begin with http".to_owned()));
    }
    let method = match request.method {
        Method::Get => http::Method::GET,
        Method::Post => http::Method::POST,
        Method::Put => http::Method::PUT,
    };
    let builder = RequestBuilder::new(&request.url)
        .method(method)
        .header("accept", request.accept)
        .cache(if request.bypass_cache { RequestCache::Reload } else { RequestCache::Default })
        .credentials(RequestCredentials::Omit)
        .referrer_policy(ReferrerPolicy::NoReferrer)
        .abort_signal(Some(&abort.signal()));
    match request.body {
        Some(body) => {
            builder.header("content-type", body.content_type).body(Uint8Array::from(body.bytes.as_ref()))
        }
        None => builder.build(),
    }
    .map_err(|error| TransportError::InvalidRequest(error.to_string()))
}

/// Gives the body's pieces, each copied once from the browser's memory. Dropping it aborts the request.
fn read(
    body: ReadableStream,
    abort: AbortOnDrop,
) -> Result<LocalBoxStream<'static, Result<Bytes, TransportError>>, TransportError> {
    let reader = ReadableStreamDefaultReader::new(&body).map_err(|error| interrupted(&error))?;
    let open = OpenBody { reader, chunk: Uint8Array::new_with_length(0), at: 0, _abort: abort };
    Ok(stream::unfold(Some(open), |open| async {
        let mut open = open?;
        match open.next_piece().await {
            Ok(piece) => Some((Ok(piece?), Some(open))),
            Err(error) => Some((Err(interrupted(&error)), None)),
        }
    })
    .boxed_local())
}

/// A body that is being read.
struct OpenBody {
    reader: ReadableStreamDefaultReader,
    /// What the browser gave last: all that it had, which may be megabytes.
    chunk: Uint8Array,
    /// How much of it has been given on, in bytes.
    at: u32,
    _abort: AbortOnDrop,
}

impl OpenBody {
    /// The next bytes; `None` at the end.
    async fn next_piece(&mut self) -> Result<Option<Bytes>, JsValue> {
        while self.at >= self.chunk.length() {
            let result: ReadableStreamReadResult = JsFuture::from(self.reader.read()).await?.unchecked_into();
            if result.get_done().unwrap_or(false) {
                return Ok(None);
            }
            // The body of a response is a stream of byte arrays, nothing else.
            (self.chunk, self.at) = (result.get_value().unchecked_into(), 0);
        }
        let from = self.at;
        self.at = from.saturating_add(PIECE_BYTES).min(self.chunk.length());
        Ok(Some(Bytes::from(self.chunk.subarray(from, self.at).to_vec())))
    }
}

fn interrupted(error: &JsValue) -> TransportError {
    let reason = error.dyn_ref::<js_sys::Error>().map_or_else(String::new, |error| error.message().into());
    TransportError::Interrupted(reason)
}

/// Aborts the request that it belongs to; without effect once the whole body has arrived.
struct AbortOnDrop(AbortController);

impl AbortOnDrop {
    fn new() -> Result<Self, TransportError> {
        let controller = AbortController::new()
            .map_err(|_| TransportError::InvalidRequest("this browser can't abort requests".to_owned()))?;
        Ok(AbortOnDrop(controller))
    }
}

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
