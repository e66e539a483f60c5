//! From a password to a key.

use argon2::{Algorithm, Argon2, Params, Version};
use rekindle_protocol::encoding::{Decode, Encode};
use zeroize::Zeroizing;

use super::{Password, SealError};

/// What Argon2id may cost, at most.
const MAX_MEMORY_KIB: u32 = 1 << 20;
const MAX_PASSES: u32 = 32;
const MAX_LANES: u32 = 16;

/// The costs of Argon2id (RFC 9106).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct KeyDerivation {
    /// Memory in KiB.
    pub memory: u32,
    /// Passes over the memory.
    pub passes: u32,
    /// Lanes that may be computed in parallel.
    pub lanes: u32,
}

impl Default for KeyDerivation {
    /// The second recommended option of RFC 9106, section 4: 64 MiB, 3 passes, 4 lanes.
    fn default() -> Self {
        Self { memory: 64 << 10, passes: 3, lanes: 4 }
    }
}

impl KeyDerivation {
    /// The least that the algorithm takes, for tests and for keys that are worth nothing.
    pub const CHEAPEST: Self = Self { memory: 8, passes: 1, lanes: 1 };

    /// Derives the key of a file.
    pub(super) fn derive(
        &self,
        password: &Password,
        salt: &[u8; 16],
    ) -> Result<Zeroizing<[u8; 32]>, SealError> {
        if self.memory > MAX_MEMORY_KIB || self.passes > MAX_PASSES || self.lanes > MAX_LANES {
            return Err(SealError::Costs);
        }
        let params =
            Params::new(self.memory, self.passes, self.lanes, Some(32)).map_err(|_| SealError::Costs)?;
        let mut key = Zeroizing::new([0; 32]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(password.as_bytes(), salt, &mut *key)
            .map_err(|_| SealError::Costs)?;
        Ok(key)
    }
}
