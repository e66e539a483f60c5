//! A guardian's secrets.

use rekindle_protocol::{
    bls::{BlsError, SecretShare},
    encoding::{Canonical, Decode, Encode},
    schnorr,
};
use zeroize::Zeroizing;

use crate::consensus::{ConsensusKeys, SecretScalar};

/// Everything secret of one guardian. It has no `Debug`; the parts are erased when dropped.
#[derive(Clone)]
pub struct GuardianKeys {
    /// For the engine's common coin.
    pub consensus: ConsensusKeys,
    /// Share of the key that signs sessions.
    pub session: SecretShare,
    /// Share of each denomination's key, from 2^0 sats up.
    pub mint: Vec<SecretShare>,
    /// Signs its answers to wallets.
    pub identity: schnorr::SecretKey,
}

/// Why stored keys are not usable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StoredKeysError {
    /// The bytes are not a stored key file.
    #[error("the key file can't be read")]
    Unreadable,
    /// A threshold key's share is no scalar.
    #[error("the key file holds a broken share: {0}")]
    Share(#[from] BlsError),
    /// The identity key is no scalar.
    #[error("the key file holds a broken identity key")]
    Identity,
}

/// The form on disk.
#[derive(Encode, Decode)]
struct Stored {
    version: u8,
    consensus: ConsensusKeys,
    session: SecretScalar,
    mint: Vec<SecretScalar>,
    identity: SecretScalar,
}

const STORED_VERSION: u8 = 1;

impl GuardianKeys {
    /// The keys in the form in which they are stored, in clear.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let stored = Stored {
            version: STORED_VERSION,
            consensus: self.consensus.clone(),
            session: SecretScalar(**self.session.to_bytes()),
            mint: self.mint.iter().map(|share| SecretScalar(**share.to_bytes())).collect(),
            identity: SecretScalar(*self.identity.to_bytes()),
        };
        // Room for everything, so that nothing secret stays behind in memory that was outgrown.
        let room = 256 + 48 * stored.consensus.coefficients.len() + 32 * stored.mint.len();
        let mut bytes = Zeroizing::new(Vec::with_capacity(room));
        stored.encode(&mut bytes);
        bytes
    }

    /// Reads stored keys.
    ///
    /// # Errors
    /// [`StoredKeysError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StoredKeysError> {
        let stored = Stored::from_bytes(bytes).map_err(|_| StoredKeysError::Unreadable)?;
        if stored.version != STORED_VERSION {
            return Err(StoredKeysError::Unreadable);
        }
        Ok(Self {
            consensus: stored.consensus.clone(),
            session: SecretShare::from_bytes(&stored.session.0)?,
            mint: stored
                .mint
                .iter()
                .map(|share| SecretShare::from_bytes(&share.0))
                .collect::<Result<_, _>>()?,
            identity: schnorr::SecretKey::from_bytes(&stored.identity.0)
                .map_err(|_| StoredKeysError::Identity)?,
        })
    }
}
