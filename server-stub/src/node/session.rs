//! The open session, and when it closes.

use std::collections::BTreeSet;

use borsh::{BorshDeserialize, BorshSerialize};
use rekindle_protocol::session::{MAX_SESSION_BYTES, MAX_SESSION_ITEMS};

use super::Settings;
use crate::consensus::GuardianId;

/// What a signed session takes besides its items, generously.
const ENVELOPE_BYTES: usize = 1_024;

/// The session that takes up items. Every guardian has the same after the same batches.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct OpenSession {
    /// Its number.
    pub index: u64,
    /// The first epoch it contains.
    pub first_epoch: u64,
    /// How many items it has.
    pub items: u64,
    /// Their encoded bytes.
    pub bytes: u64,
    /// Who has voted to close it.
    pub votes: BTreeSet<GuardianId>,
}

impl OpenSession {
    /// An empty session that begins with `first_epoch`.
    pub fn new(index: u64, first_epoch: u64) -> Self {
        Self { index, first_epoch, items: 0, bytes: 0, votes: BTreeSet::new() }
    }

    /// Counts a vote. One for another session came too late, or from a guardian that lies, and counts for nothing.
    pub fn vote(&mut self, guardian: GuardianId, session: u64) {
        if session == self.index {
            self.votes.insert(guardian);
        }
    }

    /// Whether an item of so many bytes still fits below the protocol's limits.
    pub fn has_room(&self, bytes: usize) -> bool {
        self.items < MAX_SESSION_ITEMS as u64
            && self.bytes + bytes as u64 <= (MAX_SESSION_BYTES - ENVELOPE_BYTES) as u64
    }

    /// Counts an item.
    pub fn add(&mut self, bytes: usize) {
        self.items += 1;
        self.bytes += bytes as u64;
    }

    /// Whether the session ends with the batch of `epoch`, which has been counted.
    pub fn closes(&self, epoch: u64, max_faulty: usize, settings: &Settings) -> bool {
        self.items >= settings.session_items as u64
            || self.bytes >= settings.session_bytes as u64
            || self.votes.len() > max_faulty
            || epoch + 1 - self.first_epoch >= settings.session_epochs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closes(change: impl Fn(&mut OpenSession), epoch: u64) -> bool {
        let mut session = OpenSession::new(5, 100);
        change(&mut session);
        session.closes(epoch, 1, &Settings::default())
    }

    #[test]
    fn closes_by_items_bytes_votes_and_epochs() {
        assert!(!closes(|_| {}, 100));
        assert!(!closes(|session| session.items = 999, 100));
        assert!(closes(|session| session.items = 1_000, 100));
        assert!(closes(|session| session.add(2 << 20), 100));
        assert!(!closes(|_| {}, 1_098));
        assert!(closes(|_| {}, 1_099));
    }

    #[test]
    fn votes_count_once_for_each_guardian_and_only_for_this_session() {
        assert!(!closes(
            |session| {
                session.vote(0, 5);
                session.vote(0, 5);
                session.vote(1, 4);
                session.vote(2, 6);
            },
            100
        ));
        assert!(closes(
            |session| {
                session.vote(0, 5);
                session.vote(3, 5);
            },
            100
        ));
    }

    #[test]
    fn never_grows_beyond_what_a_wallet_decodes() {
        let mut session = OpenSession::new(0, 0);
        assert!(session.has_room(100_000));
        session.bytes = (MAX_SESSION_BYTES - 100_000) as u64;
        assert!(!session.has_room(100_000));
        session.bytes = 0;
        session.items = MAX_SESSION_ITEMS as u64;
        assert!(!session.has_room(1));
    }
}
