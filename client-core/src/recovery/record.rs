//! The lifecycle of a recovery, as the store keeps it.

use borsh::{BorshDeserialize, BorshSerialize};
use rekindle_protocol::{bytes::FederationId, chain::ChainPosition, encoding::DecodeError};

use crate::modules::versioned;

/// How far a recovery is.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Phase {
    /// Sessions are being read.
    Running,
    /// All sessions are read and the modules are live; notes' signatures are being fetched.
    Finalizing,
    /// The wallet is whole.
    Done,
    /// A module stopped at an error.
    Failed {
        /// The module's name.
        module: String,
        /// What stopped it, for people.
        reason: String,
    },
}

/// What is stored with every snapshot.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct RecoveryRecord {
    /// The federation whose history is read.
    pub federation: FederationId,
    /// How far it is.
    pub phase: Phase,
    /// Whether its owner paused it.
    pub paused: bool,
    /// The last position that a signature vouched for: that of the modules' snapshots.
    pub position: ChainPosition,
    /// Bytes of history read up to there.
    pub bytes: u64,
    /// The number of sessions to read, as last known.
    pub total: u64,
    /// How many snapshots were taken.
    pub snapshots: u64,
    /// How many signatures were verified: two pairings each.
    pub verifications: u64,
    /// Why stored progress was dropped, if it was.
    pub dropped: Option<String>,
}

const VERSION: u8 = 2;

impl RecoveryRecord {
    /// A recovery that begins.
    pub fn new(federation: FederationId) -> Self {
        Self {
            federation,
            phase: Phase::Running,
            paused: false,
            position: ChainPosition::GENESIS,
            bytes: 0,
            total: 0,
            snapshots: 0,
            verifications: 0,
            dropped: None,
        }
    }

    /// A recovery that begins again because its stored progress was of no use.
    pub fn from_scratch(federation: FederationId, reason: String) -> Self {
        Self { dropped: Some(reason), ..Self::new(federation) }
    }

    /// Its encoding.
    pub fn write(&self) -> Vec<u8> {
        versioned::write(VERSION, self)
    }

    /// Reads what [`RecoveryRecord::write`] wrote. Anything else, and the progress of another federation, is a recovery
    /// that begins from scratch.
    pub fn read(federation: FederationId, bytes: &[u8]) -> Self {
        let read: Result<Self, DecodeError> = versioned::read(VERSION, bytes);
        match read {
            Ok(record) if record.federation == federation => record,
            Ok(_) => Self::from_scratch(federation, "it is the progress of another federation".into()),
            Err(error) => Self::from_scratch(federation, error.to_string()),
        }
    }

    /// Whether there is nothing left to do.
    pub fn is_done(&self) -> bool {
        self.phase == Phase::Done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: FederationId = FederationId([1; 32]);

    #[test]
    fn what_cannot_be_used_begins_again_and_says_why() {
        let record = RecoveryRecord { bytes: 7, phase: Phase::Finalizing, ..RecoveryRecord::new(HERE) };
        assert_eq!(RecoveryRecord::read(HERE, &record.write()), record);
        let mut newer = record.write();
        newer[0] += 1;
        let elsewhere = RecoveryRecord::new(FederationId([2; 32])).write();
        for (bytes, why) in [
            (newer, "version 3"),
            (vec![], "nothing"),
            (vec![2, 2, 3], ""),
            (elsewhere, "another federation"),
        ] {
            let read = RecoveryRecord::read(HERE, &bytes);
            assert!(read.dropped.as_ref().is_some_and(|reason| reason.contains(why)), "{read:?}");
            assert_eq!(RecoveryRecord { dropped: None, ..read }, RecoveryRecord::new(HERE));
        }
    }
}
