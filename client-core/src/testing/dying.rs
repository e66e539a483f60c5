//! A store that dies at one of its writes.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use async_trait::async_trait;

use crate::platform::{Batch, KeyValue, Operation, Scan, Store, StoreError, StoreResult};

/// A store that dies at a commit: before it is written, or after it is, but before anybody learns that. After that
/// it takes nothing.
pub struct DyingStore {
    store: Rc<dyn Store>,
    commits_left: Cell<usize>,
    dies_after_writing: bool,
    written: RefCell<Vec<Batch>>,
    refused: RefCell<Option<Batch>>,
}

impl DyingStore {
    /// Passes everything on to `store`, and dies at commit number `commits`, counted from 1.
    pub fn new(store: Rc<dyn Store>, commits: usize, dies_after_writing: bool) -> Rc<Self> {
        let (written, refused) = (RefCell::default(), RefCell::default());
        Rc::new(Self { store, commits_left: commits.into(), dies_after_writing, written, refused })
    }

    /// A store that lives on.
    pub fn immortal(store: Rc<dyn Store>) -> Rc<Self> {
        Self::new(store, usize::MAX, false)
    }

    /// Whether it has died.
    pub fn is_dead(&self) -> bool {
        self.commits_left.get() == 0
    }

    /// What was written, in order.
    pub fn written(&self) -> Vec<Batch> {
        self.written.borrow().clone()
    }

    /// What it died over, if it was not written.
    pub fn refused(&self) -> Option<Batch> {
        self.refused.borrow().clone()
    }
}

#[async_trait(?Send)]
impl Store for DyingStore {
    async fn get(&self, key: &[u8]) -> StoreResult<Option<Vec<u8>>> {
        self.store.get(key).await
    }

    async fn scan(&self, scan: &Scan) -> StoreResult<Vec<KeyValue>> {
        self.store.scan(scan).await
    }

    async fn commit(&self, batch: Batch) -> StoreResult<()> {
        let died = || StoreError::ConnectionLost("the process died".into()).into();
        match self.commits_left.get() {
            0 => return Err(died()),
            1 if !self.dies_after_writing => {
                self.commits_left.set(0);
                *self.refused.borrow_mut() = Some(batch);
                return Err(died());
            }
            left => self.commits_left.set(left - 1),
        }
        self.written.borrow_mut().push(batch.clone());
        self.store.commit(batch).await?;
        if self.is_dead() { Err(died()) } else { Ok(()) }
    }
}

/// What a batch puts under a key.
pub fn put_by<'a>(batch: &'a Batch, key: &str) -> Option<&'a [u8]> {
    batch.operations().iter().find_map(|operation| match operation {
        Operation::Put { key: found, value } if found == key.as_bytes() => Some(&**value),
        _ => None,
    })
}
