//! What a node knows between batches.

use redb::{ReadTransaction, WriteTransaction};
use rekindle_protocol::{
    encoding::{Canonical, Decode, Encode},
    session::SessionHeader,
};

use super::{session::OpenSession, settings::FIRST_RULES};
use crate::db::{DbError, read_state, write_state};

/// Everything that the next batch depends on besides the ledger. Written with every batch.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(super) struct NodeState {
    /// The epoch of the next batch to apply.
    pub next_epoch: u64,
    /// The first epoch whose messages a peer may still need.
    pub log_floor: u64,
    /// For each guardian the latest time that it contributed to the open session, milliseconds since 1970; 0 before
    /// the first. Nothing of it outlasts the session, so that whoever takes a signed session from others goes on
    /// from the same state.
    pub latest_times: Vec<u64>,
    /// The session that takes up items.
    pub open: OpenSession,
    /// The header of the session before it.
    pub previous: Option<SessionHeader>,
    /// The federation's last decision to upgrade.
    pub upgrade: Option<Upgrade>,
    /// The version that this guardian's operator has signalled.
    pub signal: Option<u32>,
}

/// The federation's decision to go on with other rules after a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub(super) struct Upgrade {
    /// The version of the rules to go on with.
    pub version: u32,
    /// The last session under the rules before.
    pub session: u64,
}

impl NodeState {
    /// Before the first batch.
    pub fn genesis(guardians: u16) -> Self {
        Self {
            next_epoch: 0,
            log_floor: 0,
            latest_times: vec![0; usize::from(guardians)],
            open: OpenSession::new(0, 0),
            previous: None,
            upgrade: None,
            signal: None,
        }
    }

    /// The version of the rules by which the open session is made.
    pub fn rules(&self) -> u32 {
        self.upgrade.map_or(FIRST_RULES, |upgrade| upgrade.version)
    }

    /// The decision after which software that follows the rules up to version `newest` can't go on.
    pub fn outgrown(&self, newest: u32) -> Option<Upgrade> {
        self.upgrade.filter(|upgrade| upgrade.version > newest)
    }

    /// Opens the session after the one with `last` as its header, which decided to go on with version `upgrade` of the
    /// rules if it decided anything.
    pub fn follow(&mut self, last: SessionHeader, upgrade: Option<u32>) {
        self.next_epoch = last.last_epoch.saturating_add(1);
        self.open = OpenSession::new(last.index + 1, self.next_epoch);
        self.previous = Some(last);
        self.latest_times.fill(0);
        if let Some(version) = upgrade {
            self.upgrade = Some(Upgrade { version, session: last.index });
        }
    }

    /// The stored state, if a batch was applied before.
    pub fn load(txn: &ReadTransaction) -> Result<Option<Self>, DbError> {
        let decode = |bytes: Vec<u8>| Self::from_bytes(&bytes).map_err(|_| DbError::Damaged("node state"));
        read_state(txn)?.map(decode).transpose()
    }

    /// Stores it.
    pub fn store(&self, txn: &WriteTransaction) -> Result<(), DbError> {
        write_state(txn, &self.to_bytes())
    }

    /// The time of a session that closes now: the median of what the guardians contributed last, never before the
    /// session before it. With at most f liars among the at least 2f+1 guardians of whom each batch has a
    /// contribution it lies between honest clocks.
    pub fn session_time(&self) -> u64 {
        let mut heard: Vec<u64> = self.latest_times.iter().copied().filter(|time| *time > 0).collect();
        heard.sort_unstable();
        let median = heard.get(heard.len().saturating_sub(1) / 2).copied().unwrap_or(0);
        median.max(self.previous.map_or(0, |header| header.time))
    }
}

/// Makes a guardian that never ran go on after a signed session that it was given.
pub(crate) fn resume_after(
    txn: &WriteTransaction,
    guardians: u16,
    last: &SessionHeader,
) -> Result<(), DbError> {
    let next_epoch = last.last_epoch + 1;
    NodeState {
        next_epoch,
        log_floor: next_epoch,
        open: OpenSession::new(last.index + 1, next_epoch),
        previous: Some(*last),
        ..NodeState::genesis(guardians)
    }
    .store(txn)
}

#[cfg(test)]
mod tests {
    use rekindle_protocol::{bytes::FederationId, session::HashedItems};

    use super::*;

    #[test]
    fn one_liar_does_not_move_the_time_beyond_honest_clocks() {
        let mut state = NodeState::genesis(4);
        assert_eq!(state.session_time(), 0);
        for (times, expected) in [
            ([100, 110, 120, u64::MAX], 110),
            ([1, 100, 110, 120], 100),
            ([0, 100, 110, u64::MAX], 110),
            ([0, 1, 100, 110], 100),
        ] {
            state.latest_times = times.to_vec();
            assert_eq!(state.session_time(), expected);
        }
        let header = HashedItems::new(vec![]).header(&FederationId([0; 32]), None, 0, 105);
        state.previous = Some(header);
        assert_eq!(state.session_time(), 105, "time never runs backwards");
    }
}
