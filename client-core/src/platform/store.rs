//! An ordered key-value store with atomic batches.
//!
//! There is no transaction object on purpose. A browser's database commits a transaction by itself
//! as soon as the event loop turns, so a transaction that is open across an `await` would work
//! everywhere but there. A caller reads what it needs, computes, and hands over one [`Batch`].

use async_trait::async_trait;
use thiserror::Error;

/// A key and its value.
pub type KeyValue = (Vec<u8>, Vec<u8>);

/// Why the store did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StoreError {
    /// The platform has no storage here, or denies it (private windows, disabled site data).
    #[error("storage is not available: {0}")]
    Unavailable(String),
    /// The disk or the site's quota is full. Nothing of the batch was written.
    #[error("storage is full")]
    Full,
    /// The connection to the database was lost and could not be opened again.
    #[error("the connection to the database was lost: {0}")]
    ConnectionLost(String),
    /// The database was written by a newer version of this program.
    #[error("the database belongs to a newer version")]
    TooNew,
    /// The database existed and is gone: somebody deleted it, or the browser needed its space.
    #[error("the database was deleted")]
    Gone,
    /// A stored record is not what a store writes.
    #[error("the database is damaged: {0}")]
    Damaged(String),
    /// Anything else; `name` is the platform's name of the error.
    #[error("the database failed: {name}: {message}")]
    Backend {
        /// The platform's name of the error, such as a DOMException's name.
        name: String,
        /// The platform's words.
        message: String,
    },
}

/// What a store gives.
pub type StoreResult<T> = Result<T, Box<StoreError>>;

impl StoreError {
    /// A stable name of this error.
    pub fn code(&self) -> &'static str {
        match self {
            StoreError::Unavailable(_) => "store_unavailable",
            StoreError::Full => "store_full",
            StoreError::ConnectionLost(_) => "store_connection_lost",
            StoreError::TooNew => "store_too_new",
            StoreError::Gone => "store_gone",
            StoreError::Damaged(_) => "store_damaged",
            StoreError::Backend { .. } => "store_failed",
        }
    }
}

/// One change in a [`Batch`].
#[derive(Clone, PartialEq, Eq)]
pub enum Operation {
    /// Sets `key` to `value`, whether or not it existed.
    Put {
        /// Any bytes, also none.
        key: Vec<u8>,
        /// Any bytes, also none.
        value: Vec<u8>,
    },
    /// Removes `key`, which need not exist.
    Delete {
        /// The key.
        key: Vec<u8>,
    },
    /// Removes every key that starts with `prefix`; the empty prefix removes everything.
    DeletePrefix {
        /// The prefix.
        prefix: Vec<u8>,
    },
}

/// Changes that happen all or not at all, in the order in which they were added.
///
/// It has no `Debug`: values may hold secrets.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Batch {
    operations: Vec<Operation>,
}

impl Batch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a write.
    pub fn put(&mut self, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> &mut Self {
        self.operations.push(Operation::Put { key: key.into(), value: value.into() });
        self
    }

    /// Adds a removal.
    pub fn delete(&mut self, key: impl Into<Vec<u8>>) -> &mut Self {
        self.operations.push(Operation::Delete { key: key.into() });
        self
    }

    /// Adds the removal of every key that starts with `prefix`.
    pub fn delete_prefix(&mut self, prefix: impl Into<Vec<u8>>) -> &mut Self {
        self.operations.push(Operation::DeletePrefix { prefix: prefix.into() });
        self
    }

    /// Adds all changes of `other` after this batch's own.
    pub fn append(&mut self, other: Batch) -> &mut Self {
        self.operations.extend(other.operations);
        self
    }

    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// The number of changes.
    pub fn len(&self) -> usize {
        self.operations.len()
    }

    /// The changes in order.
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// The changes in order, by value.
    pub fn into_operations(self) -> Vec<Operation> {
        self.operations
    }
}

/// Which keys a scan gives: those that start with a prefix, in ascending byte order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scan {
    /// Every key starts with it; empty for all keys.
    pub prefix: Vec<u8>,
    /// Only keys at or above this one, if set. It is a whole key, not what follows the prefix.
    pub start: Option<Vec<u8>>,
    /// At most this many, if set.
    pub limit: Option<usize>,
}

impl Scan {
    /// All keys that start with `prefix`.
    pub fn prefix(prefix: impl Into<Vec<u8>>) -> Self {
        Scan { prefix: prefix.into(), start: None, limit: None }
    }

    /// From `key` on (inclusive).
    pub fn from(mut self, key: impl Into<Vec<u8>>) -> Self {
        self.start = Some(key.into());
        self
    }

    /// At most `count` pairs.
    pub fn limit(mut self, count: usize) -> Self {
        self.limit = Some(count);
        self
    }

    /// The smallest key that can match.
    pub fn lower(&self) -> &[u8] {
        match &self.start {
            Some(start) if start > &self.prefix => start,
            _ => &self.prefix,
        }
    }

    /// The first key above all that can match; none if there is no such key.
    pub fn upper(&self) -> Option<Vec<u8>> {
        prefix_end(&self.prefix)
    }
}

/// The smallest key that is greater than every key starting with `prefix`; none if there is none
/// (the prefix is empty or all ones).
pub fn prefix_end(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

/// An ordered key-value store. Keys and values are any bytes; keys are ordered bytewise, a prefix
/// before what it is a prefix of.
#[async_trait(?Send)]
pub trait Store {
    /// The value of `key`, if it exists.
    async fn get(&self, key: &[u8]) -> StoreResult<Option<Vec<u8>>>;

    /// The pairs that `scan` describes, in ascending order of their keys, as they were at one moment.
    async fn scan(&self, scan: &Scan) -> StoreResult<Vec<KeyValue>>;

    /// Applies `batch` in order, all or nothing. When it returns `Ok` the batch is durable as far
    /// as the platform can promise, and every later read sees it. Batches committed concurrently
    /// take effect one after the other.
    ///
    /// If the future is dropped before it completes, the batch has happened entirely or not at all.
    async fn commit(&self, batch: Batch) -> StoreResult<()>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_prefix_is_just_above_it() {
        assert_eq!(prefix_end(b"ab"), Some(b"ac".to_vec()));
        assert_eq!(prefix_end(&[1, 255, 255]), Some(vec![2]));
        assert_eq!(prefix_end(&[255, 255]), None);
        assert_eq!(prefix_end(&[]), None);
    }

    #[test]
    fn a_scan_never_starts_below_its_prefix() {
        assert_eq!(Scan::prefix(b"b").from(b"a").lower(), b"b");
        assert_eq!(Scan::prefix(b"b").from(b"bz").lower(), b"bz");
    }
}
