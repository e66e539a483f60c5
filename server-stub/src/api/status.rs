//! What a guardian says of itself.

use std::{
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};

use axum::{extract::State, http::Uri, response::Response};
use rekindle_protocol::{api::Status, config::ConfigDocument};

use super::{
    Api, ApiError,
    answer::Encoding,
    extract::{Asking, Parameters},
};

/// How old an answer to `GET /v1/status` may be.
const STATUS_AGE: Duration = Duration::from_millis(500);

/// The last answer and when it was made.
pub type StatusCache = Option<(Instant, Status)>;

pub async fn status(State(api): State<Arc<Api>>, encoding: Encoding) -> Result<Response, ApiError> {
    let now = Instant::now();
    let status = {
        let mut cache = api.status.lock().unwrap_or_else(PoisonError::into_inner);
        match &*cache {
            Some((made, status)) if now.saturating_duration_since(*made) < STATUS_AGE => status.clone(),
            _ => cache.insert((now, api.node.status())).1.clone(),
        }
    };
    encoding.answer(&status)
}

pub async fn session_count(
    State(api): State<Arc<Api>>,
    encoding: Encoding,
    uri: Uri,
    Parameters(asking): Parameters<Asking>,
) -> Result<Response, ApiError> {
    api.answer(encoding, uri.path(), asking.challenge, &api.node.session_count())
}

/// Answers as long as the process does.
pub async fn health() -> &'static str {
    "ok\n"
}

pub async fn config(State(api): State<Arc<Api>>, encoding: Encoding) -> Result<Response, ApiError> {
    let document = ConfigDocument { config: (**api.node.config()).clone(), urls: api.urls.clone() };
    encoding.answer(&document)
}
