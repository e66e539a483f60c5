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
#[derive(Default)]
pub struct StatusCache(Option<(Instant, Status)>);

impl StatusCache {
    /// The last answer, or a new one if that is too old.
    fn get(&mut self, now: Instant, make: impl FnOnce() -> Status) -> &Status {
        let fresh = self.0.take().filter(|(made, _)| now.saturating_duration_since(*made) < STATUS_AGE);
        &self.0.insert(fresh.unwrap_or_else(|| (now, make()))).1
    }
}

pub async fn status(State(api): State<Arc<Api>>, encoding: Encoding) -> Result<Response, ApiError> {
    let status = {
        let mut cache = api.status.lock().unwrap_or_else(PoisonError::into_inner);
        cache.get(Instant::now(), || api.node.status()).clone()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_made_twice_a_second_at_most() {
        let status = |epoch| Status {
            guardian: 0,
            version: String::new(),
            api_versions: vec![],
            session_count: 0,
            epoch,
            latest_contributions: vec![],
        };
        let (mut cache, start) = (StatusCache::default(), Instant::now());
        let later = |milliseconds| start + Duration::from_millis(milliseconds);
        assert_eq!(cache.get(start, || status(1)).epoch, 1);
        assert_eq!(cache.get(later(499), || status(2)).epoch, 1);
        assert_eq!(cache.get(later(500), || status(3)).epoch, 3);
        assert_eq!(cache.get(later(999), || status(4)).epoch, 3);
    }
}
