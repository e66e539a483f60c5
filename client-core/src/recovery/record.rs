//! The lifecycle of a recovery, as the store keeps it.

use rekindle_protocol::{
    bytes::FederationId,
    chain::ChainPosition,
    encoding::DecodeError,
    encoding::{Decode, Encode},
};

use crate::modules::versioned;

/// How far a recovery is.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Phase {
    /// Sessions are being read.
    Running,
    /// All sessions are read and the modules are live; notes' signatures are being fetched.
    Finalizing,
    /// The wallet is whole, but for modules that were set aside.
    Done,
    /// Its owner gave it up.
    Cancelled,
}

/// A module that was set aside, because it failed or kept the others waiting. It recovers by itself.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Aside {
    /// The module's name.
    pub module: String,
    /// The position of its own snapshot.
    pub position: ChainPosition,
    /// What stopped it last, for people.
    pub reason: String,
    /// How often it has failed since it last came further.
    pub failures: u32,
    /// Not tried again before this time, milliseconds since 1970.
    pub next_attempt: u64,
}

/// What is stored with every snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct RecoveryRecord {
    /// The federation whose history is read.
    pub federation: FederationId,
    /// How far it is.
    pub phase: Phase,
    /// Whether the wallet was whole before, so that it still is when this recovery is given up.
    pub was_whole: bool,
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
    /// The modules that recover by themselves.
    pub aside: Vec<Aside>,
    /// How many sessions a backup at the guardians spared it, if it began with one.
    pub restored: Option<u64>,
}

const VERSION: u8 = 4;

/// How long a module rests after its first failure, in milliseconds; each further one takes twice as long.
const FIRST_REST_MS: u64 = 1_000;
/// A module fails for reasons that lie in the program, rarely in the weather: an update may help, an hour later.
const LONGEST_REST_MS: u64 = 3_600_000;

impl RecoveryRecord {
    /// A recovery that begins.
    pub fn new(federation: FederationId) -> Self {
        Self {
            federation,
            phase: Phase::Running,
            was_whole: false,
            paused: false,
            position: ChainPosition::GENESIS,
            bytes: 0,
            total: 0,
            snapshots: 0,
            verifications: 0,
            dropped: None,
            aside: Vec::new(),
            restored: None,
        }
    }

    /// A recovery that begins again because its stored progress was of no use.
    pub fn from_scratch(federation: FederationId, reason: String) -> Self {
        Self { dropped: Some(reason), ..Self::new(federation) }
    }

    /// The record of a wallet that has always been whole.
    pub fn whole(federation: FederationId) -> Self {
        Self { phase: Phase::Done, ..Self::new(federation) }
    }

    /// Its encoding.
    pub fn write(&self) -> Vec<u8> {
        versioned::write(VERSION, self)
    }

    /// Reads what [`RecoveryRecord::write`] wrote. Anything else, and the progress of another federation, is a recovery
    /// that begins from scratch.
    pub fn read(federation: FederationId, bytes: &[u8]) -> Self {
        // Version 3 knew no backups.
        let upgraded = bytes.split_first().filter(|(version, _)| **version == 3);
        let upgraded = upgraded.map(|(_, before)| [&[VERSION], before, &[0]].concat());
        let bytes = upgraded.as_deref().unwrap_or(bytes);
        let read: Result<Self, DecodeError> = versioned::read(VERSION, bytes);
        match read {
            Ok(record) if record.federation == federation => record,
            Ok(_) => Self::from_scratch(federation, "it is the progress of another federation".into()),
            Err(error) => Self::from_scratch(federation, error.to_string()),
        }
    }

    /// Whether there is nothing left to do, but for modules that were set aside.
    pub fn is_done(&self) -> bool {
        self.phase == Phase::Done
    }

    /// Whether the modules are live, but for those that were set aside.
    pub fn is_live(&self) -> bool {
        matches!(self.phase, Phase::Finalizing | Phase::Done)
    }

    /// The entry of a module that was set aside.
    pub fn aside(&self, module: &str) -> Option<&Aside> {
        self.aside.iter().find(|aside| aside.module == module)
    }

    /// Sets a module aside, for the first time or again: it rests for ever longer, until it comes further.
    pub fn set_aside(&mut self, module: &str, position: ChainPosition, reason: String, now: u64) {
        let known = self.aside(module).filter(|known| known.position == position);
        let failures = known.map_or(0, |known| known.failures);
        let next_attempt = now.saturating_add((FIRST_REST_MS << failures.min(31)).min(LONGEST_REST_MS));
        let failures = failures.saturating_add(1);
        self.aside.retain(|known| known.module != module);
        self.aside.push(Aside { module: module.into(), position, reason, failures, next_attempt });
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
            (newer, "newer version"),
            (vec![], "nothing"),
            (vec![VERSION, 2, 3], ""),
            (elsewhere, "another federation"),
        ] {
            let read = RecoveryRecord::read(HERE, &bytes);
            assert!(read.dropped.as_ref().is_some_and(|reason| reason.contains(why)), "{read:?}");
            assert_eq!(RecoveryRecord { dropped: None, ..read }, RecoveryRecord::new(HERE));
        }
    }

    #[test]
    fn a_record_of_the_version_before_is_read() {
        let record = RecoveryRecord { phase: Phase::Done, ..RecoveryRecord::new(HERE) };
        let mut before = record.write();
        before[0] = 3;
        before.pop();
        assert_eq!(RecoveryRecord::read(HERE, &before), record);
    }

    #[test]
    fn a_module_waits_longer_each_time_until_it_comes_further() {
        let mut record = RecoveryRecord::new(HERE);
        let further = ChainPosition { next: 9, ..ChainPosition::GENESIS };
        let mut pauses = Vec::new();
        for position in [ChainPosition::GENESIS, ChainPosition::GENESIS, further, further] {
            record.set_aside("mint", position, "why".into(), 7);
            assert_eq!(record.aside.len(), 1);
            pauses.push(record.aside("mint").unwrap().next_attempt - 7);
        }
        assert_eq!(pauses, [1_000, 2_000, 1_000, 2_000]);
        (0..100).for_each(|_| record.set_aside("mint", further, String::new(), 0));
        assert_eq!(record.aside("mint").unwrap().next_attempt, LONGEST_REST_MS);
        assert_eq!(record.aside("deposit"), None);
    }
}
