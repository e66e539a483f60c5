//! Sealing a wallet's backup, so that only its seed opens it.
//!
//! ChaCha20-Poly1305 under a key that derives from the wallet's secret and a random salt, with federation and version
//! as associated data: an older backup can't be passed off as a newer one, nor another federation's as this one's.

use chacha20poly1305::{AeadInOut, ChaCha20Poly1305, Key, KeyInit, Nonce, Tag};
use zeroize::Zeroizing;

use super::WalletSecret;
use crate::{
    backup::{Backup, SIZES},
    bytes::FederationId,
    hash::Context,
    schnorr,
};

const SALT_BYTES: usize = 16;
const LENGTH_BYTES: usize = 4;
const SEAL_BYTES: usize = 16;

impl WalletSecret {
    /// The key under which guardians keep this wallet's backup, and which authorises writing it.
    pub fn backup_key(&self) -> schnorr::SecretKey {
        let mut stream = Context::BackupKey.hasher().update(&self.secret).finalize_xof();
        super::secret_key(&mut stream)
    }

    /// Seals and signs a snapshot that covers the first `version` sessions, padded to the next of [`SIZES`]. `salt` must
    /// be fresh randomness. `None` if the snapshot is too large.
    pub fn seal_backup(
        &self,
        federation: &FederationId,
        version: u64,
        salt: [u8; SALT_BYTES],
        content: &[u8],
    ) -> Option<Backup> {
        let needed = SALT_BYTES + LENGTH_BYTES + content.len() + SEAL_BYTES;
        let size = *SIZES.iter().find(|size| **size >= needed)?;
        let mut sealed = Vec::with_capacity(size);
        sealed.extend_from_slice(&salt);
        // Below the largest size, so it fits.
        sealed.extend_from_slice(&(content.len() as u32).to_le_bytes());
        sealed.extend_from_slice(content);
        sealed.resize(size - SEAL_BYTES, 0);
        let seal = self
            .backup_cipher(&salt)
            .encrypt_inout_detached(
                &Nonce::default(),
                &associated(federation, version),
                (&mut sealed[SALT_BYTES..]).into(),
            )
            .expect("a megabyte is within the cipher's limit");
        sealed.extend_from_slice(&seal);
        Some(Backup::sign(federation, &self.backup_key(), version, sealed))
    }

    /// Opens a backup of this wallet in this federation; `None` for anything else.
    pub fn open_backup(&self, federation: &FederationId, backup: &Backup) -> Option<Vec<u8>> {
        let (salt, rest) = backup.sealed.split_first_chunk::<SALT_BYTES>()?;
        let (clear, seal) = rest.split_last_chunk::<SEAL_BYTES>()?;
        let mut clear = clear.to_vec();
        self.backup_cipher(salt)
            .decrypt_inout_detached(
                &Nonce::default(),
                &associated(federation, backup.version),
                clear.as_mut_slice().into(),
                &Tag::from(*seal),
            )
            .ok()?;
        let (length, content) = clear.split_first_chunk::<LENGTH_BYTES>()?;
        let content = content.get(..u32::from_le_bytes(*length) as usize)?;
        Some(content.to_vec())
    }

    fn backup_cipher(&self, salt: &[u8; SALT_BYTES]) -> ChaCha20Poly1305 {
        let key = Zeroizing::new(Context::BackupSeal.hash(&[&self.secret, salt]).0);
        ChaCha20Poly1305::new(&Key::from(*key))
    }
}

/// Federation, 32 bytes, and version, 8.
fn associated(federation: &FederationId, version: u64) -> [u8; 40] {
    let mut data = [0; 40];
    data[..32].copy_from_slice(&federation.0);
    data[32..].copy_from_slice(&version.to_le_bytes());
    data
}
