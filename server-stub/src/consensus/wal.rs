//! The write-ahead log: the engine's inputs, in the order in which it got them.

use super::GuardianId;
use rekindle_protocol::encoding::{Decode, Encode};

/// One input of the engine.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Record {
    /// This guardian's own proposal.
    Proposal {
        /// The epoch it is for.
        epoch: u64,
        /// Source of the randomness used for it.
        seed: [u8; 32],
        /// The proposed bytes.
        contribution: Vec<u8>,
    },
    /// A message from a peer.
    Message {
        /// The epoch it is for.
        epoch: u64,
        /// Who sent it.
        from: GuardianId,
        /// The encoded message.
        bytes: Vec<u8>,
    },
}

impl Record {
    /// The epoch that this input is for.
    pub fn epoch(&self) -> u64 {
        match self {
            Self::Proposal { epoch, .. } | Self::Message { epoch, .. } => *epoch,
        }
    }
}

/// Durable memory for the engine's inputs.
pub trait WriteAheadLog: Send {
    /// What can go wrong in writing and reading.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Appends records. When it returns they survive a crash, all of them.
    ///
    /// # Errors
    /// After an error nothing may be assumed about the log: the guardian must stop.
    fn append(&mut self, records: &[Record]) -> Result<(), Self::Error>;

    /// All records of epochs that were not released, in the order in which they were appended.
    ///
    /// # Errors
    /// If the log can't be read.
    fn load(&self) -> Result<Vec<Record>, Self::Error>;
}

/// A log in memory that outlives the guardian it belongs to: clones share it. For simulations.
#[derive(Clone, Debug, Default)]
pub struct MemoryLog(std::sync::Arc<std::sync::Mutex<Vec<Record>>>);

impl MemoryLog {
    /// Forgets all records of epochs before `epoch`.
    pub fn release(&self, epoch: u64) {
        self.lock().retain(|record| record.epoch() >= epoch);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Record>> {
        // No holder of the lock panics; were one to, the records are still whole.
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl WriteAheadLog for MemoryLog {
    type Error = std::convert::Infallible;

    fn append(&mut self, records: &[Record]) -> Result<(), Self::Error> {
        self.lock().extend_from_slice(records);
        Ok(())
    }

    fn load(&self) -> Result<Vec<Record>, Self::Error> {
        Ok(self.lock().clone())
    }
}
