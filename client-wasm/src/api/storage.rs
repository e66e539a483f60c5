//! The wallets of this browser profile: one database each.

use std::rc::Rc;

use rekindle_client::wallet::{Platform, Wallet};
use wasm_bindgen::prelude::wasm_bindgen;

use super::failure::Failure;
use crate::platform::{BrowserRuntime, FetchTransport, IndexedDbStore};

/// Whether a wallet of this name is stored.
///
/// # Errors
/// Those of the browser's storage.
#[wasm_bindgen(js_name = walletExists)]
pub async fn wallet_exists(name: String) -> Result<bool, Failure> {
    Ok(Wallet::exists(&platform(&name).await?).await?)
}

/// Deletes the stored wallet of this name, also one that can't be opened.
///
/// # Errors
/// Those of the browser's storage.
#[wasm_bindgen(js_name = walletErase)]
pub async fn wallet_erase(name: String) -> Result<(), Failure> {
    Ok(IndexedDbStore::delete(&database(&name)).await?)
}

/// What the wallet of this name runs on.
///
/// # Errors
/// Those of the browser's storage.
pub async fn platform(name: &str) -> Result<Platform, Failure> {
    Ok(Platform {
        store: Rc::new(IndexedDbStore::open(&database(name)).await?),
        transport: Rc::new(FetchTransport),
        runtime: Rc::new(BrowserRuntime),
    })
}

fn database(name: &str) -> String {
    format!("rekindle-{name}")
}
