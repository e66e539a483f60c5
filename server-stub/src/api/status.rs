//! What a guardian says of itself.

use std::{
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};

use axum::{extract::State, http::Uri, response::Response};
use rekindle_protocol::{
    api::{API_VERSION, Connection, Status},
    config::ConfigDocument,
};

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

fn now(api: &Api) -> Status {
    let progress = api.node.progress().borrow().clone();
    Status {
        guardian: api.node.id(),
        version: env!("CARGO_PKG_VERSION").into(),
        api_versions: vec![API_VERSION],
        session_count: progress.session_count,
        epoch: progress.epoch,
        latest_contributions: progress.latest_contributions,
        connections: connections(api),
    }
}

/// How each guardian is connected to this one, by id.
pub fn connections(api: &Api) -> Vec<Connection> {
    let peers = api.peers.as_ref().map(|peers| peers.borrow().clone());
    (0..api.node.config().guardian_count())
        .map(|id| {
            if id == usize::from(api.node.id()) {
                return Connection::Own;
            }
            match &peers {
                None => Connection::Local,
                Some(peers) => match peers.get(id) {
                    Some(peer) if peer.banned.is_some() => Connection::Banned,
                    Some(peer) if peer.connected_since.is_some() => Connection::Connected,
                    _ => Connection::Disconnected,
                },
            }
        })
        .collect()
}

pub async fn status(State(api): State<Arc<Api>>, encoding: Encoding) -> Result<Response, ApiError> {
    let status = {
        let mut cache = api.status.lock().unwrap_or_else(PoisonError::into_inner);
        cache.get(Instant::now(), || now(&api)).clone()
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
    let document = ConfigDocument { config: (**api.node.config()).clone(), urls: api.announcements.all() };
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
            connections: vec![],
        };
        let (mut cache, start) = (StatusCache::default(), Instant::now());
        let later = |milliseconds| start + Duration::from_millis(milliseconds);
        assert_eq!(cache.get(start, || status(1)).epoch, 1);
        assert_eq!(cache.get(later(499), || status(2)).epoch, 1);
        assert_eq!(cache.get(later(500), || status(3)).epoch, 3);
        assert_eq!(cache.get(later(999), || status(4)).epoch, 3);
    }
}
