//! What a backup holds.

use rekindle_protocol::{
    backup::Backup,
    bytes::Hash,
    chain::ChainPosition,
    encoding::{Canonical, Decode, DecodeError, Encode},
    hash::Context,
    invite::InviteCode,
};
use thiserror::Error;

use crate::{
    context::WalletContext,
    modules::versioned,
    platform::Batch,
    recovery::{KINDS, RUNNING_PREFIX, Scanner},
};

/// What a wallet has found in the history before a position, and the federations that its seed is used in.
///
/// It has no `Debug`: notes are money.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct Snapshot {
    /// The place in history.
    pub position: ChainPosition,
    /// Federations that the seed is used in.
    pub federations: Vec<InviteCode>,
    /// The modules' states at that place in the order of [`KINDS`], each in its module's own versioned form.
    states: [Vec<u8>; KINDS.len()],
}

const VERSION: u8 = 1;

/// Why a backup is of no use.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SnapshotError {
    /// Damaged, or not sealed by this seed for this federation.
    #[error("it does not open")]
    Sealed,
    /// Sealed by this seed, and of a newer version.
    #[error(transparent)]
    Undecodable(#[from] DecodeError),
    /// Nobody has a signed session like the one that it claims to stand on.
    #[error("it does not stand on signed history")]
    Unsigned,
}

impl Snapshot {
    /// What `scanner` has found. `None` while a module is aside or transactions are applied ahead of their signed
    /// session: then the states are not those at the position.
    pub fn of(scanner: &Scanner, federations: Vec<InviteCode>) -> Option<Self> {
        let states = scanner.modules.each().map(|module| module.snapshot());
        let is_whole = scanner.aside.is_empty() && scanner.ahead.is_empty();
        is_whole.then_some(Self { position: scanner.position, federations, states })
    }

    /// Seals it for its guardians; `salt` must be fresh randomness. `None` if it is too large.
    pub fn seal(&self, context: &WalletContext, salt: [u8; 16]) -> Option<Backup> {
        let (federation, version) = (&context.federation, self.position.next);
        context.secret.seal_backup(federation, version, salt, &versioned::write(VERSION, self))
    }

    /// Opens what [`Snapshot::seal`] sealed. That history leads to it is still to be checked.
    ///
    /// # Errors
    /// [`SnapshotError`].
    pub fn open(context: &WalletContext, backup: &Backup) -> Result<Self, SnapshotError> {
        let content = context.secret.open_backup(&context.federation, backup).ok_or(SnapshotError::Sealed)?;
        Ok(versioned::read(VERSION, &content)?)
    }

    /// A hash of what it says, wherever it stands.
    pub fn content(&self) -> Hash {
        let content = Self { position: ChainPosition::GENESIS, ..self.clone() };
        Context::BackupContent.hash(&[&content.to_bytes()])
    }

    /// Adds the modules' states to a batch, as the snapshot that a running recovery goes on from.
    pub fn store(self, batch: &mut Batch) {
        for (kind, state) in KINDS.into_iter().zip(self.states) {
            batch.put(format!("{RUNNING_PREFIX}{kind}"), state);
        }
    }
}
