//! The browser's platform, in a dedicated worker of a real browser.
#![cfg(target_arch = "wasm32")]
#![allow(clippy::unwrap_used, reason = "a test")]

use std::rc::Rc;

use async_trait::async_trait;
use futures::StreamExt;
use rekindle_client::platform::{
    Batch, Request, Scan, Store, StoreError, StoreResult, Transport, TransportError,
};
use rekindle_client::testing::crashes::recovery_survives_every_crash;
use rekindle_client::testing::runtime::runtime_conformance;
use rekindle_client::testing::store::{StoreFixture, store_conformance};
use rekindle_wasm::platform::{BrowserRuntime, FetchTransport, IndexedDbStore};
use wasm_bindgen::JsCast;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_dedicated_worker);

struct Databases;

#[async_trait(?Send)]
impl StoreFixture for Databases {
    async fn open(&self, name: &str) -> Rc<dyn Store> {
        Rc::new(IndexedDbStore::open(&format!("suite {name}")).await.unwrap())
    }
}

#[wasm_bindgen_test]
async fn the_runtime_passes_the_conformance_suite() {
    runtime_conformance(&BrowserRuntime).await;
}

#[wasm_bindgen_test]
async fn the_store_passes_the_conformance_suite() {
    store_conformance(&Databases).await;
}

#[wasm_bindgen_test]
async fn the_crash_matrix_holds_in_indexed_db() {
    let crashes = recovery_survives_every_crash(&Databases, Rc::new(BrowserRuntime)).await;
    assert!(crashes.iter().filter(|crash| crash.lost > 0).count() >= 3, "none of them died in the middle");
}

#[wasm_bindgen_test]
async fn a_deleted_database_is_not_taken_for_an_empty_one() {
    let store = IndexedDbStore::open("deleted").await.unwrap();
    put(&store, b"key", b"value").await.unwrap();
    // Closes the store's connection under it, as a browser does that needs space.
    IndexedDbStore::delete("deleted").await.unwrap();
    assert_eq!(store.get(b"key").await, Err(StoreError::Gone.into()));
    assert_eq!(put(&store, b"key", b"again").await, Err(StoreError::Gone.into()));
    assert_eq!(store.scan(&Scan::prefix([])).await.err(), Some(StoreError::Gone.into()));
    let anew = IndexedDbStore::open("deleted").await.unwrap();
    assert_eq!(anew.scan(&Scan::prefix([])).await.unwrap().len(), 0);
    IndexedDbStore::delete("deleted").await.unwrap();
    IndexedDbStore::delete("never there").await.unwrap();
}

#[wasm_bindgen_test]
async fn commits_recover_from_a_lost_connection() {
    let store = IndexedDbStore::open("lost").await.unwrap();
    IndexedDbStore::delete("lost").await.unwrap();
    let puts: Vec<[u8; 1]> = (0..10).map(|number| [number]).collect();
    futures::future::try_join_all(puts.iter().map(|key| put(&store, key, b""))).await.unwrap();
    assert_eq!(store.scan(&Scan::prefix([])).await.unwrap().len(), 10);
}

#[wasm_bindgen_test]
async fn a_dropped_commit_happens_entirely() {
    let store = IndexedDbStore::open("dropped").await.unwrap();
    {
        let mut batch = Batch::new();
        for key in 0..100u8 {
            batch.put([key], [key]);
        }
        let commit = store.commit(batch);
        futures::pin_mut!(commit);
        assert!(futures::poll!(commit).is_pending());
    }
    put(&store, b"after", b"").await.unwrap();
    let found = store.scan(&Scan::prefix([])).await.unwrap().len();
    assert!(found == 1 || found == 101, "{found} of 100 writes of a batch happened");
}

#[wasm_bindgen_test]
async fn a_newer_database_is_left_alone() {
    let newer = rexie::Rexie::builder("newer").version(1_000).build().await.unwrap();
    assert_eq!(IndexedDbStore::open("newer").await.err(), Some(StoreError::TooNew.into()));
    newer.close();
}

async fn put(store: &dyn Store, key: &[u8], value: &[u8]) -> StoreResult<()> {
    let mut batch = Batch::new();
    batch.put(key, value);
    store.commit(batch).await
}

/// The server that serves this test, as seen from its worker.
fn origin() -> String {
    let scope: web_sys::WorkerGlobalScope = js_sys::global().unchecked_into();
    scope.location().origin()
}

async fn body(url: String) -> (u16, Vec<u8>) {
    let mut response = FetchTransport.request(Request::get(url)).await.unwrap();
    let mut bytes = Vec::new();
    while let Some(chunk) = response.body.next().await {
        bytes.extend_from_slice(&chunk.unwrap());
    }
    (response.status, bytes)
}

#[wasm_bindgen_test]
async fn fetches_a_body_piece_by_piece() {
    // The module of this very test, a few megabytes. How many pieces it comes in is the browser's choice.
    let url = format!("{}/wasm-bindgen-test_bg.wasm", origin());
    let mut response = FetchTransport.request(Request::get(&url)).await.unwrap();
    assert_eq!(response.status, 200);
    assert_eq!(response.content_type.as_deref(), Some("application/wasm"));
    let first = response.body.next().await.unwrap().unwrap();
    assert!(first.starts_with(b"\0asm"));
    // Leaves the rest where it is.
    drop(response);
    let (_, whole) = body(url.clone()).await;
    assert!(whole.len() > 1 << 20 && whole.starts_with(&first), "{} bytes", whole.len());
    let past_cache = Request { bypass_cache: true, ..Request::get(url) };
    assert_eq!(FetchTransport.request(past_cache).await.unwrap().status, 200);
}

#[wasm_bindgen_test]
async fn any_status_is_an_answer() {
    assert_eq!(body(format!("{}/nothing-here", origin())).await.0, 404);
}

#[wasm_bindgen_test]
async fn unreachable_and_malformed_are_told_apart() {
    let closed = FetchTransport.request(Request::get("http://127.0.0.1:9/")).await.unwrap_err();
    assert!(matches!(closed, TransportError::Unreachable(_)), "{closed:?}");
    for url in ["", "/relative", "http://[", "ftp://host/"] {
        let malformed = FetchTransport.request(Request::get(url)).await.unwrap_err();
        assert!(matches!(malformed, TransportError::InvalidRequest(_)), "{url:?}: {malformed:?}");
    }
}

/// Without the right features of its random number generators this compiles, and traps when it runs.
#[wasm_bindgen_test]
fn keys_are_generated_and_sign() {
    let secret = threshold_crypto::SecretKey::random();
    let public = secret.public_key();
    assert_eq!(public.to_bytes().len(), 48, "real keys, not mock ones");
    assert_ne!(public, threshold_crypto::SecretKey::random().public_key());
    let signature = secret.sign(b"message");
    assert!(public.verify(&signature, b"message"));
    assert!(!public.verify(&signature, b"another"));
}
