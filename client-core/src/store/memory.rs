//! A store that lives as long as the process: for tests, benches and throw-away wallets.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::rc::Rc;

use async_trait::async_trait;

use crate::platform::{Batch, KeyValue, Operation, Scan, Store, StoreResult};

/// A store in memory. Clones share their content, which stands in for reopening a database.
#[derive(Clone, Default)]
pub struct MemoryStore {
    entries: Rc<RefCell<BTreeMap<Vec<u8>, Vec<u8>>>>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of keys.
    pub fn len(&self) -> usize {
        self.entries.borrow().len()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.entries.borrow().is_empty()
    }
}

#[async_trait(?Send)]
impl Store for MemoryStore {
    async fn get(&self, key: &[u8]) -> StoreResult<Option<Vec<u8>>> {
        Ok(self.entries.borrow().get(key).cloned())
    }

    async fn scan(&self, scan: &Scan) -> StoreResult<Vec<KeyValue>> {
        let entries = self.entries.borrow();
        Ok(entries
            .range::<[u8], _>((Bound::Included(scan.lower()), Bound::Unbounded))
            .take_while(|(key, _)| key.starts_with(&scan.prefix))
            .take(scan.limit.unwrap_or(usize::MAX))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect())
    }

    async fn commit(&self, batch: Batch) -> StoreResult<()> {
        let mut entries = self.entries.borrow_mut();
        for operation in batch.into_operations() {
            match operation {
                Operation::Put { key, value } => {
                    entries.insert(key, value);
                }
                Operation::Delete { key } => {
                    entries.remove(&key);
                }
                Operation::DeletePrefix { prefix } => {
                    entries.retain(|key, _| !key.starts_with(&prefix));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::store::{MemoryStores, store_conformance};

    #[test]
    fn passes_the_conformance_suite() {
        futures::executor::block_on(store_conformance(&MemoryStores::default()));
    }
}
