//! Agreement on the order of contributions: HoneyBadgerBFT behind a narrow interface.
//!
//! # How it works
//!
//! Guardians proceed in *epochs*. In each, every guardian proposes a contribution (opaque bytes here), and all
//! correct guardians output the same *batch*: the contributions of at least n - f guardians. The protocol is
//! "The Honey Badger of BFT Protocols" (Miller, Xia, Croman, Shi, Song; CCS 2016): each contribution is spread
//! by reliable broadcast with erasure coding, and one binary agreement for each guardian decides whether its
//! contribution is part of the batch. It needs no clocks: whatever the delays, it continues as soon as messages
//! arrive, and up to f of n = 3f + 1 guardians may be silent or lie. Contributions are not encrypted before
//! they are ordered: what is paid is hidden by the notes themselves, and it costs a hundredth of the CPU.
//!
//! The engine is the crate `fedimint-hbbft`. Nothing outside this folder names its types: [`Consensus`] takes
//! bytes and returns [`Effects`] and does no I/O, so that tests drive it with virtual links and clocks.
//!
//! # Restarts
//!
//! HoneyBadgerBFT assumes that a correct guardian never forgets. One that restarts with empty memory would say
//! something else than before in the same epoch, and a few such guardians stop the federation for ever. The
//! engine is deterministic, so it is enough to remember its inputs: [`Durable`] writes the own proposal and
//! every message received to a [`WriteAheadLog`] *before* it acts on them, and replays the log after a restart.
//! The same inputs give the same outputs, byte for byte. Messages to peers are made again and sent again where
//! a peer has not acknowledged them; the receiver drops what it has logged before. An acknowledgement to a peer
//! is sent only after the durable write, so what is acknowledged is never asked for again.
//!
//! # Guardians that are behind
//!
//! Every guardian signs the hash of every batch that it outputs. f+1 such signatures are a certificate
//! ([`Certificates`]): at least one correct guardian vouches for the batch, so whoever sees it may take the batch
//! for its own and skip the engine past the epoch. A certificate for epoch c says more: somebody correct finished
//! c by its own run, for which f+1 correct guardians proposed in c, each of them after it had stored the batches
//! of all epochs before. So nobody needs this guardian's messages for an epoch before c again; the log is
//! released up to c, however many peers are away. Epochs are independent of each other in the engine, so a
//! replay may begin with any epoch.
//!
//! Messages of epochs that a peer can't handle yet are not sent to it (`node::links`), and one that comes
//! nevertheless is dropped: nothing waits at the receiver.
//!
//! # Faults
//!
//! No input from a peer is an error. What a peer did wrong comes back as [`Fault`] with its id. Not
//! all faults are proof of misbehaviour ([`FaultKind::is_proof`]): a guardian that was cut off and one that restarted send
//! messages out of order and twice, and the engine reports honest peers for that.

mod admission;
mod badger;
mod certificates;
mod durable;
mod keygen;
mod keys;
mod relay;
mod wal;

#[cfg(test)]
pub(crate) mod simulation;

use rekindle_protocol::encoding::{Decode, Encode};
use std::collections::BTreeMap;

use bytes::Bytes;
use rekindle_protocol::{
    bytes::{FederationId, Hash},
    encoding::Canonical,
};

pub use admission::Admission;
pub use badger::{Badger, MAX_FUTURE_EPOCHS, MAX_MESSAGE_BYTES};
pub use certificates::{BatchSignature, Certificate, Certificates, CertifiedBatch, Settled};
pub use durable::Durable;
pub use keygen::{DealingKey, GeneratedKey, KeyGenError, KeyGeneration};
pub(crate) use keys::max_faulty;
pub use keys::{ConsensusKeys, KeyError, SecretScalar};
pub use wal::{MemoryLog, Record, WriteAheadLog};

/// Number of a guardian, from 0, in the order of the federation's config.
pub type GuardianId = u16;

/// What an input to the engine causes.
#[derive(Debug, Default)]
#[must_use = "messages must be sent and batches applied"]
pub struct Effects {
    /// Messages to send, in this order on each link.
    pub messages: Vec<Outgoing>,
    /// Batches that are now final, in the order of their epochs.
    pub batches: Vec<Batch>,
    /// What peers did wrong.
    pub faults: Vec<Fault>,
}

impl Effects {
    /// Adds what happened after.
    pub fn extend(&mut self, later: Self) {
        self.messages.extend(later.messages);
        self.batches.extend(later.batches);
        self.faults.extend(later.faults);
    }
}

/// A message to other guardians.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Who gets it; never the sender itself.
    pub to: Vec<GuardianId>,
    /// The epoch it belongs to.
    pub epoch: u64,
    /// The encoded message.
    pub bytes: Bytes,
}

/// The agreed output of an epoch, the same at every correct guardian.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Batch {
    /// Its epoch. Every epoch has exactly one batch.
    pub epoch: u64,
    /// What each guardian contributed, at least n - f of them unless one proposed bytes that do not decode.
    pub contributions: BTreeMap<GuardianId, Vec<u8>>,
}

impl Batch {
    /// What guardians sign of it.
    pub fn hash(&self, federation: &FederationId) -> Hash {
        let mut hasher = blake3::Hasher::new_derive_key("rekindle 2026-11 batch");
        hasher.update(&federation.0).update(&self.to_bytes());
        Hash(*hasher.finalize().as_bytes())
    }
}

/// Something that a guardian did wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Who did it.
    pub culprit: GuardianId,
    /// What it was.
    pub kind: FaultKind,
    /// The bytes that show it; empty where they are not at hand.
    pub evidence: Bytes,
}

impl Fault {
    /// A fault without bytes that show it.
    pub fn new(culprit: GuardianId, kind: FaultKind) -> Self {
        Self { culprit, kind, evidence: Bytes::new() }
    }
}

/// What a guardian did wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultKind {
    /// Bytes that no correct guardian sends, whatever happened to it.
    #[error("malformed message: {0}")]
    Malformed(&'static str),
    /// More messages for one epoch than the protocol can need; the rest is dropped.
    #[error("more messages for one epoch than the protocol can need")]
    Flood,
    /// A signature share that does not verify.
    #[error("a signature share that does not verify")]
    InvalidShare,
    /// A signature on another session than correct guardians closed.
    #[error("a signature on another header of session {0}")]
    OtherHeader(u64),
    /// A signature on another batch than correct guardians agreed on.
    #[error("a signature on another batch of epoch {0}")]
    OtherBatch(u64),
    /// Served history that is forged, broken or cut short.
    #[error("wrong history from session {session} on: {reason}")]
    WrongHistory {
        /// The first session asked for.
        session: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// A served batch without enough valid signatures on it, or another one than was asked for.
    #[error("a batch of epoch {0} that nobody vouches for")]
    WrongBatch(u64),
    /// Reported by the engine. Delays and restarts of honest guardians cause these too.
    #[error("engine: {0}")]
    Engine(String),
}

impl FaultKind {
    /// Whether only a faulty guardian can have caused it.
    pub fn is_proof(&self) -> bool {
        !matches!(self, Self::Engine(_) | Self::Flood)
    }

    /// Whether it shows that nothing its culprit says can be made use of.
    pub fn is_garbage(&self) -> bool {
        matches!(self, Self::Malformed(_))
    }
}

/// A guardian's part in the agreement, without I/O.
///
/// Implementations are deterministic: the same calls in the same order give the same effects.
pub trait Consensus: Send {
    /// The epoch of the next batch.
    fn epoch(&self) -> u64;

    /// Whether this guardian has proposed in the current epoch.
    fn has_proposed(&self) -> bool;

    /// Whether a peer has begun the current epoch, so that it waits for this guardian's proposal.
    fn is_awaited(&self) -> bool;

    /// Proposes `contribution` for the current epoch. `seed` is the source of all randomness in it.
    ///
    /// Does nothing if this guardian has already proposed in this epoch.
    fn propose(&mut self, contribution: Vec<u8>, seed: [u8; 32]) -> Effects;

    /// What is to be done with a message from a peer, before it is logged.
    fn admit(&self, from: GuardianId, message: &[u8]) -> Admission;

    /// Handles a message from a peer for which [`Consensus::admit`] said [`Admission::Now`].
    fn on_message(&mut self, from: GuardianId, message: &[u8]) -> Effects;

    /// Says that nobody needs this guardian in epochs before `epoch` any more, so that it stops listening for them.
    fn release(&mut self, epoch: u64);

    /// Gives up and releases all epochs before `epoch`, whose batches are known from elsewhere.
    ///
    /// Only for batches that are certified: nobody may skip an epoch that others still need it for.
    fn skip_to(&mut self, epoch: u64) -> Effects;
}
