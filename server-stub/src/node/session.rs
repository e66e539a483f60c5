//! The open session, and when it closes.

use rekindle_protocol::encoding::{Decode, Encode};
use std::collections::{BTreeMap, BTreeSet};

use rekindle_protocol::session::{MAX_SESSION_BYTES, MAX_SESSION_ITEMS};

use super::{Proposals, Settings};
use crate::consensus::GuardianId;

/// What a signed session takes besides its items, generously.
const ENVELOPE_BYTES: usize = 1_024;

/// How many guardians there are, and how many of them may be faulty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Quorum {
    /// n.
    pub guardians: u16,
    /// f.
    pub max_faulty: usize,
}

impl Quorum {
    /// n - f: as many as contribute to each batch.
    pub fn least(&self) -> usize {
        usize::from(self.guardians) - self.max_faulty
    }
}

/// The session that takes up items. Every guardian has the same after the same batches.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
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
    /// The newest version of the rules that guardians have signalled in it.
    pub signals: BTreeMap<GuardianId, u32>,
    /// What the guardians' machines proposed last in it.
    pub proposals: Proposals,
}

impl OpenSession {
    /// An empty session that begins with `first_epoch`.
    pub fn new(index: u64, first_epoch: u64) -> Self {
        Self {
            index,
            first_epoch,
            items: 0,
            bytes: 0,
            votes: BTreeSet::new(),
            signals: BTreeMap::new(),
            proposals: Proposals::new(),
        }
    }

    /// Notes that a guardian is ready for a version of the rules.
    pub fn signal(&mut self, guardian: GuardianId, version: u32) {
        let newest = self.signals.entry(guardian).or_default();
        *newest = version.max(*newest);
    }

    /// Notes what a guardian's machine proposes, instead of what it proposed before; empty for nothing.
    pub fn propose(&mut self, guardian: GuardianId, proposal: Vec<u8>) {
        if proposal.is_empty() {
            self.proposals.remove(&guardian);
        } else {
            self.proposals.insert(guardian, proposal);
        }
    }

    /// The newest version that `threshold` guardians are ready for, if it is above `current`.
    pub fn upgrade(&self, threshold: usize, current: u32) -> Option<u32> {
        let mut signals: Vec<u32> = self.signals.values().copied().collect();
        signals.sort_unstable_by(|a, b| b.cmp(a));
        signals.get(threshold.checked_sub(1)?).copied().filter(|version| *version > current)
    }

    /// Counts a vote. One for another session came too late, or from a guardian that lies, and counts for nothing.
    pub fn vote(&mut self, guardian: GuardianId, session: u64) {
        if session == self.index {
            self.votes.insert(guardian);
        }
    }

    /// Whether an item of so many bytes still fits below the protocol's limits.
    pub fn has_room(&self, bytes: usize) -> bool {
        // The last place is for an upgrade.
        self.items + 1 < MAX_SESSION_ITEMS as u64
            && self.bytes + bytes as u64 <= (MAX_SESSION_BYTES - ENVELOPE_BYTES) as u64
    }

    /// Counts an item.
    pub fn add(&mut self, bytes: usize) {
        self.items += 1;
        self.bytes += bytes as u64;
    }

    /// Whether the session ends with the batch of `epoch`, which has been counted. It is made by version `rules`.
    pub fn closes(&self, epoch: u64, quorum: Quorum, settings: &Settings, rules: u32) -> bool {
        self.items >= settings.session_items as u64
            || self.bytes >= settings.session_bytes as u64
            || self.votes.len() > quorum.max_faulty
            || self.upgrade(quorum.least(), rules).is_some()
            || epoch + 1 - self.first_epoch >= settings.session_epochs
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::settings::FIRST_RULES;

    fn closes(change: impl Fn(&mut OpenSession), epoch: u64) -> bool {
        let mut session = OpenSession::new(5, 100);
        change(&mut session);
        session.closes(epoch, Quorum { guardians: 4, max_faulty: 1 }, &Settings::default(), FIRST_RULES)
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
    fn closes_when_enough_guardians_are_ready_for_newer_rules() {
        let current = FIRST_RULES;
        let signal = |versions: [u32; 4]| {
            move |session: &mut OpenSession| {
                (0..)
                    .zip(versions)
                    .for_each(|(guardian, version)| session.signal(guardian, current + version));
            }
        };
        assert!(!closes(signal([1, 1, 0, 0]), 100));
        assert!(!closes(signal([0; 4]), 100));
        assert!(closes(signal([1, 0, 2, 3]), 100));
        let mut session = OpenSession::new(0, 0);
        signal([2, 1, 2, 3])(&mut session);
        assert_eq!(session.upgrade(3, current), Some(current + 2));
        session.signal(0, current);
        assert_eq!(session.upgrade(3, current), Some(current + 2), "nobody takes back a signal");
    }

    #[test]
    fn never_grows_beyond_what_a_wallet_decodes() {
        let mut session = OpenSession::new(0, 0);
        assert!(session.has_room(100_000));
        session.bytes = (MAX_SESSION_BYTES - 100_000) as u64;
        assert!(!session.has_room(100_000));
        session.bytes = 0;
        session.items = MAX_SESSION_ITEMS as u64 - 1;
        assert!(!session.has_room(1), "an upgrade may follow");
    }
}
