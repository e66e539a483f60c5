//! A run of sessions that is fetched as one.

use std::collections::VecDeque;

use super::{Ready, weight};
use crate::{federation::GuardianId, sorted::SortedSet};

/// A segment's number.
pub(super) type SegmentId = u64;

/// Sessions up to `to`, as far as they have arrived and not been delivered.
#[derive(Debug)]
pub(super) struct Segment<T> {
    pub id: SegmentId,
    /// The next session that has to arrive.
    pub next: u64,
    /// The first session after it.
    pub to: u64,
    /// Requests in flight for it: two while it is hedged.
    pub requests: usize,
    /// Guardians that failed at it.
    pub tried: SortedSet<GuardianId>,
    /// Whether asking for it again is a retry, which the budget must allow.
    pub is_retry: bool,
    /// Whether to ask past caches.
    pub bypass_cache: bool,
    arrived: VecDeque<Ready<T>>,
}

impl<T> Segment<T> {
    pub fn new(id: SegmentId, from: u64, to: u64) -> Self {
        Segment {
            id,
            next: from,
            to,
            requests: 0,
            tried: SortedSet::new(),
            is_retry: false,
            bypass_cache: false,
            arrived: VecDeque::new(),
        }
    }

    /// Whether all of it has arrived.
    pub fn is_full(&self) -> bool {
        self.next >= self.to
    }

    /// Whether all of it has been delivered.
    pub fn is_done(&self) -> bool {
        self.is_full() && self.arrived.is_empty()
    }

    /// Takes in a session; false if it has arrived before.
    pub fn push(&mut self, ready: Ready<T>) -> bool {
        if ready.index != self.next || self.is_full() {
            return false;
        }
        self.next += 1;
        self.is_retry = false;
        self.arrived.push_back(ready);
        true
    }

    /// Whether something has arrived and not been delivered.
    pub fn has_ready(&self) -> bool {
        !self.arrived.is_empty()
    }

    pub fn pop(&mut self) -> Option<Ready<T>> {
        self.arrived.pop_front()
    }

    /// Drops the first session that `guardian` served and all after it, and gives their weight.
    pub fn truncate(&mut self, guardian: GuardianId) -> Option<usize> {
        let first = self.arrived.iter().position(|ready| ready.guardian == guardian)?;
        let dropped = self.arrived.split_off(first);
        self.next -= dropped.len() as u64;
        Some(dropped.iter().map(|ready| weight(ready.bytes)).sum())
    }
}
