//! An open IndexedDB database, and what it is asked as promises.

use futures::channel::oneshot;
use js_sys::Promise;
use rekindle_client::platform::StoreError;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{IdbDatabase, IdbFactory, IdbObjectStore, IdbRequest, IdbTransaction, IdbTransactionMode};

use super::database_error::{field, translate};

/// The only object store. A new version of the database must go on having it.
const ENTRIES: &str = "entries";

/// The version of the database's layout, not of what the wallet writes into it.
const VERSION: u32 = 1;

/// An open connection; dropping it closes it.
pub(super) struct Database {
    connection: IdbDatabase,
    /// Lets another tab's upgrade or a deletion go on.
    _on_version_change: Closure<dyn Fn()>,
}

impl Database {
    /// Opens the database called `name`, and creates it if it does not exist.
    pub(super) async fn open(name: String) -> Result<Self, StoreError> {
        let (sender, opened) = oneshot::channel();
        // Of its own, so that a connection is closed again if it opens when nobody waits for it any more.
        spawn_local(async move { drop(sender.send(open(&name).await)) });
        let opened = opened.await.unwrap_or_else(|_| Err(JsValue::UNDEFINED));
        opened.map_err(|error| translate(&error))
    }

    /// Deletes the database called `name`, which need not exist.
    pub(super) async fn delete(name: &str) -> Result<(), StoreError> {
        let request = factory().delete_database(name).map_err(|error| translate(&error))?;
        wait(answer(&request)).await.map(drop)
    }

    /// Begins a transaction, which commits by itself once nothing is asked of it any more.
    pub(super) fn begin(
        &self,
        mode: IdbTransactionMode,
    ) -> Result<(IdbTransaction, IdbObjectStore), JsValue> {
        let transaction = self.connection.transaction_with_str_and_mode(ENTRIES, mode)?;
        let entries = transaction.object_store(ENTRIES)?;
        Ok((transaction, entries))
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.connection.set_onversionchange(None);
        self.connection.close();
    }
}

async fn open(name: &str) -> Result<Database, JsValue> {
    let request = factory().open_with_u32(name, VERSION)?;
    let upgraded = request.clone();
    let on_upgrade = Closure::<dyn Fn()>::new(move || {
        if let Ok(connection) = upgraded.result() {
            // Fails only if the object store is there.
            let _ = connection.unchecked_into::<IdbDatabase>().create_object_store(ENTRIES);
        }
    });
    request.set_onupgradeneeded(Some(on_upgrade.as_ref().unchecked_ref()));
    let opened = JsFuture::from(answer(&request)).await?;
    let connection: IdbDatabase = result(&opened).unchecked_into();
    let closed = connection.clone();
    let on_version_change = Closure::<dyn Fn()>::new(move || closed.close());
    connection.set_onversionchange(Some(on_version_change.as_ref().unchecked_ref()));
    Ok(Database { connection, _on_version_change: on_version_change })
}

/// The browser's databases. Where there are none, calling them is a `TypeError`.
fn factory() -> IdbFactory {
    field(&js_sys::global(), "indexedDB").unchecked_into()
}

/// The event of a request's success.
pub(super) fn answer(request: &IdbRequest) -> Promise {
    Promise::new(&mut |resolve, reject| {
        request.set_onsuccess(Some(&resolve));
        request.set_onerror(Some(&reject));
    })
}

/// The event of a transaction's commit. A request that fails makes the transaction fail.
pub(super) fn committed(transaction: &IdbTransaction) -> Promise {
    Promise::new(&mut |resolve, reject| {
        transaction.set_oncomplete(Some(&resolve));
        transaction.set_onabort(Some(&reject));
    })
}

/// What a request gave, by the event of its success.
pub(super) fn result(event: &JsValue) -> JsValue {
    field(&field(event, "target"), "result")
}

/// Waits for a promise of this module.
pub(super) async fn wait(promise: Promise) -> Result<JsValue, StoreError> {
    JsFuture::from(promise).await.map_err(|error| translate(&error))
}
