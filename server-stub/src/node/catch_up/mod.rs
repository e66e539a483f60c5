//! Coming back: what a guardian asks its peers for when they are ahead of it.
//!
//! # How it works
//!
//! Every message that shows how far a peer is ends up here. A guardian that stays behind one of them for longer
//! than its patience, or is epochs behind f+1 of them, gets what it lacks in one of two ways. Sessions that a peer
//! has signed are downloaded from several peers at a time (`download`), and each piece is verified by hashes and
//! the federation's signature at its end before any of it is replayed (`replay`). The batches of the session that
//! is not signed yet come with certificates (see [`crate::consensus`]) and are applied like the engine's own.
//!
//! Whoever does not answer is left alone for a while, longer each time; whoever serves what is not true is named
//! and never asked again. A guardian that waits in an epoch asks how far the others are, less and less often.

mod download;
mod replay;

use std::cmp::max;

pub(super) use download::{Download, PIECE_SESSIONS, VerifiedSession, read_history};
pub(super) use replay::{Replayed, replay};

use super::message::{CatchUpMessage, PeerStatus};
use crate::consensus::{GuardianId, MAX_FUTURE_EPOCHS};

/// The longest time between two questions, in milliseconds.
const MAX_WAIT: u64 = 30_000;

/// How far this guardian is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Position {
    /// The epoch of the next batch.
    pub epoch: u64,
    /// Number of the open session.
    pub session: u64,
    /// Whether an epoch has begun and waits for peers.
    pub waiting: bool,
}

/// What is known of the others, and what they were asked for.
pub(super) struct CatchUp {
    max_faulty: usize,
    /// Milliseconds for which a guardian stays behind before it asks, and for an answer.
    patience: u64,
    peers: Vec<Peer>,
    /// The epoch in which this guardian is behind, and since when.
    behind: Option<(u64, u64)>,
    /// Who was asked for batches, and when.
    asked: Option<(GuardianId, u64)>,
    /// Whom to ask next, by turns.
    turn: usize,
    /// What is on its way.
    pub download: Download,
    waiting: Option<Waiting>,
}

/// What is known of a guardian.
#[derive(Clone, Debug, Default)]
struct Peer {
    status: Option<PeerStatus>,
    /// It served what is not true.
    refused: bool,
    /// Not asked before then, because it did not answer.
    silent_until: u64,
    silences: u32,
}

/// An epoch that goes on for long.
struct Waiting {
    epoch: u64,
    ask_at: u64,
    wait: u64,
}

/// A message to one guardian or to all.
pub(super) type Question = (Option<GuardianId>, CatchUpMessage);

impl CatchUp {
    /// Nothing is known of `guardians` guardians.
    pub fn new(guardians: u16, max_faulty: usize, patience: u64) -> Self {
        Self {
            max_faulty,
            patience,
            peers: vec![Peer::default(); usize::from(guardians)],
            behind: None,
            asked: None,
            turn: 0,
            download: Download::default(),
            waiting: None,
        }
    }

    /// A peer says how far it is.
    pub fn on_status(&mut self, from: GuardianId, status: PeerStatus, now: u64) {
        let Some(peer) = self.peers.get_mut(usize::from(from)) else { return };
        peer.status = Some(status);
        if self.asked.is_some_and(|(asked, _)| asked == from) {
            self.on_nothing(from, now);
        }
    }

    /// A peer that was asked for batches has none that can be used yet.
    pub fn on_nothing(&mut self, from: GuardianId, now: u64) {
        self.asked = None;
        if let Some(peer) = self.peers.get_mut(usize::from(from)) {
            peer.silent_until = now + self.patience;
        }
    }

    /// A peer shows that it has reached `epoch`.
    pub fn on_progress(&mut self, from: GuardianId, epoch: u64) {
        let Some(peer) = self.peers.get_mut(usize::from(from)) else { return };
        match &mut peer.status {
            Some(status) => status.epoch = status.epoch.max(epoch),
            // It says the rest by itself.
            None => peer.status = Some(PeerStatus { epoch, signed: 0 }),
        }
    }

    /// A peer has answered a request for batches. True if it was asked.
    pub fn on_answer(&mut self, from: GuardianId) -> bool {
        let asked = self.asked.is_some_and(|(asked, _)| asked == from);
        if asked {
            self.asked = None;
            if let Some(peer) = self.peers.get_mut(usize::from(from)) {
                peer.silences = 0;
            }
        }
        asked
    }

    /// A peer served what is not true: it is not asked again.
    pub fn refuse(&mut self, from: GuardianId) {
        if let Some(peer) = self.peers.get_mut(usize::from(from)) {
            peer.refused = true;
        }
    }

    /// The epoch that each guardian is known to have reached.
    pub fn epochs(&self) -> Vec<Option<u64>> {
        self.peers.iter().map(|peer| peer.status.map(|status| status.epoch)).collect()
    }

    fn usable(&self, now: u64) -> impl Iterator<Item = (GuardianId, PeerStatus)> + '_ {
        (0..)
            .zip(&self.peers)
            .filter(move |(_, peer)| !peer.refused && peer.silent_until <= now)
            .filter_map(|(id, peer)| Some((id, peer.status?)))
    }

    /// Whether f+1 peers are so far ahead that the engine can't follow them.
    fn is_far_behind(&self, own: Position) -> bool {
        let ahead = self
            .peers
            .iter()
            .filter_map(|peer| peer.status)
            .filter(|status| status.epoch > own.epoch.saturating_add(MAX_FUTURE_EPOCHS));
        ahead.count() > self.max_faulty
    }

    /// Peers that have something which this guardian lacks, as they say.
    fn ahead(&self, own: Position) -> impl Iterator<Item = &Peer> {
        let ahead = move |status: PeerStatus| status.epoch > own.epoch || status.signed > own.session;
        self.peers.iter().filter(move |peer| !peer.refused && peer.status.is_some_and(ahead))
    }

    /// Whether a peer has something that this guardian lacks.
    pub fn is_behind(&self, own: Position) -> bool {
        self.ahead(own).next().is_some()
    }

    /// When to ask: at once if the engine can't follow, otherwise after some patience.
    fn due(&self, own: Position) -> Option<u64> {
        let (_, since) = self.behind.filter(|(epoch, _)| *epoch == own.epoch)?;
        Some(if self.is_far_behind(own) { since } else { since + self.patience })
    }

    /// What to ask for now. `status` is what this guardian says of itself.
    pub fn tick(&mut self, own: Position, status: PeerStatus, now: u64) -> Vec<Question> {
        let mut questions = self.ask_around(own, status, now);
        if !self.is_behind(own) {
            (self.behind, self.asked) = (None, None);
            self.download.clear();
            return questions;
        }
        if self.behind.is_none_or(|(epoch, _)| epoch != own.epoch) {
            self.behind = Some((own.epoch, now));
        }
        for silent in self.download.give_up(now, self.patience) {
            self.shun(silent, now);
        }
        if let Some((silent, at)) = self.asked
            && now >= at + self.patience
        {
            self.asked = None;
            self.shun(silent, now);
        }
        if self.due(own).is_none_or(|due| now < due) {
            return questions;
        }
        let servers: Vec<(GuardianId, u64)> = self
            .usable(now)
            .filter(|(_, it)| it.signed > own.session)
            .map(|(id, it)| (id, it.signed))
            .collect();
        if !servers.is_empty() {
            questions.extend(self.download.plan(own.session, &servers, now));
        } else if self.asked.is_none() {
            let ahead: Vec<GuardianId> =
                self.usable(now).filter(|(_, it)| it.epoch > own.epoch).map(|(id, _)| id).collect();
            if let Some(id) = ahead.get(self.turn % max(ahead.len(), 1)) {
                self.turn = self.turn.wrapping_add(1);
                self.asked = Some((*id, now));
                questions.push((Some(*id), CatchUpMessage::BatchRequest { from: own.epoch }));
            }
        }
        questions
    }

    /// Asks everybody how far they are if an epoch takes long.
    fn ask_around(&mut self, own: Position, status: PeerStatus, now: u64) -> Vec<Question> {
        if !own.waiting {
            self.waiting = None;
            return Vec::new();
        }
        let first = Waiting { epoch: own.epoch, ask_at: now + self.patience, wait: self.patience };
        let waiting = self.waiting.get_or_insert(first);
        if waiting.epoch != own.epoch {
            *waiting = Waiting { epoch: own.epoch, ask_at: now + self.patience, wait: self.patience };
        }
        if now < waiting.ask_at {
            return Vec::new();
        }
        waiting.wait = (waiting.wait * 2).min(MAX_WAIT);
        waiting.ask_at = now + waiting.wait;
        vec![(None, CatchUpMessage::Status { status, ask: true })]
    }

    fn shun(&mut self, peer: GuardianId, now: u64) {
        if let Some(peer) = self.peers.get_mut(usize::from(peer)) {
            peer.silences += 1;
            let wait = self.patience.saturating_mul(1 << peer.silences.min(16)).min(MAX_WAIT);
            peer.silent_until = now + wait;
        }
    }

    /// When [`CatchUp::tick`] has something to do next.
    pub fn next_tick(&self, own: Position) -> Option<u64> {
        let waiting = self.waiting.as_ref().filter(|_| own.waiting).map(|waiting| waiting.ask_at);
        let behind = self.due(own).filter(|_| self.is_behind(own)).map(|due| {
            let asked = self.asked.map(|(_, at)| at + self.patience);
            let answers = [asked, self.download.next_timeout(self.patience)];
            // With nothing under way everybody is left alone for a while.
            let idle = || self.ahead(own).map(|peer| peer.silent_until).min();
            let next = answers.into_iter().flatten().min().or_else(idle);
            due.max(next.unwrap_or(due))
        });
        [waiting, behind].into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests;
