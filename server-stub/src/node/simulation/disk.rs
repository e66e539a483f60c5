//! A disk that forgets what was not synced.

use std::{
    collections::BTreeSet,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rand::Rng;
use redb::StorageBackend;

const PAGE: u64 = 4_096;

/// A disk in memory. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Disk(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    /// What readers see.
    now: Vec<u8>,
    /// What a crash leaves.
    synced: Vec<u8>,
    /// Pages written since the last sync.
    dirty: BTreeSet<u64>,
    /// After so many syncs every write fails.
    dies_in: Option<u32>,
    syncs: u32,
}

impl Disk {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes every write fail after `syncs` more syncs: the guardian dies between two of its commits.
    pub fn die_in(&self, syncs: u32) {
        self.lock().dies_in = Some(syncs);
    }

    /// How often it was synced since the last crash.
    pub fn syncs(&self) -> u32 {
        self.lock().syncs
    }

    /// What is found after a crash: everything synced, and of what was not synced nothing or any part.
    pub fn after_crash(&self, rng: &mut impl Rng) -> Self {
        let inner = self.lock();
        let mut left = inner.synced.clone();
        if rng.gen_ratio(1, 2) {
            for page in inner.dirty.iter().filter(|_| rng.gen_ratio(1, 2)) {
                copy_page(&inner.now, &mut left, *page);
            }
        }
        Self(Arc::new(Mutex::new(Inner { now: left.clone(), synced: left, ..Inner::default() })))
    }
}

fn copy_page(from: &[u8], to: &mut Vec<u8>, page: u64) {
    let start = usize::try_from(page * PAGE).unwrap();
    let end = from.len().min(start + PAGE as usize);
    if start < end {
        to.resize(to.len().max(end), 0);
        to[start..end].copy_from_slice(&from[start..end]);
    }
}

impl Inner {
    fn alive(&self) -> io::Result<()> {
        if self.dies_in == Some(0) { Err(io::Error::other("the machine is off")) } else { Ok(()) }
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.lock().now.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let start = usize::try_from(offset).unwrap();
        let inner = self.lock();
        let bytes = inner.now.get(start..start + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(bytes);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut inner = self.lock();
        inner.alive()?;
        inner.now.resize(usize::try_from(len).unwrap(), 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let inner = &mut *self.lock();
        inner.alive()?;
        inner.dies_in = inner.dies_in.map(|left| left - 1);
        inner.syncs += 1;
        inner.synced.resize(inner.now.len(), 0);
        for page in std::mem::take(&mut inner.dirty) {
            copy_page(&inner.now, &mut inner.synced, page);
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let inner = &mut *self.lock();
        inner.alive()?;
        let start = usize::try_from(offset).unwrap();
        inner.now[start..start + data.len()].copy_from_slice(data);
        let last = (offset + data.len() as u64).saturating_sub(1) / PAGE;
        inner.dirty.extend(offset / PAGE..=last);
        Ok(())
    }
}
