//! Links between guardians on different machines, over TCP with mutual TLS.
//!
//! # How it works
//!
//! Of two guardians the one with the lower id dials, again and again with pauses of up to 10 s (`backoff`), so
//! that there is one connection between them and no question which one counts. Both sides show a certificate, and
//! each accepts exactly those that the federation's guardians agreed on ([`TlsIdentity`]). Then both say hello: their protocol version,
//! federation, hash of the guardians' config, a number for this run, and how far they have received what the
//! other sent. After that frames flow (`frame`): messages with their numbers, acknowledgements, pings.
//!
//! `links` is what all this does to queues and numbers, without I/O: what is not acknowledged is kept (see
//! [`Outbox`](super::Outbox)) and sent again when the receiver has lost it; a peer that restarts numbers its messages anew, and the node never
//! notices. `connection` moves frames; [`TcpNetwork`] dials and listens and is the node's end.
//!
//! **Start.** No message is sent or handed to the node before guardians enough for consensus have said hello with
//! the same federation and config. A peer with another config is not talked to.
//!
//! **Announcements** of guardians' URLs travel beside the links' messages, without numbers or acknowledgements: each
//! connection begins with all that are known, and then tells what is new.
//!
//! **Bans.** A peer that sends what does not decode is cut off until this guardian restarts, and the evidence is
//! logged.
//!
//! **Bounds.** A frame has a maximal length, memory for it grows as it arrives; an inbox that is full stops reading
//! from that peer; handshakes have a number and a time; who is silent for 20 s is gone.

mod backoff;
mod connection;
mod frame;
mod links;
mod shared;
mod status;
mod tls;

#[cfg(test)]
mod delivery;
#[cfg(test)]
mod tests;

use std::{future::Future, sync::Arc};

use bytes::Bytes;
use rand::{RngCore, rngs::OsRng};
use rekindle_protocol::bytes::{FederationId, Hash};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::JoinSet,
    time::{Duration, sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tracing::debug;

use super::{OutboxLimits, PeerNetwork};
use crate::{
    announcements::Announcements,
    consensus::{GuardianId, max_faulty},
};
use connection::{ConnectionError, PATIENCE};
use links::Links;
use shared::Shared;

pub use status::PeerStatus;
pub use tls::{Fingerprint, TlsError, TlsIdentity};

/// Most handshakes with strangers at the same time; further ones wait to be accepted.
const MAX_HANDSHAKES: usize = 64;
/// How long to wait after the operating system could not accept a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// A connection that was up for so long ends a row of failures.
const STABLE: Duration = Duration::from_secs(10);

/// A guardian as its peers reach it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerAddress {
    /// Host and port.
    pub address: String,
    /// The fingerprint of its certificate.
    pub certificate: Fingerprint,
}

/// What a guardian's network is made of.
pub struct TcpSettings {
    /// Which guardian it is.
    pub own: GuardianId,
    /// Its certificate.
    pub identity: TlsIdentity,
    /// All guardians, by id, itself included.
    pub guardians: Vec<PeerAddress>,
    /// The federation.
    pub federation: FederationId,
    /// Hash of everything that guardians must agree on before they talk.
    pub config: Hash,
    /// How much is kept for peers that are away.
    pub limits: OutboxLimits,
    /// Where guardians are reached: told to all peers, and taken in from them.
    pub announcements: Arc<Announcements>,
}

/// A guardian's end of its links. Dropping it closes all connections.
pub struct TcpNetwork {
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

impl TcpNetwork {
    /// Starts to dial the peers with higher ids, and to accept those with lower ones on `listener`, on the runtime
    /// of the caller.
    ///
    /// # Errors
    /// [`TlsError`] if the certificate is not usable.
    pub fn start(settings: TcpSettings, listener: TcpListener) -> Result<Self, TlsError> {
        let guardians = u16::try_from(settings.guardians.len()).unwrap_or(u16::MAX);
        // With itself these are the n - f guardians that consensus needs.
        let wanted = usize::from(guardians.saturating_sub(1)) - max_faulty(guardians);
        let links = Links::new(settings.own, guardians, OsRng.next_u64(), wanted, settings.limits);
        let shared =
            Arc::new(Shared::new(links, settings.federation, settings.config, settings.announcements));
        let mut tasks = JoinSet::new();
        for (id, peer) in (0..guardians).zip(&settings.guardians) {
            if id > settings.own {
                let connector = TlsConnector::from(settings.identity.client(peer.certificate)?);
                tasks.spawn(dial(shared.clone(), id, peer.address.clone(), connector));
            }
        }
        let lower = settings.guardians.iter().take(usize::from(settings.own));
        let pinned: Vec<Fingerprint> = lower.map(|peer| peer.certificate).collect();
        let acceptor = TlsAcceptor::from(settings.identity.server(pinned.clone())?);
        tasks.spawn(accept(shared.clone(), listener, acceptor, pinned));
        Ok(Self { shared, _tasks: tasks })
    }

    /// A watch on the state of the connection to each guardian, by id; the own entry stays empty.
    pub fn peers(&self) -> watch::Receiver<Vec<PeerStatus>> {
        self.shared.status().subscribe()
    }

    /// Waits until every peer has received all that it was sent; without end for one that stays away.
    pub fn settled(&self) -> impl Future<Output = ()> + Send + use<> {
        let shared = self.shared.clone();
        async move {
            while !shared.links().is_settled() {
                shared.settling.notified().await;
            }
        }
    }
}

impl PeerNetwork for TcpNetwork {
    fn send(&mut self, to: GuardianId, epoch: Option<u64>, message: Bytes) {
        self.shared.links().send(to, epoch, message);
        if let Some(to_send) = self.shared.to_send.get(usize::from(to)) {
            to_send.notify_one();
        }
    }

    fn next(&mut self, from: GuardianId) -> Option<(u64, Bytes)> {
        let message = self.shared.links().take(from)?;
        if let Some(room) = self.shared.room.get(usize::from(from)) {
            room.notify_one();
        }
        Some(message)
    }

    fn acknowledge(&mut self, from: GuardianId, last: u64) {
        self.shared.links().write_down(from, last);
        if let Some(to_send) = self.shared.to_send.get(usize::from(from)) {
            to_send.notify_one();
        }
    }

    fn release(&mut self, epoch: u64) {
        self.shared.links().release(epoch);
    }

    fn ban(&mut self, peer: GuardianId, reason: &str, evidence: &Bytes) {
        self.shared.ban(peer, reason, evidence);
    }

    fn changed(&mut self) -> impl Future<Output = ()> + Send {
        self.shared.node.notified()
    }
}

/// Keeps a connection to a peer with a higher id, until it is banned.
async fn dial(shared: Arc<Shared>, peer: GuardianId, address: String, connector: TlsConnector) {
    let mut failures = 0u32;
    while !shared.links().is_banned(peer) {
        let (up, end) = match connect(&address, &connector).await {
            Ok(stream) => connection::run(&shared, peer, stream).await,
            Err(error) => (None, error),
        };
        shared.disconnected(peer, &end.to_string());
        failures = if up.is_some_and(|up| up >= STABLE) { 1 } else { failures.saturating_add(1) };
        sleep(backoff::pause(failures, OsRng.next_u64())).await;
    }
}

async fn connect(
    address: &str,
    connector: &TlsConnector,
) -> Result<tokio_rustls::client::TlsStream<TcpStream>, ConnectionError> {
    let connected = async {
        let socket = TcpStream::connect(address).await?;
        // Small messages must not wait for the acknowledgement of the one before.
        socket.set_nodelay(true)?;
        Ok::<_, ConnectionError>(connector.connect(TlsIdentity::server_name(), socket).await?)
    };
    timeout(PATIENCE, connected).await.unwrap_or(Err(ConnectionError::Silent))
}

/// Accepts connections of peers with lower ids; `pinned` are their certificates, by id.
async fn accept(shared: Arc<Shared>, listener: TcpListener, acceptor: TlsAcceptor, pinned: Vec<Fingerprint>) {
    let places = Arc::new(Semaphore::new(MAX_HANDSHAKES));
    let mut connections = JoinSet::new();
    loop {
        let accepted = async {
            // The semaphore is never closed.
            let place = places.clone().acquire_owned().await;
            (listener.accept().await, place)
        };
        let (socket, place) = tokio::select! {
            Some(_) = connections.join_next() => continue,
            (accepted, place) = accepted => match accepted {
                Ok((socket, _)) => (socket, place),
                // Out of file descriptors, or the other side is gone already. Others may fare better later.
                Err(error) => {
                    tracing::warn!("a guardian's connection could not be accepted: {error}");
                    sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            }
        };
        let (shared, acceptor, pinned) = (shared.clone(), acceptor.clone(), pinned.clone());
        connections.spawn(async move {
            let accepted = timeout(PATIENCE, handshake(socket, &acceptor, &pinned)).await;
            drop(place);
            match accepted {
                Ok(Ok((peer, stream))) => {
                    let (_, end) = connection::run(&shared, peer, stream).await;
                    // What took its place is up.
                    if !matches!(end, ConnectionError::Replaced) {
                        shared.disconnected(peer, &end.to_string());
                    }
                }
                Ok(Err(error)) => debug!("a stranger was turned away: {error}"),
                Err(_) => debug!("a stranger was turned away: too slow"),
            }
        });
    }
}

/// The handshake with a peer that dialled, and whose of the `pinned` certificates it has, by its place among them.
async fn handshake(
    socket: TcpStream,
    acceptor: &TlsAcceptor,
    pinned: &[Fingerprint],
) -> std::io::Result<(GuardianId, tokio_rustls::server::TlsStream<TcpStream>)> {
    socket.set_nodelay(true)?;
    let stream = acceptor.accept(socket).await?;
    let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    let fingerprint = shown.map(|certificate| Fingerprint::of(certificate));
    let known = (0..).zip(pinned).find(|(_, pinned)| Some(**pinned) == fingerprint);
    match known {
        Some((peer, _)) => Ok((peer, stream)),
        // The handshake accepts no other.
        None => Err(std::io::ErrorKind::PermissionDenied.into()),
    }
}
