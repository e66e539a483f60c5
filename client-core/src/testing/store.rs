//! The suite for [`Store`].

use std::{cell::RefCell, collections::HashMap, rc::Rc};

use async_trait::async_trait;
use futures::future::join_all;

use crate::{
    platform::{Batch, KeyValue, Scan, Store},
    store::MemoryStore,
};

/// Opens the stores under test.
#[async_trait(?Send)]
pub trait StoreFixture {
    /// Opens the store called `name`: empty the first time, with its content after that. It
    /// panics if it can't.
    async fn open(&self, name: &str) -> Rc<dyn Store>;
}

/// Stores in memory.
#[derive(Default)]
pub struct MemoryStores(RefCell<HashMap<String, MemoryStore>>);

#[async_trait(?Send)]
impl StoreFixture for MemoryStores {
    async fn open(&self, name: &str) -> Rc<dyn Store> {
        Rc::new(self.0.borrow_mut().entry(name.to_owned()).or_default().clone())
    }
}

/// Panics unless the stores of `fixture` keep every promise of [`Store`].
pub async fn store_conformance(fixture: &dyn StoreFixture) {
    reads_what_was_written(&*fixture.open("reads").await).await;
    applies_a_batch_in_order(&*fixture.open("order").await).await;
    accepts_an_empty_batch(&*fixture.open("empty").await).await;
    holds_any_bytes(&*fixture.open("bytes").await).await;
    scans_in_byte_order(&*fixture.open("scan").await).await;
    scans_only_the_prefix(&*fixture.open("prefix").await).await;
    scans_from_a_key_up_to_a_limit(&*fixture.open("limit").await).await;
    deletes_by_prefix(&*fixture.open("delete").await).await;
    holds_big_values(&*fixture.open("big").await).await;
    holds_many_keys(&*fixture.open("many").await).await;
    commits_are_isolated(&*fixture.open("isolated").await).await;
    concurrent_commits_all_happen(&*fixture.open("concurrent").await).await;
    reopens_with_its_content(fixture).await;
    two_handles_see_one_store(fixture).await;
    stores_are_apart(fixture).await;
}

async fn put(store: &dyn Store, key: &[u8], value: &[u8]) {
    let mut batch = Batch::new();
    batch.put(key, value);
    commit(store, batch).await;
}

async fn commit(store: &dyn Store, batch: Batch) {
    store.commit(batch).await.expect("the store under test commits");
}

async fn get(store: &dyn Store, key: &[u8]) -> Option<Vec<u8>> {
    store.get(key).await.expect("the store under test reads")
}

async fn scan(store: &dyn Store, scan: Scan) -> Vec<KeyValue> {
    store.scan(&scan).await.expect("the store under test scans")
}

async fn keys(store: &dyn Store, prefix: &[u8]) -> Vec<Vec<u8>> {
    let pairs = scan(store, Scan::prefix(prefix)).await;
    pairs.into_iter().map(|(key, _)| key).collect()
}

async fn reads_what_was_written(store: &dyn Store) {
    assert_eq!(get(store, b"key").await, None);
    put(store, b"key", b"one").await;
    assert_eq!(get(store, b"key").await, Some(b"one".to_vec()));
    put(store, b"key", b"two").await;
    assert_eq!(get(store, b"key").await, Some(b"two".to_vec()));
    assert_eq!(get(store, b"ke").await, None);
    assert_eq!(get(store, b"key ").await, None);
    let mut batch = Batch::new();
    batch.delete(b"key").delete(b"never there");
    commit(store, batch).await;
    assert_eq!(get(store, b"key").await, None);
}

async fn applies_a_batch_in_order(store: &dyn Store) {
    let mut batch = Batch::new();
    batch.put(b"a", b"1").put(b"a", b"2");
    batch.put(b"b", b"1").delete(b"b");
    batch.delete(b"c").put(b"c", b"1");
    batch.put(b"d1", b"1").delete_prefix(b"d").put(b"d2", b"2");
    commit(store, batch).await;
    assert_eq!(get(store, b"a").await, Some(b"2".to_vec()));
    assert_eq!(get(store, b"b").await, None);
    assert_eq!(get(store, b"c").await, Some(b"1".to_vec()));
    assert_eq!(keys(store, b"d").await, [b"d2".to_vec()]);
}

async fn accepts_an_empty_batch(store: &dyn Store) {
    commit(store, Batch::new()).await;
    put(store, b"key", b"value").await;
    commit(store, Batch::new()).await;
    assert_eq!(keys(store, b"").await, [b"key".to_vec()]);
}

async fn holds_any_bytes(store: &dyn Store) {
    let samples: [&[u8]; 6] = [b"", &[0], &[0, 0], &[255], &[255, 255], &[0x80, 0xff, 0x00]];
    for sample in samples {
        put(store, sample, sample).await;
    }
    for sample in samples {
        assert_eq!(get(store, sample).await.as_deref(), Some(sample));
    }
    let all: Vec<u8> = (0..=255).collect();
    put(store, &all, &all).await;
    assert_eq!(get(store, &all).await, Some(all));
}

async fn scans_in_byte_order(store: &dyn Store) {
    let sorted: [&[u8]; 7] = [b"", &[0], &[0, 1], &[1], &[127, 255], &[128], &[255, 0]];
    for index in [3, 6, 0, 5, 1, 4, 2] {
        put(store, sorted[index], &[index as u8]).await;
    }
    let found = scan(store, Scan::prefix(b"")).await;
    let expected: Vec<KeyValue> =
        sorted.iter().enumerate().map(|(index, key)| (key.to_vec(), vec![index as u8])).collect();
    assert_eq!(found, expected);
}

async fn scans_only_the_prefix(store: &dyn Store) {
    for key in [&b"a"[..], b"b", b"b\x00", b"b\xff\xff", b"c", &[255], &[255, 255, 1]] {
        put(store, key, b"").await;
    }
    let found = keys(store, b"b").await;
    assert_eq!(found, [b"b".to_vec(), b"b\x00".to_vec(), b"b\xff\xff".to_vec()]);
    // A prefix of ones has no key above it.
    assert_eq!(keys(store, &[255]).await, [vec![255], vec![255, 255, 1]]);
    assert!(keys(store, b"d").await.is_empty());
}

async fn scans_from_a_key_up_to_a_limit(store: &dyn Store) {
    let mut batch = Batch::new();
    batch.put(b"o", b"").put(b"q", b"");
    for index in 0..10u8 {
        batch.put([b'p', index], [index]);
    }
    commit(store, batch).await;
    let found = scan(store, Scan::prefix(b"p").from([b'p', 4]).limit(3)).await;
    let expected = [4u8, 5, 6].map(|index| (vec![b'p', index], vec![index]));
    assert_eq!(found, expected);
    assert_eq!(scan(store, Scan::prefix(b"p").from(b"a")).await.len(), 10);
    assert!(scan(store, Scan::prefix(b"p").from(b"q")).await.is_empty());
    assert!(scan(store, Scan::prefix(b"p").limit(0)).await.is_empty());
    assert_eq!(scan(store, Scan::prefix(b"p").limit(1_000_000)).await.len(), 10);
}

async fn deletes_by_prefix(store: &dyn Store) {
    for key in [&b"a"[..], b"b", b"b1", b"c", &[255], &[255, 255]] {
        put(store, key, b"").await;
    }
    let mut batch = Batch::new();
    batch.delete_prefix(b"b").delete_prefix([255]).delete_prefix(b"x");
    commit(store, batch).await;
    assert_eq!(keys(store, b"").await, [b"a".to_vec(), b"c".to_vec()]);
    let mut batch = Batch::new();
    batch.delete_prefix(b"");
    commit(store, batch).await;
    assert!(keys(store, b"").await.is_empty());
}

async fn holds_big_values(store: &dyn Store) {
    let value: Vec<u8> = (0..4_000_000u32).map(|index| (index / 7) as u8).collect();
    let mut batch = Batch::new();
    batch.put(b"big", value.clone()).put(b"small", b"s");
    commit(store, batch).await;
    assert!(get(store, b"big").await == Some(value), "a big value changed");
    assert_eq!(get(store, b"small").await, Some(b"s".to_vec()));
}

async fn holds_many_keys(store: &dyn Store) {
    let mut batch = Batch::new();
    for index in (0..1_000u32).rev() {
        batch.put(index.to_be_bytes(), index.to_le_bytes());
    }
    commit(store, batch).await;
    let found = scan(store, Scan::prefix(b"")).await;
    assert_eq!(found.len(), 1_000);
    for (index, (key, value)) in (0..1_000u32).zip(&found) {
        assert_eq!(key[..], index.to_be_bytes());
        assert_eq!(value[..], index.to_le_bytes());
    }
}

/// A scan that runs beside commits sees each of them entirely or not at all.
async fn commits_are_isolated(store: &dyn Store) {
    let writers = join_all((1..=8u8).map(|round| async move {
        let mut batch = Batch::new();
        for index in 0..20u8 {
            batch.put([index], [round]);
        }
        commit(store, batch).await;
    }));
    let readers = join_all((0..8).map(|_| async move {
        let found = scan(store, Scan::prefix(b"")).await;
        assert!(found.is_empty() || found.len() == 20, "a scan saw {} of 20 keys of a batch", found.len());
        assert!(found.windows(2).all(|pair| pair[0].1 == pair[1].1), "a scan saw two batches mixed");
    }));
    futures::future::join(writers, readers).await;
    assert_eq!(scan(store, Scan::prefix(b"")).await.len(), 20);
}

async fn concurrent_commits_all_happen(store: &dyn Store) {
    join_all((0..32u8).map(|index| async move { put(store, &[index], &[index]).await })).await;
    assert_eq!(keys(store, b"").await.len(), 32);
}

async fn reopens_with_its_content(fixture: &dyn StoreFixture) {
    let store = fixture.open("reopened").await;
    put(&*store, b"key", b"value").await;
    put(&*store, b"gone", b"value").await;
    let mut batch = Batch::new();
    batch.delete(b"gone");
    commit(&*store, batch).await;
    drop(store);
    let store = fixture.open("reopened").await;
    assert_eq!(get(&*store, b"key").await, Some(b"value".to_vec()));
    assert_eq!(keys(&*store, b"").await, [b"key".to_vec()]);
}

async fn two_handles_see_one_store(fixture: &dyn StoreFixture) {
    let one = fixture.open("shared").await;
    let two = fixture.open("shared").await;
    put(&*one, b"key", b"from one").await;
    assert_eq!(get(&*two, b"key").await, Some(b"from one".to_vec()));
    put(&*two, b"key", b"from two").await;
    assert_eq!(get(&*one, b"key").await, Some(b"from two".to_vec()));
}

async fn stores_are_apart(fixture: &dyn StoreFixture) {
    let one = fixture.open("apart one").await;
    let two = fixture.open("apart two").await;
    put(&*one, b"key", b"value").await;
    assert_eq!(get(&*two, b"key").await, None);
}
