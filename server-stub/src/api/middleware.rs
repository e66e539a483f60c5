//! What happens to every request and answer.

use std::{ops::RangeInclusive, sync::Arc, time::Instant};

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use rekindle_protocol::api::UNKNOWN_VERSION;
use tower::ServiceBuilder;
use tower_http::{
    catch_panic::CatchPanicLayer,
    cors::{Any, CorsLayer, Vary},
};

use super::{
    Api, ApiError,
    answer::{IMMUTABLE, NO_STORE},
    limits::{ClientAddress, UNCHANGING_COST},
};

/// How long browsers remember a preflight, in seconds.
const PREFLIGHT_AGE: std::time::Duration = std::time::Duration::from_secs(86_400);

/// Lets any page ask, lets it see the headers it needs, and turns a panic into an answer: for every HTTP service of
/// this crate. `versions` are those of the paths that it knows.
pub fn for_browsers(router: Router, versions: RangeInclusive<u32>) -> Router {
    let exposed: [HeaderName; 4] =
        [header::ETAG, header::RETRY_AFTER, header::LOCATION, header::CONTENT_LENGTH];
    let cors = CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::POST, Method::PUT])
        .allow_headers([header::ACCEPT, header::CACHE_CONTROL, header::CONTENT_TYPE, header::IF_NONE_MATCH])
        .expose_headers(exposed)
        .max_age(PREFLIGHT_AGE)
        // Answers are the same for every origin, so caches need not tell origins apart.
        .vary(Vary::list([]));
    router
        .fallback(move |uri: Uri| std::future::ready(not_found(&uri, &versions)))
        .method_not_allowed_fallback(|| async {
            let detail = "the endpoint does not know this method";
            ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
        })
        // One stack: each layer of its own would be boxed, and cloned for every request.
        .layer(
            ServiceBuilder::new().layer(cors).map_response(finish).layer(CatchPanicLayer::custom(|_| {
                ApiError::internal(&"a handler panicked").into_response()
            })),
        )
}

/// A client that speaks another version must be able to tell that from a thing that is not there.
fn not_found(uri: &Uri, versions: &RangeInclusive<u32>) -> ApiError {
    let version = uri.path().strip_prefix("/v").and_then(|rest| rest.split('/').next()?.parse::<u32>().ok());
    match version {
        Some(version) if !versions.contains(&version) => ApiError::new(
            StatusCode::NOT_FOUND,
            UNKNOWN_VERSION,
            format!(
                "this guardian speaks versions {} to {} of the API, not {version}",
                versions.start(),
                versions.end()
            ),
        ),
        _ => ApiError::not_found("there is no such endpoint"),
    }
}

/// Answers depend on `Accept`, and nothing is cached that does not say so.
fn finish<B>(mut response: Response<B>) -> Response<B> {
    let headers = response.headers_mut();
    headers.insert(header::VARY, HeaderValue::from_static("Accept"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static(NO_STORE));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Takes one of the client's tokens, and room for a large answer.
pub async fn limit(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let ClientAddress(address) = request.extensions().get().copied().unwrap_or_default();
    match api.buckets.take(address, 1.0, Instant::now()) {
        Ok(()) => {
            let response = next.run(request).await;
            if response.headers().get(header::CACHE_CONTROL).is_some_and(|value| value == IMMUTABLE) {
                api.buckets.give_back(address, 1.0 - UNCHANGING_COST);
            }
            api.answers.bound(response)
        }
        Err(wait) => ApiError::too_soon(wait).into_response(),
    }
}
