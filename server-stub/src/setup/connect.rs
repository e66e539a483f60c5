//! The links to all other participants: those on which guardians talk ever after ([`crate::network::tcp`]). Connections
//! that break come back, and what a participant has not received is sent again.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use rand::{RngCore, rngs::OsRng};
use rekindle_protocol::bytes::FederationId;
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
    task::{JoinSet, yield_now},
    time::{Instant, sleep_until, timeout},
};
use tracing::info;

use super::{
    Participants, SetupError,
    exchange::{Event, Wire},
    greeting::{Greetings, Meaning},
    message::{Message, VERSION},
    pieces::{Assembly, cut},
};
use crate::{
    announcements::Announcements,
    consensus::GuardianId,
    network::{
        OutboxLimits, PeerNetwork,
        tcp::{PeerStatus, TcpNetwork, TcpSettings, TlsIdentity},
    },
};

/// Who is not connected for so long does not come back.
const ABSENCE: Duration = Duration::from_secs(60);
/// How long the others may take in the end to receive what they have been sent.
const FAREWELL: Duration = Duration::from_secs(5);
/// Messages that wait to be sent or handled.
const QUEUE: usize = 4;

/// The links to all other participants, with the task that moves their messages. Dropping it ends them.
pub struct Connections(JoinSet<()>);

impl Connections {
    /// Connects to all others and hears their hellos.
    ///
    /// # Errors
    /// [`SetupError`] names who did not come until `deadline`, was given other participants or runs another version.
    pub async fn open(
        participants: &Participants,
        tls: &TlsIdentity,
        listener: TcpListener,
        deadline: Instant,
    ) -> Result<(Self, Wire), SetupError> {
        let settings = TcpSettings {
            own: participants.own(),
            identity: tls.clone(),
            guardians: participants.members().addresses(),
            // There is none yet.
            federation: FederationId([0; 32]),
            config: participants.ceremony(),
            // Every message of a ceremony is needed, and there are few.
            limits: OutboxLimits { messages: usize::MAX, bytes: usize::MAX },
            announcements: Arc::new(Announcements::none()),
        };
        let network = TcpNetwork::start(settings, listener)?;
        let mut links = Links::new(network, participants);
        links.greet_all(participants, deadline).await?;
        let (events, incoming) = mpsc::channel(QUEUE);
        let (outgoing, messages) = mpsc::channel(QUEUE);
        let mut task = JoinSet::new();
        task.spawn(links.carry(messages, events));
        Ok((Self(task), Wire { outgoing, incoming }))
    }

    /// Ends all links once the others have received what was sent to them.
    pub async fn close(mut self, wire: Wire) {
        drop(wire);
        while self.0.join_next().await.is_some() {}
    }
}

struct Links {
    network: TcpNetwork,
    peers: watch::Receiver<Vec<PeerStatus>>,
    /// All others, with the message that is coming from each.
    assemblies: BTreeMap<GuardianId, Assembly>,
    greetings: Greetings,
    hello: Vec<Bytes>,
    /// Since when a participant is not connected, until that has been reported.
    away: BTreeMap<GuardianId, Option<Instant>>,
}

impl Links {
    fn new(mut network: TcpNetwork, participants: &Participants) -> Self {
        let hello = cut(&Message::Hello { version: VERSION, run: OsRng.next_u64() });
        send(&mut network, participants.others(), &hello);
        Self {
            peers: network.peers(),
            network,
            assemblies: participants.others().map(|peer| (peer, Assembly::default())).collect(),
            greetings: Greetings::default(),
            hello,
            away: BTreeMap::new(),
        }
    }

    async fn greet_all(&mut self, participants: &Participants, deadline: Instant) -> Result<(), SetupError> {
        loop {
            let taken = self.take();
            let is_idle = taken.is_empty();
            for (from, meaning) in taken {
                let garbage = || SetupError::Misbehaved {
                    who: participants.who(from),
                    what: "bytes that are no message".into(),
                    step: "hello",
                };
                match meaning.ok_or_else(garbage)? {
                    Meaning::Greet => info!("{} is connected", participants.who(from)),
                    Meaning::OtherVersion => return Err(SetupError::OtherVersion(participants.who(from))),
                    Meaning::Nothing | Meaning::Ceremony(_) | Meaning::Again => {}
                }
            }
            if participants.others().all(|peer| self.greetings.heard(peer)) {
                return Ok(());
            }
            let other = self.peers.borrow_and_update().iter().position(|peer| peer.agrees == Some(false));
            if let Some(peer) = other.and_then(|peer| u16::try_from(peer).ok()) {
                return Err(SetupError::OtherParticipants(participants.who(peer)));
            }
            if !is_idle {
                continue;
            }
            tokio::select! {
                () = self.network.changed() => {}
                // The sender lives as long as the network.
                _ = self.peers.changed() => {}
                () = sleep_until(deadline) => return Err(self.not_connected(participants)),
            }
        }
    }

    /// Names who never connected; if everybody did, who has not said hello.
    fn not_connected(&self, participants: &Participants) -> SetupError {
        let peers = self.peers.borrow();
        let status = |peer: &GuardianId| &peers[usize::from(*peer)];
        let mut missing: Vec<GuardianId> =
            participants.others().filter(|peer| !self.greetings.heard(*peer)).collect();
        // Who was here and has gone may have given up over those who never came, without whom nobody says hello.
        if missing.iter().any(|peer| status(peer).agrees.is_none()) {
            missing.retain(|peer| status(peer).agrees.is_none());
        }
        let named = |peer| (participants.who(peer), status(&peer).last_error.clone());
        SetupError::NotConnected(missing.into_iter().map(named).collect())
    }

    /// Takes the next message of each that has come, and greets who must be. No meaning stands for bytes that are no message.
    fn take(&mut self) -> Vec<(GuardianId, Option<Meaning>)> {
        let mut taken = Vec::new();
        for (peer, assembly) in &mut self.assemblies {
            while let Some((number, piece)) = self.network.next(*peer) {
                // A process that ends has lost the ceremony, so that nothing needs to be written down.
                self.network.acknowledge(*peer, number);
                let meaning = match assembly.add(&piece) {
                    Ok(None) => continue,
                    Ok(Some(message)) => Some(self.greetings.on_message(*peer, message)),
                    Err(_) => None,
                };
                if meaning == Some(Meaning::Greet) {
                    send(&mut self.network, [*peer].into_iter(), &self.hello);
                }
                taken.push((*peer, meaning));
                break;
            }
        }
        taken
    }

    /// Moves messages until nobody has any more to send, and the others have received all of them.
    async fn carry(
        mut self,
        mut messages: mpsc::Receiver<Message>,
        events: mpsc::Sender<(GuardianId, Event)>,
    ) {
        let early = self.greetings.under_way().into_iter();
        let mut waiting: VecDeque<_> = early.map(|(from, message)| (from, Event::Message(message))).collect();
        loop {
            while waiting.is_empty() {
                let taken = self.take();
                if taken.is_empty() {
                    waiting.extend(self.absent(Instant::now()));
                    break;
                }
                waiting.extend(taken.into_iter().filter_map(|(from, meaning)| Some((from, event(meaning)?))));
            }
            let next_absence = self.away.values().flatten().min().map_or_else(
                // Whatever changes wakes the loop.
                || Instant::now() + ABSENCE,
                |since| *since + ABSENCE,
            );
            tokio::select! {
                message = messages.recv() => match message {
                    Some(message) => send(&mut self.network, self.assemblies.keys().copied(), &cut(&message)),
                    None => break,
                },
                permit = events.reserve(), if !waiting.is_empty() => match (permit, waiting.pop_front()) {
                    (Ok(permit), Some(event)) => permit.send(event),
                    _ => break,
                },
                () = self.network.changed(), if waiting.is_empty() => {}
                _ = self.peers.changed() => {}
                () = sleep_until(next_absence), if waiting.is_empty() => {}
            }
        }
        let settled = self.network.settled();
        let farewell = async {
            tokio::pin!(settled);
            loop {
                if !self.take().is_empty() {
                    yield_now().await;
                    continue;
                }
                tokio::select! {
                    () = &mut settled => return,
                    () = self.network.changed() => {}
                }
            }
        };
        // Who has not received everything by then has had its time.
        let _ = timeout(FAREWELL, farewell).await;
    }

    /// Who has been away for too long, or was cut off because of what it sent; each is reported once.
    fn absent(&mut self, now: Instant) -> Vec<(GuardianId, Event)> {
        let peers = self.peers.borrow_and_update();
        let mut absent = Vec::new();
        for peer in self.assemblies.keys() {
            let status = &peers[usize::from(*peer)];
            if status.connected_since.is_some() {
                self.away.remove(peer);
                continue;
            }
            let since = self.away.entry(*peer).or_insert(Some(now));
            let gone = status.banned.is_some() || since.is_some_and(|since| now >= since + ABSENCE);
            if gone && since.take().is_some() {
                let why = || status.last_error.clone().unwrap_or_else(|| "it is not connected".into());
                absent.push((
                    *peer,
                    if status.banned.is_some() { Event::Garbage } else { Event::Closed(why()) },
                ));
            }
        }
        absent
    }
}

fn event(meaning: Option<Meaning>) -> Option<Event> {
    match meaning {
        None => Some(Event::Garbage),
        Some(Meaning::Ceremony(message)) => Some(Event::Message(message)),
        Some(Meaning::Again | Meaning::OtherVersion) => Some(Event::Again),
        Some(Meaning::Nothing | Meaning::Greet) => None,
    }
}

fn send(network: &mut TcpNetwork, to: impl Iterator<Item = GuardianId>, pieces: &[Bytes]) {
    for peer in to {
        for piece in pieces {
            network.send(peer, None, piece.clone());
        }
    }
}
