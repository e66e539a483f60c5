use std::{cell::RefCell, collections::HashMap, rc::Rc};

use async_trait::async_trait;
use futures::executor::block_on;
use proptest::prelude::*;

use super::{Costs, HEADER, SealError, SealedStore};
use crate::{
    platform::{Batch, Runtime, Scan, Store, StoreError},
    store::MemoryStore,
    testing::{
        clock::VirtualRuntime,
        store::{StoreFixture, store_conformance},
    },
};

fn runtime() -> Rc<dyn Runtime> {
    Rc::new(VirtualRuntime::new(1))
}

fn create(memory: &MemoryStore, passphrase: Option<&str>) -> SealedStore {
    SealedStore::create(Rc::new(memory.clone()), runtime(), passphrase, Costs::CHEAPEST).unwrap()
}

async fn open(memory: &MemoryStore, passphrase: Option<&str>) -> Result<SealedStore, SealError> {
    SealedStore::open(Rc::new(memory.clone()), runtime(), passphrase).await
}

async fn put(store: &dyn Store, key: &[u8], value: &[u8]) {
    let mut batch = Batch::new();
    batch.put(key, value);
    store.commit(batch).await.unwrap();
}

async fn bytes_of(memory: &MemoryStore) -> Vec<u8> {
    memory
        .scan(&Scan::default())
        .await
        .unwrap()
        .into_iter()
        .flat_map(|(key, value)| [key, value].concat())
        .collect()
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

/// Sealed stores by name; each is opened again and again.
#[derive(Default)]
struct Fixture(RefCell<HashMap<String, MemoryStore>>);

#[async_trait(?Send)]
impl StoreFixture for Fixture {
    async fn open(&self, name: &str) -> Rc<dyn Store> {
        let memory = self.0.borrow_mut().entry(name.to_owned()).or_default().clone();
        match open(&memory, Some("passphrase")).await {
            Ok(store) => Rc::new(store),
            Err(_) => {
                let store = create(&memory, Some("passphrase"));
                // A header that only the first batch writes would be another one in a second handle.
                let mut batch = Batch::new();
                batch.delete("");
                store.commit(batch).await.unwrap();
                Rc::new(store)
            }
        }
    }
}

#[test]
fn passes_the_conformance_suite() {
    block_on(store_conformance(&Fixture::default()));
}

#[test]
fn nothing_is_written_in_the_clear_not_even_first() {
    block_on(async {
        let memory = MemoryStore::new();
        let store = create(&memory, Some("passphrase"));
        assert!(memory.is_empty());
        put(&store, b"wallet/seed", b"a secret of sixteen").await;
        assert_eq!(memory.len(), 2);
        assert!(!contains(&bytes_of(&memory).await, b"secret"));
        assert_eq!(
            store.get(b"wallet/seed").await.unwrap().as_deref(),
            Some(b"a secret of sixteen".as_slice())
        );
    });
}

#[test]
fn opens_with_its_passphrase_alone() {
    block_on(async {
        let memory = MemoryStore::new();
        put(&create(&memory, Some("right")), b"key", b"value").await;
        assert_eq!(open(&memory, None).await.err(), Some(SealError::Locked));
        assert_eq!(open(&memory, Some("wrong")).await.err(), Some(SealError::WrongPassphrase));
        let store = open(&memory, Some("right")).await.unwrap();
        assert_eq!(store.get(b"key").await.unwrap().as_deref(), Some(b"value".as_slice()));

        let plain = MemoryStore::new();
        put(&create(&plain, None), b"key", b"value").await;
        assert_eq!(open(&plain, Some("any")).await.err(), Some(SealError::WrongPassphrase));
        assert!(open(&plain, None).await.is_ok());
    });
}

#[test]
fn a_passphrase_is_set_changed_and_removed() {
    block_on(async {
        let memory = MemoryStore::new();
        let store = create(&memory, None);
        put(&store, b"key", b"a secret").await;
        for (current, next) in [(None, Some("one")), (Some("one"), Some("two")), (Some("two"), None)] {
            let wrong = store.change_passphrase(Some("wrong"), next, Costs::CHEAPEST).await;
            assert_eq!(wrong, Err(SealError::WrongPassphrase));
            let header = memory.get(HEADER).await.unwrap();
            store.change_passphrase(current, next, Costs::CHEAPEST).await.unwrap();
            assert_ne!(memory.get(HEADER).await.unwrap(), header);
            assert_eq!(store.is_sealed().await, next.is_some());
            assert_eq!(contains(&bytes_of(&memory).await, b"a secret"), next.is_none());
            // What is open goes on, and what is opened anew needs the new one.
            put(&store, b"more", b"more").await;
            let reopened = open(&memory, next).await.unwrap();
            assert_eq!(reopened.get(b"key").await.unwrap().as_deref(), Some(b"a secret".as_slice()));
            assert!(open(&memory, current).await.is_err());
        }
        assert_eq!(memory.get(HEADER).await.unwrap(), None);
    });
}

#[test]
fn a_value_opens_at_its_own_key_only() {
    block_on(async {
        let memory = MemoryStore::new();
        let store = create(&memory, Some("passphrase"));
        put(&store, b"one", b"value").await;
        let sealed = memory.get(b"one").await.unwrap().unwrap();
        put(&memory, b"two", &sealed).await;
        assert!(matches!(*store.get(b"two").await.unwrap_err(), StoreError::Damaged(_)));
    });
}

#[test]
fn a_newer_header_is_left_alone() {
    block_on(async {
        let memory = MemoryStore::new();
        put(&memory, HEADER, &[2, 0, 0]).await;
        assert_eq!(open(&memory, Some("any")).await.err(), Some(StoreError::TooNew.into()));
    });
}

#[test]
fn no_header_makes_opening_take_for_ever_or_panic() {
    proptest!(|(header in proptest::collection::vec(any::<u8>(), 0..120), memory in 8u32..64)| {
        block_on(async {
            let store = MemoryStore::new();
            let mut header = header;
            if header.len() > 13 {
                header[0] = 1;
                header[1..5].copy_from_slice(&memory.to_le_bytes());
                header[5..13].copy_from_slice(&[1, 0, 0, 0, 1, 0, 0, 0]);
            }
            put(&store, HEADER, &header).await;
            prop_assert!(open(&store, Some("any")).await.is_err());
            Ok(())
        })?;
    });
    block_on(async {
        let memory = MemoryStore::new();
        put(&create(&memory, Some("passphrase")), b"key", b"value").await;
        let mut header = memory.get(HEADER).await.unwrap().unwrap();
        header[1..5].copy_from_slice(&u32::MAX.to_le_bytes());
        put(&memory, HEADER, &header).await;
        let Some(SealError::Store(error)) = open(&memory, Some("passphrase")).await.err() else {
            panic!("another error, or none");
        };
        assert!(matches!(*error, StoreError::Damaged(_)));
    });
}
