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
            // A replay knows from the beginning what came late the first time, so it may be done with an epoch before it
            // comes to the proposal. In the next epoch this would be a second proposal beside the one that peers know.
            Record::Proposal { epoch, .. } if epoch != self.consensus.epoch() => Effects::default(),
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
    use crate::consensus::{Badger, ConsensusKeys, MemoryLog, Outgoing};

    type Guardian = Durable<Badger, MemoryLog>;

    fn open(keys: &[ConsensusKeys], id: GuardianId, epoch: u64, log: MemoryLog) -> (Guardian, Effects) {
        let badger = Badger::new(id, 4, &keys[usize::from(id)], 1, epoch).unwrap();
        Durable::open(badger, 4, log).unwrap()
    }

    /// Has some guardians propose and agree on an epoch; what they say to `absent` is kept from it.
    fn agree(guardians: &mut [(GuardianId, Guardian)], absent: GuardianId) -> Vec<(GuardianId, Bytes)> {
        let mut kept = Vec::new();
        let mut queue = std::collections::VecDeque::new();
        for (id, guardian) in &mut *guardians {
            let effects = guardian.propose(vec![1], [7; 32]).unwrap();
            queue.extend(effects.messages.into_iter().map(|message| (*id, message)));
        }
        while let Some((from, Outgoing { to, bytes, .. })) = queue.pop_front() {
            for to in to {
                if to == absent {
                    kept.push((from, bytes.clone()));
                    continue;
                }
                let (id, guardian) = &mut guardians[usize::from(to)];
                let effects = guardian.deliver(&[(from, vec![bytes.clone()])]).unwrap();
                queue.extend(effects.messages.into_iter().map(|message| (*id, message)));
            }
        }
        kept
    }

    #[test]
    fn a_proposal_is_replayed_in_its_own_epoch_only() {
        let keys = ConsensusKeys::deal(4, &mut StdRng::seed_from_u64(1));
        let mut others: Vec<_> = (0..3).map(|id| (id, open(&keys, id, 0, MemoryLog::default()).0)).collect();
        agree(&mut others, 3);
        let messages = agree(&mut others, 3);
        // The messages of epoch 1 arrive in epoch 0, which is skipped: epoch 1 is complete, but the engine sees that
        // only with the next input, and that is this guardian's proposal.
        let log = MemoryLog::default();
        let (mut guardian, _) = open(&keys, 3, 0, log.clone());
        for (from, message) in messages {
            assert!(guardian.deliver(&[(from, vec![message])]).unwrap().batches.is_empty());
        }
        let _ = guardian.skip_to(1);
        assert_eq!(guardian.propose(vec![11], [1; 32]).unwrap().batches.len(), 1);
        let said = guardian.propose(vec![22], [2; 32]).unwrap();
        drop(guardian);
        log.release(1);
        // Now the epoch is complete before the proposal comes.
        let (guardian, effects) = open(&keys, 3, 1, log);
        assert_eq!(guardian.consensus().epoch(), 2);
        let again: Vec<_> = effects.messages.into_iter().filter(|message| message.epoch == 2).collect();
        assert_eq!(again, said.messages, "it says the same in epoch 2 as before");
    }

    #[test]
    fn what_does_not_decode_is_its_own_evidence() {
        let keys = ConsensusKeys::deal(4, &mut StdRng::seed_from_u64(1));
        let (mut durable, _) = open(&keys, 0, 0, MemoryLog::default());
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
