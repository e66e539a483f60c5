//! The lifecycle of a recovery, as the store keeps it.

use borsh::{BorshDeserialize, BorshSerialize};
use rekindle_protocol::{chain::ChainPosition, encoding::DecodeError};

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

impl Default for RecoveryRecord {
    fn default() -> Self {
        Self {
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
}

const VERSION: u8 = 1;

impl RecoveryRecord {
    /// A recovery that begins again because its stored progress was of no use.
    pub fn from_scratch(reason: String) -> Self {
        Self { dropped: Some(reason), ..Self::default() }
    }

    /// Its encoding.
    pub fn write(&self) -> Vec<u8> {
        versioned::write(VERSION, self)
    }

    /// Reads what [`RecoveryRecord::write`] wrote. Anything else is a recovery that begins from scratch.
    pub fn read(bytes: &[u8]) -> Self {
        let read: Result<Self, DecodeError> = versioned::read(VERSION, bytes);
        read.unwrap_or_else(|error| Self::from_scratch(error.to_string()))
    }

    /// Whether there is nothing left to do.
    pub fn is_done(&self) -> bool {
        self.phase == Phase::Done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_begins_again_and_says_why() {
        let record = RecoveryRecord { bytes: 7, phase: Phase::Finalizing, ..RecoveryRecord::default() };
        assert_eq!(RecoveryRecord::read(&record.write()), record);
        let mut newer = record.write();
        newer[0] += 1;
        for bytes in [newer, vec![], vec![1, 2, 3]] {
            let read = RecoveryRecord::read(&bytes);
            assert!(read.dropped.is_some());
            assert_eq!(RecoveryRecord { dropped: None, ..read }, RecoveryRecord::default());
        }
    }
}
