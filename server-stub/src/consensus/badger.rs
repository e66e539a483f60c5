//! [`Consensus`] over the engine of `fedimint-hbbft`.

use std::{collections::BTreeSet, sync::Arc};

use bincode::Options;
use bytes::Bytes;
use fedimint_hbbft::{
    ConsensusProtocol, Target,
    honey_badger::{EncryptionSchedule, HoneyBadger, Message, Step},
};
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::{
    Admission, Batch, Consensus, ConsensusKeys, Effects, Fault, FaultKind, GuardianId, KeyError, Outgoing,
    admission::Prefix, max_faulty, relay::Relay,
};
use crate::cpu::ENGINE;

/// How many epochs ahead of its own a guardian handles messages.
pub const MAX_FUTURE_EPOCHS: u64 = 3;

/// Most bytes of one engine message.
pub const MAX_MESSAGE_BYTES: usize = 1 << 20;

/// HoneyBadgerBFT without encryption.
pub struct Badger {
    engine: HoneyBadger<Vec<u8>, GuardianId>,
    own: GuardianId,
    guardians: u16,
    /// Epochs from the current one that a peer has begun.
    begun: BTreeSet<u64>,
    /// The first epoch in which somebody may need this guardian's voice.
    released: u64,
    relay: Relay,
}

impl Badger {
    /// The engine of guardian `own` of `guardians`, before any input, with `epoch` as the epoch of its first batch.
    ///
    /// `federation` sets federations apart that were dealt the same keys, so that no coin share of one means
    /// anything in the other.
    ///
    /// # Errors
    /// [`KeyError`] for keys that are not this guardian's.
    pub fn new(
        own: GuardianId,
        guardians: u16,
        keys: &ConsensusKeys,
        federation: u64,
        epoch: u64,
    ) -> Result<Self, KeyError> {
        let engine = HoneyBadger::builder(Arc::new(keys.network_info(own, guardians)?))
            .session_id(federation)
            .epoch(epoch)
            .max_future_epochs(MAX_FUTURE_EPOCHS)
            .encryption_schedule(EncryptionSchedule::Never)
            .build();
        let relay = Relay::new(max_faulty(guardians));
        Ok(Self { engine, own, guardians, begun: BTreeSet::new(), released: epoch, relay })
    }

    fn recipients(&self, target: &Target<GuardianId>) -> Vec<GuardianId> {
        (0..self.guardians).filter(|id| *id != self.own && target.contains(id)).collect()
    }

    /// Turns the engine's step into effects; an error of the engine is the fault of whoever gave the input.
    fn effects(
        &mut self,
        culprit: GuardianId,
        step: Result<Step<Vec<u8>, GuardianId>, fedimint_hbbft::honey_badger::Error>,
    ) -> Effects {
        let mut effects = Effects::default();
        let step = match step {
            Ok(step) => step,
            Err(error) => {
                effects.faults.push(Fault::new(culprit, FaultKind::Engine(error.to_string())));
                return effects;
            }
        };
        for message in step.messages {
            let to = self.recipients(&message.target);
            // Serialising the engine's own message to memory cannot fail.
            let encode = || ENGINE.measure(|| codec().serialize(&message.message));
            if let (false, Ok(bytes)) = (to.is_empty(), encode()) {
                self.relay.on_sent(&bytes);
                effects.messages.push(Outgoing {
                    to,
                    epoch: message.message.epoch(),
                    bytes: Bytes::from(bytes),
                });
            }
        }
        for batch in step.output {
            effects.batches.push(Batch { epoch: batch.epoch, contributions: batch.contributions });
        }
        for fault in step.fault_log.0 {
            effects.faults.push(Fault::new(fault.node_id, FaultKind::Engine(fault.kind.to_string())));
        }
        self.forget_old_epochs();
        effects
    }

    fn forget_old_epochs(&mut self) {
        self.begun = self.begun.split_off(&self.engine.next_epoch());
    }
}

/// The engine's messages in bincode 1: fixed-size little-endian integers, the form that
/// [`Prefix`](super::admission::Prefix) reads.
fn codec() -> impl Options {
    bincode::DefaultOptions::new()
        .with_fixint_encoding()
        .with_limit(MAX_MESSAGE_BYTES as u64)
        .reject_trailing_bytes()
}

impl Consensus for Badger {
    fn epoch(&self) -> u64 {
        self.engine.next_epoch()
    }

    fn has_proposed(&self) -> bool {
        self.engine.has_input()
    }

    fn is_awaited(&self) -> bool {
        !self.engine.has_input() && self.begun.contains(&self.epoch())
    }

    fn propose(&mut self, contribution: Vec<u8>, seed: [u8; 32]) -> Effects {
        if self.engine.has_input() {
            return Effects::default();
        }
        let mut rng = StdRng::from_seed(seed);
        let step = ENGINE.measure(|| self.engine.handle_input(contribution, &mut rng));
        self.effects(self.own, step)
    }

    fn admit(&self, from: GuardianId, message: &[u8]) -> Admission {
        if message.len() > MAX_MESSAGE_BYTES {
            return Admission::Refuse(FaultKind::Malformed("too long"));
        }
        if from >= self.guardians || from == self.own {
            return Admission::Refuse(FaultKind::Malformed("not from a peer"));
        }
        let prefix = match Prefix::read(message) {
            Ok(prefix) => prefix,
            Err(kind) => return Admission::Refuse(kind),
        };
        if prefix.proposer >= self.guardians {
            return Admission::Refuse(FaultKind::Malformed("about a guardian that does not exist"));
        }
        match prefix.epoch.checked_sub(self.epoch()) {
            None if prefix.epoch >= self.released && self.relay.awaits(message) => {
                Admission::Now { epoch: prefix.epoch }
            }
            None => Admission::Stale,
            Some(0..=MAX_FUTURE_EPOCHS) => Admission::Now { epoch: prefix.epoch },
            Some(_) => Admission::Later,
        }
    }

    fn on_message(&mut self, from: GuardianId, message: &[u8]) -> Effects {
        let refuse = |kind| {
            let evidence = Bytes::copy_from_slice(message);
            Effects { faults: vec![Fault { culprit: from, kind, evidence }], ..Effects::default() }
        };
        let epoch = match self.admit(from, message) {
            Admission::Now { epoch } => epoch,
            Admission::Later | Admission::Stale => return Effects::default(),
            Admission::Refuse(kind) => return refuse(kind),
        };
        let step = ENGINE.measure(|| {
            let message = codec().deserialize::<Message<GuardianId>>(message).ok()?;
            Some(self.engine.handle_message(&from, message))
        });
        match step {
            Some(step) => {
                self.begun.insert(epoch);
                let mut effects = self.effects(from, step);
                if self.relay.on_received(from, message) {
                    let to = (0..self.guardians).filter(|id| *id != self.own).collect();
                    effects.messages.push(Outgoing { to, epoch, bytes: Bytes::copy_from_slice(message) });
                }
                effects
            }
            None => refuse(FaultKind::Malformed("does not decode")),
        }
    }

    fn release(&mut self, epoch: u64) {
        self.released = self.released.max(epoch);
        self.relay.forget_before(self.released);
    }

    fn skip_to(&mut self, epoch: u64) -> Effects {
        self.engine.skip_to_epoch(epoch);
        self.forget_old_epochs();
        self.release(epoch);
        // Messages may have completed the new epoch already. The engine looks when it gets its next input, which
        // comes: a peer has begun the epoch, so this guardian proposes in it.
        Effects::default()
    }
}
