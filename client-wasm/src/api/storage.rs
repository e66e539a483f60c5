//! The wallets of this browser profile: one database each.

use std::rc::Rc;

use js_sys::JsString;
use rekindle_client::store::{Costs, SealedStore};
use rekindle_client::wallet::{Platform, Wallet, WalletError};
use wasm_bindgen::prelude::wasm_bindgen;

use super::failure::Failure;
use crate::platform::{BrowserRuntime, FetchTransport, IndexedDbStore};

/// Whether a wallet of this name is stored.
///
/// # Errors
/// Those of the browser's storage.
#[wasm_bindgen(js_name = walletExists)]
pub async fn wallet_exists(name: JsString) -> Result<bool, Failure> {
    Ok(Wallet::exists(&platform(&String::from(name)).await?).await?)
}

/// Deletes the stored wallet of this name, also one that can't be opened.
///
/// # Errors
/// Those of the browser's storage.
#[wasm_bindgen(js_name = walletErase)]
pub async fn wallet_erase(name: JsString) -> Result<(), Failure> {
    Ok(IndexedDbStore::delete(&database(&String::from(name))).await?)
}

/// What a wallet runs on, and its store by its own type.
pub struct Opened {
    /// What the wallet runs on.
    pub platform: Platform,
    /// Its store.
    pub store: Rc<SealedStore>,
}

/// What a new wallet of this name runs on, sealed if there is a passphrase. Nothing is stored yet.
///
/// # Errors
/// `wallet_exists`, `out_of_memory`, those of the browser's storage.
pub async fn create(name: &str, passphrase: Option<&str>) -> Result<Opened, Failure> {
    let platform = platform(name).await?;
    if Wallet::exists(&platform).await? {
        return Err(WalletError::WalletExists.into());
    }
    let (store, runtime) = (platform.store.clone(), platform.runtime.clone());
    let sealed = SealedStore::create(store, runtime, passphrase, Costs::default())?;
    Ok(opened(platform, sealed))
}

/// What the stored wallet of this name runs on.
///
/// # Errors
/// `wallet_locked`, `passphrase_wrong`, `out_of_memory`, those of the browser's storage.
pub async fn open(name: &str, passphrase: Option<&str>) -> Result<Opened, Failure> {
    let platform = platform(name).await?;
    let sealed = SealedStore::open(platform.store.clone(), platform.runtime.clone(), passphrase).await?;
    Ok(opened(platform, sealed))
}

fn opened(platform: Platform, sealed: SealedStore) -> Opened {
    let store = Rc::new(sealed);
    Opened { platform: Platform { store: store.clone(), ..platform }, store }
}

async fn platform(name: &str) -> Result<Platform, Failure> {
    Ok(Platform {
        store: Rc::new(IndexedDbStore::open(&database(name)).await?),
        transport: Rc::new(FetchTransport),
        runtime: Rc::new(BrowserRuntime),
    })
}

fn database(name: &str) -> String {
    format!("rekindle-{name}")
}
