//! The wallet's store in IndexedDB.
//!
//! One database, one object store, bytes as keys and bytes as values: IndexedDB orders binary keys
//! as the wallet's stores must. Its traps decide the rest:
//!
//! - A transaction commits by itself when the event loop turns without a request of its own, so
//!   everything is turned into JavaScript values first, all requests are then queued in one go, and
//!   nothing but the end of the transaction is awaited.
//! - A transaction that is forgotten after an error commits what was written before it, so it is
//!   aborted explicitly.
//! - A future that is dropped takes the callbacks of its requests with it, and a callback that is
//!   gone throws in the browser. So the work runs as a task of its own, and dropping the caller's
//!   future only means that nobody waits for it.
//! - A browser may drop the connection of a tab in the background. A batch has the same effect twice,
//!   so it is tried once more over a new connection.
//! - For want of space, Chromium gives up a transaction none of whose requests failed, and the reason does not get
//!   here. One that is given up over a new connection too has no other.
//! - A browser may delete the whole database when it needs space. Opening it again then makes an empty
//!   one, which must not be mistaken for the wallet's.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use async_trait::async_trait;
use futures::channel::oneshot;
use futures::future::LocalBoxFuture;
use futures::lock::Mutex;
use js_sys::{ArrayBuffer, Uint8Array};
use rekindle_client::platform::{
    Batch, KeyValue, Operation, Scan, Store, StoreError, StoreResult, prefix_end,
};
use rexie::{KeyRange, ObjectStore, Rexie, Transaction, TransactionMode};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::spawn_local;

use super::database_error::{aborted, is_lost_connection, translate};

/// The only object store. A new version of the database must go on listing it, or it is deleted.
const ENTRIES: &str = "entries";

/// The version of the database's layout, not of what the wallet writes into it.
const VERSION: u32 = 1;

/// A store in IndexedDB. Clones share one connection; it closes with the last of them.
#[derive(Clone)]
pub struct IndexedDbStore {
    shared: Rc<Shared>,
}

struct Shared {
    name: String,
    connection: RefCell<Rc<Connection>>,
    /// Held while a connection is being replaced, so that this is done once.
    reopening: Mutex<()>,
    /// Whether the database has ever held anything.
    filled: Cell<bool>,
}

/// An open connection that closes when nobody uses it any more.
struct Connection {
    database: Option<Rexie>,
}

impl IndexedDbStore {
    /// Opens the database called `name`, and creates it if it does not exist.
    pub async fn open(name: &str) -> StoreResult<Self> {
        let connection = RefCell::new(Connection::open(name).await?);
        let shared =
            Shared { name: name.to_owned(), connection, reopening: Mutex::new(()), filled: Cell::new(false) };
        Ok(IndexedDbStore { shared: Rc::new(shared) })
    }

    /// Deletes the database called `name`, which need not exist. Connections to it are closed.
    pub async fn delete(name: &str) -> StoreResult<()> {
        let name = name.to_owned();
        let deleted = detached(Box::pin(async move {
            Rexie::delete(&name).await.map(|()| Vec::new()).map_err(|error| translate(&error))
        }));
        deleted.await.map(drop)
    }

    /// Does a job, once more over a new connection if the first one turns out to be lost.
    async fn run(&self, job: Job) -> StoreResult<Vec<KeyValue>> {
        let shared = self.shared.clone();
        detached(Box::pin(async move {
            let connection = shared.connection.borrow().clone();
            match connection.perform(&job).await {
                Err(error) if is_lost_connection(&error) => {
                    shared.replace(&connection).await?.perform(&job).await
                }
                result => result,
            }
        }))
        .await
    }
}

impl Shared {
    /// The connection to use instead of `lost`.
    async fn replace(&self, lost: &Rc<Connection>) -> StoreResult<Rc<Connection>> {
        let _guard = self.reopening.lock().await;
        let current = self.connection.borrow().clone();
        if !Rc::ptr_eq(&current, lost) {
            return Ok(current);
        }
        let fresh = Connection::open(&self.name).await?;
        if self.filled.get() && fresh.scan(key_range(&[], None)?, Some(1)).await?.is_empty() {
            // It was deleted, and opening it has made an empty one: nothing may be written there as if it were whole.
            drop(fresh);
            Rexie::delete(&self.name).await.map_err(|error| translate(&error))?;
            return Err(StoreError::Gone.into());
        }
        *self.connection.borrow_mut() = fresh.clone();
        Ok(fresh)
    }
}

impl Connection {
    async fn open(name: &str) -> StoreResult<Rc<Self>> {
        let builder = Rexie::builder(name).version(VERSION).add_object_store(ObjectStore::new(ENTRIES));
        let database = builder.build().await.map_err(|error| translate(&error))?;
        Ok(Rc::new(Connection { database: Some(database) }))
    }

    fn begin(&self, mode: TransactionMode) -> StoreResult<(Transaction, rexie::Store)> {
        let closed = || StoreError::ConnectionLost("it is closed".to_owned());
        let database = self.database.as_ref().ok_or_else(closed)?;
        let transaction = database.transaction(&[ENTRIES], mode).map_err(|error| translate(&error))?;
        let store = transaction.store(ENTRIES).map_err(|error| translate(&error))?;
        Ok((transaction, store))
    }

    async fn perform(&self, job: &Job) -> StoreResult<Vec<KeyValue>> {
        match job {
            Job::Read(range, limit) => self.scan(range.clone(), *limit).await,
            Job::Write(writes) => self.commit(writes).await.map(|()| Vec::new()),
        }
    }

    async fn scan(&self, range: KeyRange, limit: Option<u32>) -> StoreResult<Vec<KeyValue>> {
        let (_transaction, store) = self.begin(TransactionMode::ReadOnly)?;
        // In one transaction, so they describe one moment; nothing else is awaited between them, so it stays open.
        let keys = store.get_all_keys(Some(range.clone()), limit).await.map_err(|error| translate(&error))?;
        let values = store.get_all(Some(range), limit).await.map_err(|error| translate(&error))?;
        keys.into_iter().zip(values).map(|(key, value)| Ok((key_bytes(key)?, value_bytes(value)?))).collect()
    }

    async fn commit(&self, writes: &[Write]) -> StoreResult<()> {
        let (transaction, store) = self.begin(TransactionMode::ReadWrite)?;
        let mut requests: Vec<LocalBoxFuture<'_, rexie::Result<()>>> =
            writes.iter().map(|write| write.request(&store)).collect();
        if let Some(error) = poll_each(&mut requests).await {
            // If even this fails the transaction is over already, and not committed.
            let _ = transaction.abort().await;
            return Err(error);
        }
        let done = transaction.done().await;
        if matches!(&done, Ok(result) if result.is_committed()) {
            return Ok(());
        }
        // The request that failed knows why; the transaction often doesn't.
        match (poll_each(&mut requests).await, done) {
            (Some(error), _) => Err(error),
            (None, Err(error)) => Err(translate(&error)),
            (None, Ok(_)) => Err(aborted().into()),
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(database) = self.database.take() {
            database.close();
        }
    }
}

/// What is asked of a database. All of it is of one type, and what it gives too, because every future is code of its own.
enum Job {
    /// The entries in a range of keys, at most so many.
    Read(KeyRange, Option<u32>),
    /// All of these writes, or none.
    Write(Vec<Write>),
}

/// What to write, as JavaScript values. Puts in a row share one future.
enum Write {
    Puts(Vec<(Uint8Array, Uint8Array)>),
    Delete(JsValue),
}

impl Write {
    fn prepare(batch: Batch) -> StoreResult<Vec<Write>> {
        let mut writes = Vec::new();
        for operation in batch.into_operations() {
            match operation {
                Operation::Put { key, value } => {
                    let pair = (js_bytes(&key), js_bytes(&value));
                    match writes.last_mut() {
                        Some(Write::Puts(puts)) => puts.push(pair),
                        _ => writes.push(Write::Puts(vec![pair])),
                    }
                }
                Operation::Delete { key } => writes.push(Write::Delete(js_bytes(&key).into())),
                Operation::DeletePrefix { prefix } => {
                    let range = key_range(&prefix, prefix_end(&prefix))?;
                    writes.push(Write::Delete(range.into()));
                }
            }
        }
        Ok(writes)
    }

    fn request<'a>(&'a self, store: &'a rexie::Store) -> LocalBoxFuture<'a, rexie::Result<()>> {
        match self {
            Write::Puts(puts) => Box::pin(
                store.put_all(puts.iter().map(|(key, value)| (value.into(), Some(JsValue::from(key))))),
            ),
            Write::Delete(keys) => Box::pin(store.delete(keys.clone())),
        }
    }
}

/// Polls each future that is not finished once, in order, which queues its requests, and gives the
/// first error.
async fn poll_each(requests: &mut Vec<LocalBoxFuture<'_, rexie::Result<()>>>) -> Option<Box<StoreError>> {
    poll_fn(|context| {
        let mut first = None;
        requests.retain_mut(|request| match request.as_mut().poll(context) {
            Poll::Pending => true,
            Poll::Ready(result) => {
                first = first.take().or(result.err());
                false
            }
        });
        Poll::Ready(first)
    })
    .await
    .map(|error| translate(&error))
}

/// Runs `work` to its end, even if nobody waits for it any more.
async fn detached(work: LocalBoxFuture<'static, StoreResult<Vec<KeyValue>>>) -> StoreResult<Vec<KeyValue>> {
    let (sender, receiver) = oneshot::channel();
    spawn_local(async move {
        // The receiver is gone if nobody waits.
        let _ = sender.send(work.await);
    });
    receiver.await.unwrap_or_else(|_| Err(StoreError::ConnectionLost("the task ended".to_owned()).into()))
}

/// Keys from `lower` up to but not including `upper`, if there is one.
fn key_range(lower: &[u8], upper: Option<Vec<u8>>) -> StoreResult<KeyRange> {
    let from = js_bytes(lower).into();
    let range = match upper {
        Some(upper) => KeyRange::bound(&from, &js_bytes(&upper).into(), Some(false), Some(true)),
        None => KeyRange::lower_bound(&from, Some(false)),
    };
    range.map_err(|error| translate(&error.into()))
}

fn js_bytes(bytes: &[u8]) -> Uint8Array {
    Uint8Array::from(bytes)
}

fn value_bytes(value: JsValue) -> StoreResult<Vec<u8>> {
    let bytes: Uint8Array =
        value.dyn_into().map_err(|_| StoreError::Damaged("a value is not a byte array".to_owned()))?;
    Ok(bytes.to_vec())
}

fn key_bytes(key: JsValue) -> StoreResult<Vec<u8>> {
    let buffer: ArrayBuffer =
        key.dyn_into().map_err(|_| StoreError::Damaged("a key is not binary".to_owned()))?;
    Ok(Uint8Array::new(&buffer).to_vec())
}

#[async_trait(?Send)]
impl Store for IndexedDbStore {
    async fn get(&self, key: &[u8]) -> StoreResult<Option<Vec<u8>>> {
        let range = KeyRange::only(&js_bytes(key).into()).map_err(|error| translate(&error.into()))?;
        let found = self.run(Job::Read(range, None)).await?.pop();
        self.shared.filled.set(self.shared.filled.get() || found.is_some());
        Ok(found.map(|(_, value)| value))
    }

    async fn scan(&self, scan: &Scan) -> StoreResult<Vec<KeyValue>> {
        let upper = scan.upper();
        // IndexedDB refuses an empty range, and takes a limit of 0 for none.
        if scan.limit == Some(0) || upper.as_deref().is_some_and(|upper| scan.lower() >= upper) {
            return Ok(Vec::new());
        }
        let range = key_range(scan.lower(), upper)?;
        let limit = scan.limit.map(|limit| u32::try_from(limit).unwrap_or(u32::MAX));
        self.run(Job::Read(range, limit)).await
    }

    async fn commit(&self, batch: Batch) -> StoreResult<()> {
        if batch.is_empty() {
            return Ok(());
        }
        match self.run(Job::Write(Write::prepare(batch)?)).await {
            Err(error) if *error == aborted() => return Err(StoreError::Full.into()),
            result => drop(result?),
        }
        self.shared.filled.set(true);
        Ok(())
    }
}
