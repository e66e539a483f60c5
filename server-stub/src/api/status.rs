//! What a guardian says of itself.

use std::{
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};

use axum::{extract::State, http::Uri, response::Response};
use rekindle_protocol::{
    api::{Audit, Connection, Status, StatusV1},
    config::ConfigDocument,
};

use super::{
    Api, ApiError,
    answer::Encoding,
    extract::{Asking, Parameters},
};
use crate::{db::DbError, ledger};

/// How old an answer to `GET /v1/status` may be.
const STATUS_AGE: Duration = Duration::from_millis(500);

/// The last answer and when it was made.
#[derive(Default)]
pub struct StatusCache(Option<(Instant, Status)>);

impl StatusCache {
    /// The last answer, or a new one if that is too old.
    fn get<E>(&mut self, now: Instant, make: impl FnOnce() -> Result<Status, E>) -> Result<&Status, E> {
        let fresh = self.0.take().filter(|(made, _)| now.saturating_duration_since(*made) < STATUS_AGE);
        let answer = fresh.map_or_else(|| make().map(|made| (now, made)), Ok)?;
        Ok(&self.0.insert(answer).1)
    }
}

fn now(api: &Api) -> Result<Status, ApiError> {
    let progress = api.node.progress().borrow().clone();
    Ok(Status {
        guardian: api.node.id(),
        version: env!("CARGO_PKG_VERSION").into(),
        api_versions: api.versions.clone().collect(),
        session_count: progress.session_count,
        epoch: progress.epoch,
        latest_contributions: progress.latest_contributions,
        connections: connections(api),
        audit: audit(api)?,
    })
}

/// What the federation owes, and what it must owe.
pub fn audit(api: &Api) -> Result<Audit, ApiError> {
    let audit = ledger::Audit::read(&api.node.db().read()?).map_err(DbError::from)?;
    Ok(Audit {
        issued: audit.issued,
        redeemed: audit.redeemed,
        credited: audit.credited,
        claimed: audit.claimed,
        withdrawn: audit.withdrawn,
        fees: audit.fees,
        liabilities: audit.liabilities(),
        backing: audit.backing(),
        balanced: audit.is_balanced(),
    })
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

fn cached(api: &Api) -> Result<Status, ApiError> {
    let mut cache = api.status.lock().unwrap_or_else(PoisonError::into_inner);
    cache.get(Instant::now(), || now(api)).cloned()
}

pub async fn status(State(api): State<Arc<Api>>, encoding: Encoding) -> Result<Response, ApiError> {
    encoding.answer(&cached(&api)?)
}

pub async fn status_v1(State(api): State<Arc<Api>>, encoding: Encoding) -> Result<Response, ApiError> {
    encoding.answer(&StatusV1::from(cached(&api)?))
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
        let status = |epoch| {
            Ok::<_, ()>(Status {
                guardian: 0,
                version: String::new(),
                api_versions: vec![],
                session_count: 0,
                epoch,
                latest_contributions: vec![],
                connections: vec![],
                audit: Audit::default(),
            })
        };
        let (mut cache, start) = (StatusCache::default(), Instant::now());
        let later = |milliseconds| start + Duration::from_millis(milliseconds);
        assert_eq!(cache.get(start, || status(1)).unwrap().epoch, 1);
        assert_eq!(cache.get(later(499), || status(2)).unwrap().epoch, 1);
        assert_eq!(cache.get(later(500), || status(3)).unwrap().epoch, 3);
        assert_eq!(cache.get(later(999), || status(4)).unwrap().epoch, 3);
    }
}
