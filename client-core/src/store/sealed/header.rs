//! The header of a sealed store: its data key, sealed under a passphrase.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use rekindle_protocol::encoding::{Canonical, Decode, Encode};
use zeroize::{Zeroize, Zeroizing};

use super::{NONCE_BYTES, SealError};
use crate::platform::{Runtime, StoreError};

/// The layout that this version writes.
const VERSION: u8 = 1;
const CONTEXT: &[u8] = b"rekindle 2026-11 sealed store";

/// What a stored header may ask for: who can write to the store must not be able to make opening it take for ever.
const MAX_MEMORY_KIB: u32 = 1 << 20;
const MAX_PASSES: u32 = 32;
const MAX_LANES: u32 = 16;

/// The costs of Argon2id (RFC 9106).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Costs {
    /// Memory in KiB.
    pub memory: u32,
    /// Passes over the memory.
    pub passes: u32,
    /// Lanes that may be computed in parallel.
    pub lanes: u32,
}

impl Default for Costs {
    /// The memory and passes of the second recommended option of RFC 9106, section 4: 64 MiB, 3 passes. One lane, since
    /// a wallet computes on one thread, and lanes would only help whoever guesses on many.
    fn default() -> Self {
        Self { memory: 64 << 10, passes: 3, lanes: 1 }
    }
}

impl Costs {
    /// The least that the algorithm takes, for tests.
    pub const CHEAPEST: Self = Self { memory: 8, passes: 1, lanes: 1 };
}

#[derive(Encode, Decode)]
struct Header {
    version: u8,
    costs: Costs,
    salt: [u8; 16],
    sealed: Vec<u8>,
}

/// Seals a data key under a passphrase.
pub(super) fn seal(
    key: &[u8; 32],
    runtime: &dyn Runtime,
    passphrase: &str,
    costs: Costs,
) -> Result<Vec<u8>, SealError> {
    let (mut salt, mut nonce) = ([0; 16], [0; NONCE_BYTES]);
    runtime.random(&mut salt)?;
    runtime.random(&mut nonce)?;
    let wrapping = derive(passphrase, &salt, costs)?;
    let sealed = super::seal(&wrapping, nonce, CONTEXT, key).ok_or_else(damaged)?;
    Ok(Header { version: VERSION, costs, salt, sealed }.to_bytes())
}

/// The data key in a header.
pub(super) fn open(header: &[u8], passphrase: &str) -> Result<Zeroizing<[u8; 32]>, SealError> {
    if header.first().is_some_and(|version| *version > VERSION) {
        return Err(StoreError::TooNew.into());
    }
    let header = Header::from_bytes(header).map_err(|_| damaged())?;
    let Costs { memory, passes, lanes } = header.costs;
    if header.version != VERSION || memory > MAX_MEMORY_KIB || passes > MAX_PASSES || lanes > MAX_LANES {
        return Err(damaged());
    }
    let wrapping = derive(passphrase, &header.salt, header.costs)?;
    let key = super::open(&wrapping, CONTEXT, header.sealed).ok_or(SealError::WrongPassphrase)?;
    let key = Zeroizing::new(key);
    key.as_slice().try_into().map(Zeroizing::new).map_err(|_| damaged())
}

fn derive(passphrase: &str, salt: &[u8; 16], costs: Costs) -> Result<Zeroizing<[u8; 32]>, SealError> {
    let params = Params::new(costs.memory, costs.passes, costs.lanes, Some(32)).map_err(|_| damaged())?;
    let mut memory = Vec::new();
    memory.try_reserve_exact(params.block_count()).map_err(|_| SealError::Memory)?;
    memory.resize(params.block_count(), Block::default());
    let mut key = Zeroizing::new([0; 32]);
    let derived = Argon2::new(Algorithm::Argon2id, Version::V0x13, params).hash_password_into_with_memory(
        passphrase.as_bytes(),
        salt,
        &mut *key,
        &mut memory,
    );
    memory.iter_mut().for_each(Zeroize::zeroize);
    derived.map_err(|_| damaged())?;
    Ok(key)
}

fn damaged() -> SealError {
    StoreError::Damaged("the header of the sealed store".to_owned()).into()
}
