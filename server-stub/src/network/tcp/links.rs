//! A guardian's links as a state machine: no socket, no clock.

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;

use super::frame::{Frame, Received};
use crate::{
    consensus::GuardianId,
    network::{MAX_PEER_MESSAGE_BYTES, Outbox, OutboxLimits},
};

/// Most messages of a peer that wait for the node. A peer beyond it is not read from until there is room again.
const INBOX_MESSAGES: usize = 4_096;
/// Most bytes of those messages, one message more at most.
const INBOX_BYTES: usize = MAX_PEER_MESSAGE_BYTES;
/// Most messages that are handed to a connection at a time.
const BURST_MESSAGES: usize = 256;
/// Most bytes of those messages, one message more at most.
const BURST_BYTES: usize = 256 << 10;

/// Counts a link's connections: what an earlier one still reads is not listened to.
pub type Generation = u64;

/// Why a message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// A newer connection has taken the place of the one it came on.
    Replaced,
    /// Its number does not follow: no correct guardian sends it.
    Number,
}

/// All links of a guardian.
pub struct Links {
    own: GuardianId,
    /// A random number for this run of the guardian.
    run: u64,
    links: Vec<Link>,
    /// How many peers must agree on the config before messages flow.
    wanted: usize,
    agreeing: BTreeSet<GuardianId>,
}

struct Link {
    outbox: Outbox,
    /// Number of the next message to hand to the connection.
    cursor: u64,
    generation: Generation,
    /// How far the peer's messages have been received, of its newest run that sent any.
    received: Option<Received>,
    /// What the node calls message 0 of that run. The node's numbers rise over all runs of the peer.
    base: u64,
    /// What the node calls the next message.
    next: u64,
    inbox: VecDeque<(u64, Bytes)>,
    inbox_bytes: usize,
    /// The peer's number of its last message that is written down.
    written: Option<u64>,
    /// What of that was told on the current connection.
    told: Option<u64>,
    banned: bool,
}

impl Links {
    /// The links of guardian `own` of `guardians`. Messages flow when `wanted` peers agree on the config.
    pub fn new(own: GuardianId, guardians: u16, run: u64, wanted: usize, limits: OutboxLimits) -> Self {
        let link = || Link {
            outbox: Outbox::new(limits),
            cursor: 0,
            generation: 0,
            received: None,
            base: 0,
            next: 0,
            inbox: VecDeque::new(),
            inbox_bytes: 0,
            written: None,
            told: None,
            banned: false,
        };
        let links = (0..guardians).map(|_| link()).collect();
        Self { own, run, links, wanted, agreeing: BTreeSet::new() }
    }

    /// This run's number.
    pub fn run(&self) -> u64 {
        self.run
    }

    /// How many guardians the federation has.
    pub fn guardians(&self) -> u16 {
        // It was made from one.
        u16::try_from(self.links.len()).unwrap_or(u16::MAX)
    }

    fn link(&mut self, peer: GuardianId) -> Option<&mut Link> {
        let own = self.own;
        self.links.get_mut(usize::from(peer)).filter(|link| peer != own && !link.banned)
    }

    /// Whether messages flow.
    pub fn is_open(&self) -> bool {
        self.agreeing.len() >= self.wanted
    }

    /// Begins a connection, which ends the one before. `None` for a peer that there is none to.
    pub fn begin(&mut self, peer: GuardianId) -> Option<(Generation, Option<Received>)> {
        let link = self.link(peer)?;
        link.generation += 1;
        Some((link.generation, link.received))
    }

    /// Takes note of a peer that has said hello and agrees: of its run, and how far it has received of this one.
    /// False if a newer connection has taken its place.
    pub fn greet(
        &mut self,
        peer: GuardianId,
        generation: Generation,
        run: u64,
        received: Option<Received>,
    ) -> bool {
        let own_run = self.run;
        let Some(link) = self.link(peer).filter(|link| link.generation == generation) else { return false };
        if link.received.is_none_or(|received| received.run != run) {
            link.received = Some(Received { run, next: 0 });
            link.base = link.next;
            link.written = None;
        }
        link.told = None;
        link.cursor = received
            .filter(|received| received.run == own_run)
            .map_or(link.outbox.first(), |received| received.next);
        self.agreeing.insert(peer);
        true
    }

    /// Takes a message from a connection.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn receive(
        &mut self,
        peer: GuardianId,
        generation: Generation,
        number: u64,
        bytes: Bytes,
    ) -> Result<(), Refused> {
        let link = self.link(peer).filter(|link| link.generation == generation).ok_or(Refused::Replaced)?;
        let received = link.received.as_mut().ok_or(Refused::Number)?;
        if number < received.next {
            return Err(Refused::Number);
        }
        let next = number.checked_add(1).ok_or(Refused::Number)?;
        let own = link.base.checked_add(number).filter(|own| *own < u64::MAX).ok_or(Refused::Number)?;
        received.next = next;
        link.next = own + 1;
        link.inbox_bytes += bytes.len();
        link.inbox.push_back((own, bytes));
        Ok(())
    }

    /// Whether a peer's next message has room.
    pub fn has_room(&self, peer: GuardianId) -> bool {
        self.links.get(usize::from(peer)).is_some_and(|link| {
            link.inbox.len() < INBOX_MESSAGES && (link.inbox.is_empty() || link.inbox_bytes < INBOX_BYTES)
        })
    }

    /// What a connection is to send now; nothing if it was replaced.
    pub fn outgoing(&mut self, peer: GuardianId, generation: Generation) -> Vec<Frame> {
        let open = self.is_open();
        let Some(link) = self.link(peer).filter(|link| link.generation == generation) else { return vec![] };
        let mut frames = Vec::new();
        if link.written != link.told {
            link.told = link.written;
            frames.extend(link.written.map(|last| Frame::Acknowledge { last }));
        }
        let mut bytes = 0;
        while open
            && frames.len() < BURST_MESSAGES
            && bytes < BURST_BYTES
            && let Some((number, message)) = link.outbox.get(link.cursor)
        {
            bytes += message.len();
            frames.push(Frame::Message { number, bytes: message.clone() });
            link.cursor = number + 1;
        }
        frames
    }

    /// The peer has written down what it was sent, up to number `last`.
    pub fn acknowledged(&mut self, peer: GuardianId, generation: Generation, last: u64) {
        if let Some(link) = self.link(peer).filter(|link| link.generation == generation) {
            link.outbox.acknowledge(last);
        }
    }

    /// The node sends.
    pub fn send(&mut self, peer: GuardianId, epoch: Option<u64>, message: Bytes) {
        if let Some(link) = self.link(peer) {
            link.outbox.push(epoch, message);
        }
    }

    /// The node takes a message.
    pub fn take(&mut self, peer: GuardianId) -> Option<(u64, Bytes)> {
        if !self.is_open() {
            return None;
        }
        let link = self.link(peer)?;
        let (number, bytes) = link.inbox.pop_front()?;
        link.inbox_bytes -= bytes.len();
        Some((number, bytes))
    }

    /// The node has written down a peer's messages up to what it calls `last`.
    pub fn write_down(&mut self, peer: GuardianId, last: u64) {
        if let Some(link) = self.link(peer) {
            // Numbers below the base are of an earlier run of the peer, which is gone.
            let number = last.checked_sub(link.base).filter(|_| last < link.next);
            link.written = link.written.max(number);
        }
    }

    /// Forgets what was sent for epochs before `epoch`.
    pub fn release(&mut self, epoch: u64) {
        for link in &mut self.links {
            link.outbox.release(epoch);
        }
    }

    /// Whether every peer has acknowledged all that it was sent, and was told what is written down of its messages.
    pub fn is_settled(&self) -> bool {
        self.links.iter().all(|link| link.outbox.is_empty() && link.written == link.told)
    }

    /// The lowest epoch that a receiver has not acknowledged a message of.
    #[cfg(test)]
    pub fn oldest_epoch(&self) -> Option<u64> {
        self.links.iter().filter_map(|link| link.outbox.oldest_epoch()).min()
    }

    /// Cuts a peer off for good. False if it is already, or was never there.
    pub fn ban(&mut self, peer: GuardianId) -> bool {
        let Some(link) = self.link(peer) else { return false };
        link.banned = true;
        link.generation += 1;
        link.outbox.clear();
        link.inbox.clear();
        link.inbox_bytes = 0;
        true
    }

    /// Whether a peer is cut off.
    pub fn is_banned(&self, peer: GuardianId) -> bool {
        self.links.get(usize::from(peer)).is_some_and(|link| link.banned)
    }

    /// Whether a connection is the newest one.
    pub fn is_current(&self, peer: GuardianId, generation: Generation) -> bool {
        self.links.get(usize::from(peer)).is_some_and(|link| link.generation == generation && !link.banned)
    }
}
