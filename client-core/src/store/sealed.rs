//! A store whose values are encrypted under a passphrase.
//!
//! A random data key seals every value (XChaCha20-Poly1305, with the record's key as associated data). The data key
//! itself is sealed under a key derived from the passphrase (Argon2id) and kept in one more record, the header. It is
//! written with the first batch, so that no value is ever stored in the clear. Keys of records are not encrypted: they
//! name modules and transactions, and hold no secret.
//!
//! A new passphrase means a new data key: whoever once had an old passphrase and the old header learns nothing of what
//! is written later.

mod header;

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use async_trait::async_trait;
use chacha20poly1305::{AeadInOut, Key, KeyInit, Tag, XChaCha20Poly1305, XNonce};
use futures::lock::Mutex;
use thiserror::Error;
use zeroize::Zeroizing;

pub use header::Costs;

use crate::platform::{
    Batch, KeyValue, Operation, RandomError, Runtime, Scan, Store, StoreError, StoreResult,
};

/// Where the header lies.
const HEADER: &[u8] = b"sealed";
const NONCE_BYTES: usize = 24;
const TAG_BYTES: usize = 16;

/// Why a sealed store does not open or change.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SealError {
    /// The store is sealed, and no passphrase was given.
    #[error("the wallet is locked: it needs its passphrase")]
    Locked,
    /// The passphrase is not the one the store was sealed under, or it was sealed under none.
    #[error("the passphrase is wrong")]
    WrongPassphrase,
    /// The key derivation needs more memory than there is.
    #[error("not enough memory to derive a key from the passphrase")]
    Memory,
    /// The platform has no randomness.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// The store below failed, or holds what this program does not write.
    #[error(transparent)]
    Store(#[from] Box<StoreError>),
}

impl From<StoreError> for SealError {
    fn from(error: StoreError) -> Self {
        Self::Store(error.into())
    }
}

impl SealError {
    /// A stable code for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Locked => "wallet_locked",
            Self::WrongPassphrase => "passphrase_wrong",
            Self::Memory => "out_of_memory",
            Self::Random(error) => error.code(),
            Self::Store(error) => error.code(),
        }
    }
}

/// A store whose values are sealed if it has a passphrase, and as they are if it has none.
pub struct SealedStore {
    inner: Rc<dyn Store>,
    runtime: Rc<dyn Runtime>,
    /// Held during every access, so that none sees values of one seal with the key of another.
    access: Mutex<()>,
    seal: RefCell<Option<Rc<Seal>>>,
}

struct Seal {
    key: Zeroizing<[u8; 32]>,
    header: Vec<u8>,
    /// Whether the header is in the store.
    stored: Cell<bool>,
}

impl SealedStore {
    /// A store on `inner`, which is empty, sealed under the passphrase if there is one. Nothing is written yet.
    ///
    /// # Errors
    /// [`SealError::Memory`], [`SealError::Random`].
    pub fn create(
        inner: Rc<dyn Store>,
        runtime: Rc<dyn Runtime>,
        passphrase: Option<&str>,
        costs: Costs,
    ) -> Result<Self, SealError> {
        let seal = passphrase.map(|passphrase| Seal::new(&*runtime, passphrase, costs)).transpose()?;
        Ok(Self::new(inner, runtime, seal))
    }

    /// Opens a store that was written before.
    ///
    /// # Errors
    /// [`SealError::Locked`], [`SealError::WrongPassphrase`], [`SealError::Memory`], [`SealError::Store`].
    pub async fn open(
        inner: Rc<dyn Store>,
        runtime: Rc<dyn Runtime>,
        passphrase: Option<&str>,
    ) -> Result<Self, SealError> {
        let seal = match (inner.get(HEADER).await?, passphrase) {
            (None, None) => None,
            (None, Some(_)) => return Err(SealError::WrongPassphrase),
            (Some(_), None) => return Err(SealError::Locked),
            (Some(header), Some(passphrase)) => {
                Some(Seal { key: header::open(&header, passphrase)?, header, stored: Cell::new(true) })
            }
        };
        Ok(Self::new(inner, runtime, seal))
    }

    fn new(inner: Rc<dyn Store>, runtime: Rc<dyn Runtime>, seal: Option<Seal>) -> Self {
        Self { inner, runtime, access: Mutex::new(()), seal: RefCell::new(seal.map(Rc::new)) }
    }

    /// The seal of the values that are there.
    fn seal(&self) -> Option<Rc<Seal>> {
        self.seal.borrow().clone()
    }

    /// Whether it has a passphrase.
    pub async fn is_sealed(&self) -> bool {
        let _access = self.access.lock().await;
        self.seal().is_some()
    }

    /// Seals everything under another passphrase, or under none. `None` stands for none, also as the current one.
    ///
    /// # Errors
    /// [`SealError::WrongPassphrase`], [`SealError::Memory`], [`SealError::Random`], [`SealError::Store`]; then nothing
    /// has changed.
    pub async fn change_passphrase(
        &self,
        current: Option<&str>,
        next: Option<&str>,
        costs: Costs,
    ) -> Result<(), SealError> {
        let _access = self.access.lock().await;
        let seal = self.seal();
        match (&seal, current) {
            (None, None) => {}
            (Some(seal), Some(passphrase)) => drop(header::open(&seal.header, passphrase)?),
            _ => return Err(SealError::WrongPassphrase),
        }
        let fresh = next.map(|passphrase| Seal::new(&*self.runtime, passphrase, costs)).transpose()?;
        let mut batch = Batch::new();
        for (key, value) in scan(&*self.inner, seal.as_deref(), &Scan::default()).await? {
            batch.put(key, value);
        }
        let mut batch = self.prepare(fresh.as_ref(), batch)?;
        if fresh.is_none() {
            batch.delete(HEADER);
        }
        self.inner.commit(batch).await?;
        if let Some(fresh) = &fresh {
            fresh.stored.set(true);
        }
        *self.seal.borrow_mut() = fresh.map(Rc::new);
        Ok(())
    }

    /// The batch as the store below gets it.
    fn prepare(&self, seal: Option<&Seal>, batch: Batch) -> StoreResult<Batch> {
        let Some(seal) = seal else { return Ok(batch) };
        // Unique by its random half; what follows counts the values of this batch.
        let mut nonce = [0; NONCE_BYTES];
        self.runtime
            .random(&mut nonce[..16])
            .map_err(|error| StoreError::Backend { name: error.code().to_owned(), message: error.0 })?;
        let mut sealed = Batch::new();
        let mut header_is_stored = seal.stored.get();
        for (operation, number) in batch.into_operations().into_iter().zip(0u64..) {
            match operation {
                Operation::Put { key, value } => {
                    nonce[16..].copy_from_slice(&number.to_le_bytes());
                    let value = seal.seal(nonce, &key, value)?;
                    sealed.put(key, value);
                }
                Operation::Delete { key } => drop(sealed.delete(key)),
                Operation::DeletePrefix { prefix } => {
                    header_is_stored &= !HEADER.starts_with(&prefix);
                    sealed.delete_prefix(prefix);
                }
            }
        }
        if !header_is_stored {
            sealed.put(HEADER, seal.header.clone());
        }
        Ok(sealed)
    }
}

impl Seal {
    fn new(runtime: &dyn Runtime, passphrase: &str, costs: Costs) -> Result<Self, SealError> {
        let mut key = Zeroizing::new([0; 32]);
        runtime.random(&mut *key)?;
        let header = header::seal(&key, runtime, passphrase, costs)?;
        Ok(Self { key, header, stored: Cell::new(false) })
    }

    /// The nonce, the value sealed, and the tag.
    fn seal(&self, nonce: [u8; NONCE_BYTES], key: &[u8], value: Vec<u8>) -> StoreResult<Vec<u8>> {
        seal(&self.key, nonce, key, &value)
            .ok_or_else(|| StoreError::Damaged("a value is too long".to_owned()).into())
    }

    fn open(&self, key: &[u8], sealed: Vec<u8>) -> StoreResult<Vec<u8>> {
        open(&self.key, key, sealed)
            .ok_or_else(|| StoreError::Damaged("a sealed value does not open".to_owned()).into())
    }
}

/// The nonce, `value` sealed with `associated` data, and the tag. `None` for more than 256 GB.
fn seal(key: &[u8; 32], nonce: [u8; NONCE_BYTES], associated: &[u8], value: &[u8]) -> Option<Vec<u8>> {
    let mut sealed = Vec::with_capacity(NONCE_BYTES + value.len() + TAG_BYTES);
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(value);
    let tag = cipher(key)
        .encrypt_inout_detached(&XNonce::from(nonce), associated, (&mut sealed[NONCE_BYTES..]).into())
        .ok()?;
    sealed.extend_from_slice(&tag);
    Some(sealed)
}

/// What [`seal`] sealed. `None` if the key, the associated data or any byte is another.
fn open(key: &[u8; 32], associated: &[u8], mut sealed: Vec<u8>) -> Option<Vec<u8>> {
    let nonce: [u8; NONCE_BYTES] = *sealed.first_chunk()?;
    let tag: [u8; TAG_BYTES] = *sealed.last_chunk()?;
    let end = sealed.len() - TAG_BYTES;
    let value = sealed.get_mut(NONCE_BYTES..end)?;
    cipher(key)
        .decrypt_inout_detached(&XNonce::from(nonce), associated, value.into(), &Tag::from(tag))
        .ok()?;
    sealed.truncate(end);
    sealed.drain(..NONCE_BYTES);
    Some(sealed)
}

fn cipher(key: &[u8; 32]) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(&Key::from(*key))
}

/// The values as they were before they were sealed, without the header.
async fn scan(inner: &dyn Store, seal: Option<&Seal>, scan: &Scan) -> StoreResult<Vec<KeyValue>> {
    let Some(seal) = seal else { return inner.scan(scan).await };
    // One more, in case the header is among them.
    let wider = Scan { limit: scan.limit.map(|limit| limit.saturating_add(1)), ..scan.clone() };
    let mut found = inner.scan(&wider).await?;
    found.retain(|(key, _)| key != HEADER);
    found.truncate(scan.limit.unwrap_or(usize::MAX));
    found
        .into_iter()
        .map(|(key, value)| {
            let value = seal.open(&key, value)?;
            Ok((key, value))
        })
        .collect()
}

#[async_trait(?Send)]
impl Store for SealedStore {
    async fn get(&self, key: &[u8]) -> StoreResult<Option<Vec<u8>>> {
        let _access = self.access.lock().await;
        match (self.seal(), self.inner.get(key).await?) {
            (Some(seal), Some(value)) => seal.open(key, value).map(Some),
            (_, value) => Ok(value),
        }
    }

    async fn scan(&self, wanted: &Scan) -> StoreResult<Vec<KeyValue>> {
        let _access = self.access.lock().await;
        scan(&*self.inner, self.seal().as_deref(), wanted).await
    }

    async fn commit(&self, batch: Batch) -> StoreResult<()> {
        let _access = self.access.lock().await;
        let seal = self.seal();
        let batch = self.prepare(seal.as_deref(), batch)?;
        self.inner.commit(batch).await?;
        if let Some(seal) = seal {
            seal.stored.set(true);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
