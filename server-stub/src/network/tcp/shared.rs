//! What the node's end, the dialler, the listener and the connections share.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use rekindle_protocol::bytes::{FederationId, Hash};
use tokio::sync::{Notify, watch};
use tracing::{info, warn};

use super::{
    frame::{Hello, PROTOCOL_VERSION},
    links::{Generation, Links},
    status::PeerStatus,
};
use crate::{announcements::Announcements, consensus::GuardianId, network::log_ban};

pub struct Shared {
    links: Mutex<Links>,
    federation: FederationId,
    config: Hash,
    /// Woken when there is something for the node.
    pub node: Notify,
    /// Woken when there may be less that is unsent or unacknowledged.
    pub settling: Notify,
    /// For each peer, woken when there is something to send to it.
    pub to_send: Vec<Notify>,
    /// For each peer, woken when the node has made room for its messages.
    pub room: Vec<Notify>,
    /// For each peer, the newest connection.
    pub newest: Vec<watch::Sender<Generation>>,
    pub announcements: Arc<Announcements>,
    status: watch::Sender<Vec<PeerStatus>>,
}

impl Shared {
    pub fn new(
        links: Links,
        federation: FederationId,
        config: Hash,
        announcements: Arc<Announcements>,
    ) -> Self {
        let count = usize::from(links.guardians());
        let notifies = || (0..count).map(|_| Notify::new()).collect();
        Self {
            links: Mutex::new(links),
            federation,
            config,
            node: Notify::new(),
            settling: Notify::new(),
            to_send: notifies(),
            room: notifies(),
            newest: (0..count).map(|_| watch::Sender::new(0)).collect(),
            announcements,
            status: watch::Sender::new(vec![PeerStatus::default(); count]),
        }
    }

    pub fn links(&self) -> MutexGuard<'_, Links> {
        // Nothing that holds the lock panics; were it to, the queues are still whole.
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn status(&self) -> &watch::Sender<Vec<PeerStatus>> {
        &self.status
    }

    /// Begins a connection to a peer and ends the one before: what to say hello with.
    pub fn begin(&self, peer: GuardianId) -> Option<(Generation, Hello)> {
        let mut links = self.links();
        let (generation, received) = links.begin(peer)?;
        let run = links.run();
        drop(links);
        self.newest[usize::from(peer)].send_replace(generation);
        let hello = Hello {
            protocol: PROTOCOL_VERSION,
            federation: self.federation,
            config: self.config,
            run,
            received,
        };
        Some((generation, hello))
    }

    /// Whether a peer means the same federation and config.
    pub fn agrees(&self, hello: &Hello) -> bool {
        hello.federation == self.federation && hello.config == self.config
    }

    /// Cuts a peer off until this guardian restarts and logs why.
    pub fn ban(&self, peer: GuardianId, reason: &str, evidence: &Bytes) {
        if !self.links().ban(peer) {
            return;
        }
        log_ban(peer, reason, evidence);
        self.newest[usize::from(peer)].send_modify(|generation| *generation += 1);
        self.change(peer, |status| {
            status.connected_since = None;
            status.banned = Some(reason.to_owned());
        });
    }

    /// A connection is up.
    pub fn connected(&self, peer: GuardianId) {
        info!(peer, "connected");
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.change(peer, |status| {
            status.connected_since = Some(u64::try_from(now.as_millis()).unwrap_or(u64::MAX));
            status.agrees = Some(true);
        });
    }

    /// A connection is over or did not come about.
    pub fn disconnected(&self, peer: GuardianId, why: &str) {
        self.change(peer, |status| {
            if status.banned.is_some() {
                return;
            }
            let was_up = status.connected_since.take().is_some();
            // A peer that stays away is reported once, not with every attempt.
            if was_up || status.last_error.as_deref() != Some(why) {
                warn!(peer, "not connected: {why}");
            }
            status.round_trip = None;
            status.last_error = Some(why.to_owned());
        });
    }

    /// Changes what is known of a peer.
    pub fn change(&self, peer: GuardianId, change: impl FnOnce(&mut PeerStatus)) {
        self.status.send_modify(|status| {
            if let Some(status) = status.get_mut(usize::from(peer)) {
                change(status);
            }
        });
    }
}
