//! The wallet's store in IndexedDB.
//!
//! One database, one object store, bytes as keys and bytes as values: IndexedDB orders binary keys
//! as the wallet's stores must. Its traps decide the rest:
//!
//! - A transaction commits by itself when the event loop turns without a request of its own, so all
//!   requests are made in one go, and nothing but the end of the transaction is awaited.
//! - A transaction that is forgotten after a call that threw commits what was written before it, so it is
//!   aborted explicitly.
//! - The browser goes on with what was asked of it, whether or not somebody waits: a future that is dropped
//!   changes nothing.
//! - A browser may drop the connection of a tab in the background. A batch has the same effect twice,
//!   so it is tried once more over a new connection.
//! - For want of space, Chromium may give up a transaction none of whose requests failed, and not say why. One that is
//!   given up over a new connection too has no other reason.
//! - A browser may delete the whole database when it needs space. Opening it again then makes an empty
//!   one, which must not be mistaken for the wallet's.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use async_trait::async_trait;
use futures::lock::Mutex;
use js_sys::{Array, ArrayBuffer, Promise, Uint8Array};
use rekindle_client::platform::{Batch, KeyValue, Operation, Scan, Store, StoreError, prefix_end};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{IdbKeyRange, IdbObjectStore, IdbTransactionMode};

use super::database::{Database, answer, committed, result, wait};
use super::database_error::{aborted, is_lost_connection, translate};

/// A store in IndexedDB. Clones share one connection; it closes with the last of them.
#[derive(Clone)]
pub struct IndexedDbStore {
    shared: Rc<Shared>,
}

struct Shared {
    name: String,
    database: RefCell<Rc<Database>>,
    /// Held while a connection is being replaced, so that this is done once.
    reopening: Mutex<()>,
    /// Whether the database has ever held anything.
    filled: Cell<bool>,
}

/// Asks something of a database, without waiting.
type Ask<'a> = &'a dyn Fn(&Database) -> Result<Promise, JsValue>;

impl IndexedDbStore {
    /// Opens the database called `name`, and creates it if it does not exist.
    pub async fn open(name: &str) -> Result<Self, StoreError> {
        let name = name.to_owned();
        let database = RefCell::new(Rc::new(Database::open(name.clone()).await?));
        let shared = Shared { name, database, reopening: Mutex::new(()), filled: Cell::new(false) };
        Ok(IndexedDbStore { shared: Rc::new(shared) })
    }

    /// Deletes the database called `name`, which need not exist. Connections to it are closed.
    pub async fn delete(name: &str) -> Result<(), StoreError> {
        Database::delete(name).await
    }

    /// Asks, once more over a new connection if the first one turns out to be lost.
    async fn ask(&self, ask: Ask<'_>) -> Result<JsValue, StoreError> {
        let database = self.shared.database.borrow().clone();
        match ask_once(&database, ask).await {
            Err(error) if is_lost_connection(&error) => {
                ask_once(&*self.shared.replace(&database).await?, ask).await
            }
            answered => answered,
        }
    }
}

async fn ask_once(database: &Database, ask: Ask<'_>) -> Result<JsValue, StoreError> {
    wait(ask(database).map_err(|error| translate(&error))?).await
}

impl Shared {
    /// The connection to use instead of `lost`.
    async fn replace(&self, lost: &Rc<Database>) -> Result<Rc<Database>, StoreError> {
        let _guard = self.reopening.lock().await;
        let current = self.database.borrow().clone();
        if !Rc::ptr_eq(&current, lost) {
            return Ok(current);
        }
        let fresh = Rc::new(Database::open(self.name.clone()).await?);
        if self.filled.get() {
            let count = ask_once(&fresh, &|database| Ok(answer(&read(database)?.count()?))).await?;
            if result(&count) == 0 {
                // It was deleted, and opening it has made an empty one: nothing may be written there as if it were whole.
                drop(fresh);
                Database::delete(&self.name).await?;
                return Err(StoreError::Gone);
            }
        }
        *self.database.borrow_mut() = fresh.clone();
        Ok(fresh)
    }
}

fn read(database: &Database) -> Result<IdbObjectStore, JsValue> {
    let (_, entries) = database.begin(IdbTransactionMode::Readonly)?;
    Ok(entries)
}

fn write(entries: &IdbObjectStore, operation: &Operation) -> Result<(), JsValue> {
    match operation {
        Operation::Put { key, value } => drop(entries.put_with_key(&js_bytes(value), &js_bytes(key))?),
        Operation::Delete { key } => drop(entries.delete(&js_bytes(key))?),
        Operation::DeletePrefix { prefix } => drop(entries.delete(&key_range(prefix, prefix_end(prefix))?)?),
    }
    Ok(())
}

/// Keys from `lower` up to but not including `upper`, if there is one.
fn key_range(lower: &[u8], upper: Option<Vec<u8>>) -> Result<JsValue, JsValue> {
    let lower = js_bytes(lower);
    let range = match upper {
        Some(upper) => {
            IdbKeyRange::bound_with_lower_open_and_upper_open(&lower, &js_bytes(&upper), false, true)
        }
        None => IdbKeyRange::lower_bound(&lower),
    };
    range.map(JsValue::from)
}

fn js_bytes(bytes: &[u8]) -> JsValue {
    Uint8Array::from(bytes).into()
}

fn value_bytes(value: JsValue) -> Result<Vec<u8>, StoreError> {
    let bytes: Uint8Array =
        value.dyn_into().map_err(|_| StoreError::Damaged("a value is not a byte array".to_owned()))?;
    Ok(bytes.to_vec())
}

fn key_bytes(key: JsValue) -> Result<Vec<u8>, StoreError> {
    let buffer: ArrayBuffer =
        key.dyn_into().map_err(|_| StoreError::Damaged("a key is not binary".to_owned()))?;
    Ok(Uint8Array::new(&buffer).to_vec())
}

#[async_trait(?Send)]
impl Store for IndexedDbStore {
    async fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let found = self.ask(&|database| Ok(answer(&read(database)?.get(&js_bytes(key))?))).await?;
        let value = result(&found);
        if value.is_undefined() {
            return Ok(None);
        }
        self.shared.filled.set(true);
        value_bytes(value).map(Some)
    }

    async fn scan(&self, scan: &Scan) -> Result<Vec<KeyValue>, StoreError> {
        let upper = scan.upper();
        // IndexedDB refuses an empty range, and takes a limit of 0 for none.
        if scan.limit == Some(0) || upper.as_deref().is_some_and(|upper| scan.lower() >= upper) {
            return Ok(Vec::new());
        }
        let limit = scan.limit.map_or(0, |limit| u32::try_from(limit).unwrap_or(u32::MAX));
        let found = self
            .ask(&|database| {
                let (range, entries) = (key_range(scan.lower(), upper.clone())?, read(database)?);
                // In one transaction, so they describe one moment.
                let keys = entries.get_all_keys_with_key_and_limit(&range, limit)?;
                let values = entries.get_all_with_key_and_limit(&range, limit)?;
                Ok(Promise::all(&Array::of2(&answer(&keys), &answer(&values))))
            })
            .await?;
        let [keys, values] = [0, 1].map(|at| Array::from(&result(&found.unchecked_ref::<Array>().get(at))));
        keys.iter()
            .zip(values.iter())
            .map(|(key, value)| Ok((key_bytes(key)?, value_bytes(value)?)))
            .collect()
    }

    async fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        if batch.is_empty() {
            return Ok(());
        }
        let ask = |database: &Database| {
            let (transaction, entries) = database.begin(IdbTransactionMode::Readwrite)?;
            let written = batch.operations().iter().try_for_each(|operation| write(&entries, operation));
            if let Err(error) = written {
                // If even this fails the transaction is over already, and not committed.
                let _ = transaction.abort();
                return Err(error);
            }
            Ok(committed(&transaction))
        };
        match self.ask(&ask).await {
            Err(error) if error == aborted() => return Err(StoreError::Full),
            result => drop(result?),
        }
        self.shared.filled.set(true);
        Ok(())
    }
}
