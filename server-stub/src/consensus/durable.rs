//! A [`Consensus`] that survives restarts.

use std::collections::{BTreeMap, HashSet};

use bytes::Bytes;

use super::{Admission, Consensus, Effects, Fault, FaultKind, GuardianId, Record, WriteAheadLog};

/// Most messages of one guardian for one epoch for each guardian of the federation. The protocol needs about 10
/// and 6 more for each round of binary agreement, of which more than a dozen are as good as impossible.
const MAX_MESSAGES_PER_PROPOSER: usize = 500;

/// Writes every input to the log before the engine sees it, and drops what it has seen before.
pub struct Durable<C, L> {
    consensus: C,
    log: L,
    guardians: u16,
    /// What was received for the epochs that are not released.
    seen: BTreeMap<u64, Seen>,
}

/// The messages received for one epoch.
#[derive(Default)]
struct Seen {
    hashes: HashSet<blake3::Hash>,
    counts: BTreeMap<GuardianId, usize>,
}

impl<C: Consensus, L: WriteAheadLog> Durable<C, L> {
    /// Replays the log into a fresh engine, which must begin with the first epoch that was not released.
    ///
    /// The effects are those of the whole log: batches that were applied before come again, and so do messages.
    ///
    /// # Errors
    /// If the log can't be read.
    pub fn open(consensus: C, guardians: u16, log: L) -> Result<(Self, Effects), L::Error> {
        let records = log.load()?;
        let mut durable = Self { consensus, log, guardians, seen: BTreeMap::new() };
        let first = durable.consensus.epoch();
        let mut effects = Effects::default();
        for record in records.into_iter().filter(|record| record.epoch() >= first) {
            if let Record::Message { epoch, from, bytes } = &record {
                durable.remember(*epoch, *from, bytes);
            }
            effects.extend(durable.handle(record));
        }
        Ok((durable, effects))
    }

    /// The engine.
    pub fn consensus(&self) -> &C {
        &self.consensus
    }

    /// The log.
    pub fn log(&self) -> &L {
        &self.log
    }

    /// The log, to release what is not needed any more.
    pub fn log_mut(&mut self) -> &mut L {
        &mut self.log
    }

    /// Logs and proposes `contribution` for the current epoch, once an epoch.
    ///
    /// # Errors
    /// If the log can't be written; then nothing was proposed.
    pub fn propose(&mut self, contribution: Vec<u8>, seed: [u8; 32]) -> Result<Effects, L::Error> {
        if self.consensus.has_proposed() {
            return Ok(Effects::default());
        }
        let record = Record::Proposal { epoch: self.consensus.epoch(), seed, contribution };
        self.log.append(std::slice::from_ref(&record))?;
        Ok(self.handle(record))
    }

    /// Logs and handles messages of several peers, each one's in the order in which they arrived. One durable write
    /// covers the whole group. Messages of epochs too far ahead are dropped: correct peers do not send any.
    ///
    /// # Errors
    /// If the log can't be written; then none was handled.
    pub fn deliver(&mut self, group: &[(GuardianId, Vec<Bytes>)]) -> Result<Effects, L::Error> {
        let mut records = Vec::new();
        let mut effects = Effects::default();
        for (from, messages) in group {
            for message in messages {
                match self.admit(*from, message) {
                    Ok(record) => records.extend(record),
                    Err(kind) => {
                        effects.faults.push(Fault { culprit: *from, kind, evidence: message.clone() });
                    }
                }
            }
        }
        if !records.is_empty() {
            self.log.append(&records)?;
        }
        for record in records {
            effects.extend(self.handle(record));
        }
        Ok(effects)
    }

    /// The record to log for a message, if it is news.
    fn admit(&mut self, from: GuardianId, message: &[u8]) -> Result<Option<Record>, FaultKind> {
        match self.consensus.admit(from, message) {
            Admission::Now { epoch } => match self.remember(epoch, from, message) {
                Memory::New => Ok(Some(Record::Message { epoch, from, bytes: message.to_vec() })),
                Memory::Known => Ok(None),
                Memory::Full => Err(FaultKind::Flood),
            },
            Admission::Stale | Admission::Later => Ok(None),
            Admission::Refuse(kind) => Err(kind),
        }
    }

    /// Forgets the epochs before `epoch`; the caller has released them from the log.
    pub fn release(&mut self, epoch: u64) {
        self.consensus.release(epoch);
        self.seen = self.seen.split_off(&epoch);
    }

    /// Gives up all epochs before `epoch`; the caller has released them from the log.
    pub fn skip_to(&mut self, epoch: u64) -> Effects {
        let effects = self.consensus.skip_to(epoch);
        self.release(epoch);
        effects
    }

    fn handle(&mut self, record: Record) -> Effects {
        match record {
            Record::Proposal { seed, contribution, .. } => self.consensus.propose(contribution, seed),
            Record::Message { from, bytes, .. } => self.consensus.on_message(from, &bytes),
        }
    }

    fn remember(&mut self, epoch: u64, from: GuardianId, message: &[u8]) -> Memory {
        let seen = self.seen.entry(epoch).or_default();
        let count = seen.counts.entry(from).or_default();
        if *count >= MAX_MESSAGES_PER_PROPOSER * usize::from(self.guardians) {
            return Memory::Full;
        }
        let hash = blake3::Hasher::new().update(&from.to_le_bytes()).update(message).finalize();
        if !seen.hashes.insert(hash) {
            return Memory::Known;
        }
        *count += 1;
        Memory::New
    }
}

/// Whether a message was received before.
enum Memory {
    New,
    Known,
    Full,
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;
    use crate::consensus::{Badger, ConsensusKeys, MemoryLog};

    #[test]
    fn what_does_not_decode_is_its_own_evidence() {
        let keys = ConsensusKeys::deal(4, &mut StdRng::seed_from_u64(1));
        let badger = Badger::new(0, 4, &keys[0], 1, 0).unwrap();
        let (mut durable, _) = Durable::open(badger, 4, MemoryLog::default()).unwrap();
        // Refused before it is logged: too short; after: an epoch and a proposer as they should be, and garbage.
        let early = Bytes::from_static(b"short");
        let late = Bytes::from([&[0; 16][..], &[0xff; 40]].concat());
        for evidence in [early, late] {
            let effects = durable.deliver(&[(2, vec![evidence.clone()])]).unwrap();
            let [fault] = effects.faults.as_slice() else { panic!("{:?}", effects.faults) };
            assert!(fault.kind.is_garbage(), "{:?}", fault.kind);
            assert_eq!((fault.culprit, &fault.evidence), (2, &evidence));
        }
    }
}
