//! The session API: what wallets, issuers and caches ask a guardian over HTTP.
//!
//! # How it works
//!
//! Every answer is a value of [`rekindle_protocol`]; one handler gives it as canonical bytes or, to whoever names
//! `application/json` in `Accept`, as JSON. Ranges of history are streams of records read from the database as
//! they go out, so that a slow reader costs a guardian one chunk of memory (`ranges`).
//!
//! **Caches.** What can never change, which is a complete session or a range that its own size limit ended, is
//! `public, immutable` and has an entity tag. Everything else is `no-store`.
//!
//! **Trust.** With `?challenge=` an answer that proves nothing by itself comes signed by the guardian
//! ([`rekindle_protocol::api::Attested`]), and is then never cached.
//!
//! **Limits.** Every input has a size limit; each client address has a token bucket and so many connections;
//! long-polls, signing and the memory of answers have limits for all clients together. Beyond them the answer is 429
//! or 503 with `Retry-After`. A client that sends or reads too slowly is cut off. No input causes a 500.
//!
//! **Browsers.** Any origin may ask. Answers to plain `GET`s and to `POST`s without a content type need no
//! preflight; a preflight is remembered for a day.

mod addresses;
mod admin;
mod announcements;
mod answer;
mod backups;
mod budget;
mod extract;
mod limits;
mod metrics;
mod middleware;
mod page;
mod patience;
mod problem;
mod ranges;
mod routes;
mod serve;
mod sessions;
mod shares;
mod status;
mod suspensions;
mod tls;
mod transactions;
mod withdrawals;

#[cfg(test)]
mod tests;

use std::{
    ops::RangeInclusive,
    sync::{Arc, Mutex},
};

use axum::response::Response;
use rekindle_protocol::{
    api::{API_VERSION, Attested, PREVIOUS_API_VERSION},
    bytes::SchnorrKey,
    config::ConfigError,
    encoding::Canonical,
    transaction::ModuleId,
};
use serde::Serialize;
use tokio::sync::{Semaphore, SemaphorePermit, watch};

use crate::{
    announcements::Announcements, backups::Backups, ledger::ShareSigner, network::tcp::PeerStatus,
    node::NodeHandle,
};
use answer::Encoding;
use budget::AnswerBudget;
use extract::ChallengeText;
use limits::TokenBuckets;
use metrics::Metrics;
use status::StatusCache;

pub use admin::{AdminToken, AdminTokenError, Backup};
pub(crate) use extract::Json;
pub use limits::Limits;
pub use middleware::for_browsers;
pub use patience::SlowestReader;
pub use problem::ApiError;
pub use routes::router;
pub use serve::{Server, serve};
pub use tls::{ApiTlsError, tls_from_files};

/// What the handlers share.
pub(crate) struct Api {
    node: NodeHandle,
    versions: RangeInclusive<u32>,
    announcements: Arc<Announcements>,
    peers: Option<watch::Receiver<Vec<PeerStatus>>>,
    admin: Option<AdminToken>,
    backup: Option<Backup>,
    backups: Option<Backups>,
    /// What wallets may still write, and how many of them are waiting for it.
    backup_writes: TokenBuckets,
    backup_places: Arc<Semaphore>,
    mint: ModuleId,
    deposit: ModuleId,
    /// The keys of the issuers, by id.
    issuers: Vec<SchnorrKey>,
    signer: ShareSigner,
    buckets: TokenBuckets,
    long_polls: Semaphore,
    signing_requests: Semaphore,
    signing_threads: Semaphore,
    answers: AnswerBudget,
    status: Mutex<StatusCache>,
    metrics: Metrics,
}

/// What the API is made of besides the node.
pub struct Setup {
    /// How much may be asked for.
    pub limits: Limits,
    /// Where guardians are reached.
    pub announcements: Arc<Announcements>,
    /// The versions of the API that it speaks.
    pub versions: RangeInclusive<u32>,
    /// How peers are connected; `None` if they are in the same process.
    pub peers: Option<watch::Receiver<Vec<PeerStatus>>>,
    /// What the operator proves itself with; without it the endpoints for operators refuse everybody.
    pub admin: Option<AdminToken>,
    /// Makes a backup of the guardian's config and secrets.
    pub backup: Option<Backup>,
    /// Where wallets' backups are kept; without it they are refused.
    pub backups: Option<Backups>,
}

impl Setup {
    /// The usual limits, all versions, no backups, nothing for operators.
    pub fn new(announcements: Arc<Announcements>) -> Self {
        Self {
            limits: Limits::default(),
            announcements,
            versions: PREVIOUS_API_VERSION..=API_VERSION,
            peers: None,
            admin: None,
            backup: None,
            backups: None,
        }
    }
}

impl Api {
    fn new(node: NodeHandle, setup: Setup) -> Result<Arc<Self>, ConfigError> {
        let Setup { limits, announcements, versions, peers, admin, backup, backups } = setup;
        let (deposit, deposit_config) = node.config().deposit()?;
        Ok(Arc::new(Self {
            mint: node.config().mint()?.0,
            deposit,
            issuers: deposit_config.issuers.iter().map(|issuer| issuer.key).collect(),
            versions,
            announcements,
            peers,
            admin,
            backup,
            backups,
            backup_writes: TokenBuckets::new(backups::BURST, backups::PER_SECOND),
            backup_places: Arc::new(Semaphore::new(backups::WRITES)),
            metrics: Metrics::new(),
            signer: ShareSigner::new(node.keys().mint.clone()),
            buckets: TokenBuckets::new(limits.burst.into(), limits.requests_per_second.into()),
            long_polls: Semaphore::new(limits.long_polls),
            signing_requests: Semaphore::new(limits.signing_requests),
            signing_threads: Semaphore::new(limits.signing_threads),
            answers: AnswerBudget::new(limits.answer_bytes),
            status: Mutex::default(),
            node,
        }))
    }

    /// A value, attested if that was asked for.
    fn answer<T: Canonical + Serialize>(
        &self,
        encoding: Encoding,
        path: &str,
        challenge: Option<ChallengeText>,
        value: &T,
    ) -> Result<Response, ApiError> {
        match challenge {
            None => encoding.answer(value),
            Some(ChallengeText(challenge)) => encoding.answer(&Attested::sign(
                &self.node.federation(),
                path,
                &challenge,
                value,
                &self.node.keys().identity,
            )),
        }
    }

    /// Room for one more request that waits.
    fn long_poll(&self) -> Result<SemaphorePermit<'_>, ApiError> {
        self.long_polls.try_acquire().map_err(|_| ApiError::too_many_requests(5))
    }
}
