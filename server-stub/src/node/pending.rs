//! Transactions that were submitted here and wait to be ordered.

use std::collections::{BTreeMap, HashMap};

use redb::{ReadTransaction, WriteTransaction};
use rekindle_protocol::{bytes::TxId, encoding::Canonical, transaction::Transaction};

use crate::db::{DbError, insert_pending, pending_rows, remove_pending};

/// The queue, in memory and in the database, in order of arrival.
#[derive(Default)]
pub(super) struct Pending {
    next: u64,
    rows: BTreeMap<u64, (TxId, Transaction, usize)>,
    by_id: HashMap<TxId, u64>,
}

impl Pending {
    /// What was waiting when the guardian stopped.
    pub fn load(txn: &ReadTransaction) -> Result<Self, DbError> {
        let mut pending = Self::default();
        for (number, bytes) in pending_rows(txn)? {
            let transaction =
                Transaction::from_bytes(&bytes).map_err(|_| DbError::Damaged("pending transaction"))?;
            pending.insert(number, Transaction::id_of_bytes(&bytes), transaction, bytes.len());
            pending.next = number + 1;
        }
        Ok(pending)
    }

    fn insert(&mut self, number: u64, txid: TxId, transaction: Transaction, bytes: usize) {
        self.by_id.insert(txid, number);
        self.rows.insert(number, (txid, transaction, bytes));
    }

    /// Whether a transaction is waiting.
    pub fn contains(&self, txid: &TxId) -> bool {
        self.by_id.contains_key(txid)
    }

    /// Appends a transaction, in the database within a transaction of the caller, and returns its size.
    pub fn push(
        &mut self,
        txn: &WriteTransaction,
        txid: TxId,
        transaction: Transaction,
    ) -> Result<usize, DbError> {
        let bytes = transaction.to_bytes();
        insert_pending(txn, self.next, &bytes)?;
        self.insert(self.next, txid, transaction, bytes.len());
        self.next += 1;
        Ok(bytes.len())
    }

    /// The database rows of those of `decided` that are waiting, deleted within a transaction of the caller.
    pub fn delete<'a>(
        &self,
        txn: &WriteTransaction,
        decided: impl Iterator<Item = &'a TxId>,
    ) -> Result<Vec<u64>, DbError> {
        let rows: Vec<u64> = decided.filter_map(|txid| self.by_id.get(txid).copied()).collect();
        remove_pending(txn, &rows)?;
        Ok(rows)
    }

    /// To be called when that transaction is committed; gives each transaction's id and size.
    pub fn forget(&mut self, rows: &[u64]) -> Vec<(TxId, usize)> {
        let gone: Vec<_> = rows.iter().filter_map(|row| self.rows.remove(row)).collect();
        gone.into_iter()
            .map(|(txid, _, bytes)| {
                self.by_id.remove(&txid);
                (txid, bytes)
            })
            .collect()
    }

    /// Ids and sizes of all that are waiting.
    pub fn iter(&self) -> impl Iterator<Item = (TxId, usize)> {
        self.rows.values().map(|(txid, _, bytes)| (*txid, *bytes))
    }

    /// Whether nothing is waiting.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The first transactions that fit into `limit` bytes together.
    pub fn take_up(&self, limit: usize) -> Vec<Transaction> {
        let mut left = limit;
        let mut taken = Vec::new();
        for (_, transaction, bytes) in self.rows.values() {
            let Some(rest) = left.checked_sub(*bytes) else { break };
            left = rest;
            taken.push(transaction.clone());
        }
        taken
    }
}
