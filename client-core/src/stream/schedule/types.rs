//! What a schedule is told and what it says.

use crate::{federation::GuardianId, sorted::SortedSet};

/// What a stream may use at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most requests in flight.
    pub requests: usize,
    /// Most requests in flight to one guardian. A browser opens 6 connections to a host, and other requests
    /// need some of them.
    pub requests_per_guardian: usize,
    /// Most bytes that may have arrived, or be on their way, before their turn.
    pub buffer_bytes: usize,
    /// About how many bytes a segment should have.
    pub segment_bytes: usize,
    /// About how many it may have where so many arrive within half a second: a browser spends milliseconds on every
    /// request.
    pub quick_segment_bytes: usize,
    /// Most sessions of a segment: long runs of empty sessions take hardly any bytes on the way.
    pub segment_sessions: u64,
    /// Milliseconds without a byte after which a request is given up.
    pub silence_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            requests: 64,
            requests_per_guardian: 4,
            buffer_bytes: 24 << 20,
            segment_bytes: 512 << 10,
            quick_segment_bytes: 2 << 20,
            segment_sessions: 1 << 14,
            silence_ms: 15_000,
        }
    }
}

/// A request's number.
pub type RequestId = u64;

/// A range to ask of a guardian.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// Names the request in all that is said about it later.
    pub id: RequestId,
    /// Whom to ask.
    pub guardian: GuardianId,
    /// The first session.
    pub from: u64,
    /// The first session that is not wanted.
    pub to: u64,
    /// How many bytes to ask for.
    pub max_bytes: usize,
    /// Whether to ask past caches.
    pub bypass_cache: bool,
}

/// A session whose turn it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready<T> {
    /// Its number.
    pub index: u64,
    /// Who served it.
    pub guardian: GuardianId,
    /// Its encoded bytes.
    pub bytes: usize,
    /// The session.
    pub payload: T,
}

/// How far a stream has come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// The next session to be delivered.
    pub position: u64,
    /// Where the stream ends (not included).
    pub end: u64,
    /// Bytes of sessions delivered so far.
    pub bytes: u64,
    /// Bytes that wait for their turn.
    pub waiting_bytes: usize,
    /// Guardians that are being asked right now.
    pub guardians: SortedSet<GuardianId>,
    /// If nobody can be asked right now: when the next attempt is due.
    pub next_attempt: Option<u64>,
}
