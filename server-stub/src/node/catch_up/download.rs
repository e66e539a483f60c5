//! Downloading signed sessions, in pieces from several peers at a time.

use std::collections::BTreeMap;

use rekindle_protocol::{
    bls::PublicKey,
    bytes::FederationId,
    chain::{ChainError, check_signature},
    session::HashedSession,
};

use super::Question;
use crate::{
    consensus::{FaultKind, GuardianId},
    node::message::CatchUpMessage,
};

/// Most sessions of a piece.
pub(in crate::node) const PIECE_SESSIONS: u64 = 256;
/// How many pieces each peer is asked for at a time.
const PIECES_PER_PEER: usize = 2;
/// Most bytes of sessions that are kept until their turn, and some pieces more.
const READY_BYTES: usize = 32 << 20;
/// As many sessions are worth executing at once: what they spend is spread over all pages of a table, and writing a
/// page costs more than changing it.
const RUN_SESSIONS: usize = 4_096;
/// The same in bytes.
const RUN_BYTES: usize = 24 << 20;
/// How many times its usual patience a guardian waits for a piece, which may be large.
const PATIENCE_FACTOR: u64 = 4;

/// A session that the federation's signature vouches for, its own or a later one's.
pub(in crate::node) struct VerifiedSession {
    /// Its content.
    pub session: HashedSession,
    /// Its encoding.
    pub bytes: Vec<u8>,
}

/// Pieces of history that are asked for, and those that have arrived before their turn.
#[derive(Default)]
pub(in crate::node) struct Download {
    /// By the first session.
    requests: BTreeMap<u64, Request>,
    ready: BTreeMap<u64, Piece>,
}

struct Piece {
    sessions: Vec<VerifiedSession>,
    bytes: usize,
}

struct Request {
    count: u64,
    peer: GuardianId,
    at: u64,
}

impl Download {
    /// Forgets everything.
    pub fn clear(&mut self) {
        self.requests.clear();
        self.ready.clear();
    }

    /// Asks for what is missing from session `next` on. `servers` are the peers that can be asked and how many
    /// sessions each has.
    pub fn plan(&mut self, next: u64, servers: &[(GuardianId, u64)], now: u64) -> Vec<Question> {
        self.requests = self.requests.split_off(&next);
        self.ready = self.ready.split_off(&next);
        let target = servers.iter().map(|(_, signed)| *signed).max().unwrap_or(0);
        let mut questions = Vec::new();
        let mut at = next;
        let full = self.ready.values().map(|piece| piece.bytes).sum::<usize>() >= READY_BYTES;
        // What comes next is always asked for: the rest waits for it.
        while at < target && (at == next || !full) {
            let there = self.requests.get(&at).map(|request| request.count);
            if let Some(count) =
                there.or_else(|| self.ready.get(&at).map(|piece| piece.sessions.len() as u64))
            {
                at += count;
                continue;
            }
            let starts = self.requests.range(at..).next().map(|(from, _)| *from);
            let starts = starts.into_iter().chain(self.ready.range(at..).next().map(|(from, _)| *from)).min();
            let end = starts.unwrap_or(target).min(target).min(at + PIECE_SESSIONS);
            let load = |peer| self.requests.values().filter(|request| request.peer == peer).count();
            let free = servers.iter().filter(|(id, signed)| *signed > at && load(*id) < PIECES_PER_PEER);
            let Some((peer, signed)) = free.min_by_key(|(id, _)| load(*id)).copied() else { break };
            let count = end.min(signed) - at;
            self.requests.insert(at, Request { count, peer, at: now });
            questions.push((Some(peer), CatchUpMessage::HistoryRequest { from: at, count }));
            at += count;
        }
        questions
    }

    /// Takes back requests that were not answered in time and names who did not answer.
    pub fn give_up(&mut self, now: u64, patience: u64) -> Vec<GuardianId> {
        let late = |request: &Request| now >= request.at + patience * PATIENCE_FACTOR;
        let mut silent: Vec<_> =
            self.requests.values().filter(|request| late(request)).map(|request| request.peer).collect();
        self.requests.retain(|_, request| !late(request));
        silent.dedup();
        silent
    }

    /// When the next request is given up.
    pub fn next_timeout(&self, patience: u64) -> Option<u64> {
        self.requests.values().map(|request| request.at + patience * PATIENCE_FACTOR).min()
    }

    /// Whether the peer was asked for a piece that begins with session `from`; if so it is not any more.
    pub fn take_request(&mut self, peer: GuardianId, from: u64) -> Option<u64> {
        self.requests.get(&from).filter(|request| request.peer == peer)?;
        self.requests.remove(&from).map(|request| request.count)
    }

    /// Keeps a piece until its turn.
    pub fn insert(&mut self, from: u64, sessions: Vec<VerifiedSession>) {
        let bytes = sessions.iter().map(|session| session.bytes.len()).sum();
        self.ready.insert(from, Piece { sessions, bytes });
    }

    /// The sessions from `next` on that are there, if they are worth executing or no more are on their way.
    pub fn take_run(&mut self, next: u64) -> Vec<VerifiedSession> {
        let (mut sessions, mut bytes) = (0, 0);
        while let Some(piece) = self.ready.get(&(next + sessions as u64)) {
            sessions += piece.sessions.len();
            bytes += piece.bytes;
        }
        let mut run = Vec::new();
        if sessions >= RUN_SESSIONS || bytes >= RUN_BYTES || self.requests.is_empty() {
            while let Some(piece) = self.ready.remove(&(next + run.len() as u64)) {
                run.extend(piece.sessions);
            }
        }
        run
    }

    /// Whether something is asked for.
    pub fn is_under_way(&self) -> bool {
        !self.requests.is_empty()
    }
}

/// Decodes sessions served as those from `from` on, at most `count`, and checks them without touching anything:
/// each follows the one before and holds the items of its header, and the federation has signed the last one.
///
/// # Errors
/// What is wrong with them; whoever served them is at fault.
pub(in crate::node) fn read_history(
    federation: &FederationId,
    key: &PublicKey,
    from: u64,
    count: u64,
    sessions: Vec<Vec<u8>>,
) -> Result<Vec<VerifiedSession>, FaultKind> {
    let wrong = |reason: String| FaultKind::WrongHistory { session: from, reason };
    if sessions.is_empty() || sessions.len() as u64 > count {
        return Err(wrong(format!("{} sessions were served where {count} were promised", sessions.len())));
    }
    let mut verified: Vec<VerifiedSession> = Vec::with_capacity(sessions.len());
    for (expected, bytes) in (from..).zip(sessions) {
        let session = HashedSession::from_bytes(&bytes).map_err(|error| wrong(error.to_string()))?;
        let header = &session.header;
        let before = verified.last().map(|before| before.session.header);
        let fault = if header.index != expected {
            Some(ChainError::WrongIndex { expected, got: header.index })
        } else if before.is_some_and(|before| before.hash(federation) != header.previous) {
            Some(ChainError::BrokenChain(expected))
        } else if session.content.root() != header.items {
            Some(ChainError::WrongItems(expected))
        } else {
            None
        };
        if let Some(fault) = fault {
            return Err(wrong(fault.to_string()));
        }
        verified.push(VerifiedSession { session, bytes });
    }
    let last = verified.last().and_then(|last| Some((last.session.header, last.session.signature?)));
    let (header, signature) = last.ok_or_else(|| wrong("it ends without a signature".into()))?;
    check_signature(federation, key, &header, &signature).map_err(|error| wrong(error.to_string()))?;
    Ok(verified)
}
