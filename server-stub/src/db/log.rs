//! The write-ahead log of consensus in the database.

use std::{collections::BTreeMap, sync::Arc};

use redb::WriteTransaction;
use rekindle_protocol::encoding::{Canonical, Decoder};

use super::{Db, DbError, tables::LOG};
use crate::consensus::{Record, WriteAheadLog};

/// A [`WriteAheadLog`] in a guardian's database. All records of one durable write are one row.
pub struct DbLog {
    db: Arc<Db>,
    next: u64,
    /// For each row the highest epoch in it.
    epochs: BTreeMap<u64, u64>,
}

impl DbLog {
    /// The log in `db`.
    ///
    /// # Errors
    /// If the database fails or is damaged.
    pub fn open(db: Arc<Db>) -> Result<Self, DbError> {
        let mut epochs = BTreeMap::new();
        for row in db.read()?.open_table(LOG)?.range::<u64>(..)? {
            let (number, value) = row?;
            let (epoch, _) = split(value.value())?;
            epochs.insert(number.value(), epoch);
        }
        let next = epochs.last_key_value().map_or(0, |(number, _)| number + 1);
        Ok(Self { db, next, epochs })
    }

    /// The rows that hold nothing of `epoch` or later, to be passed to [`DbLog::release`].
    pub fn released_by(&self, epoch: u64) -> Vec<u64> {
        self.epochs.iter().filter(|(_, highest)| **highest < epoch).map(|(number, _)| *number).collect()
    }

    /// Deletes rows within a transaction of the caller.
    ///
    /// # Errors
    /// If the database fails.
    pub fn release(txn: &WriteTransaction, rows: &[u64]) -> Result<(), DbError> {
        let mut table = txn.open_table(LOG)?;
        for row in rows {
            table.remove(row)?;
        }
        Ok(())
    }

    /// To be called when that transaction is committed.
    pub fn forget(&mut self, rows: &[u64]) {
        for row in rows {
            self.epochs.remove(row);
        }
    }
}

fn split(value: &[u8]) -> Result<(u64, &[u8]), DbError> {
    let (epoch, records) = value.split_first_chunk().ok_or(DbError::Damaged("consensus log"))?;
    Ok((u64::from_le_bytes(*epoch), records))
}

impl WriteAheadLog for DbLog {
    type Error = DbError;

    fn append(&mut self, records: &[Record]) -> Result<(), DbError> {
        let Some(epoch) = records.iter().map(Record::epoch).max() else { return Ok(()) };
        let mut value = epoch.to_le_bytes().to_vec();
        for record in records {
            value.extend(record.to_bytes());
        }
        let txn = self.db.write()?;
        txn.open_table(LOG)?.insert(self.next, value.as_slice())?;
        txn.commit()?;
        self.epochs.insert(self.next, epoch);
        self.next += 1;
        Ok(())
    }

    fn load(&self) -> Result<Vec<Record>, DbError> {
        let mut records = Vec::new();
        for row in self.db.read()?.open_table(LOG)?.range::<u64>(..)? {
            let (_, value) = row?;
            let (_, rest) = split(value.value())?;
            let mut decoder = Decoder::new(rest);
            while !decoder.rest().is_empty() {
                records.push(decoder.value().ok_or(DbError::Damaged("consensus log"))?);
            }
        }
        Ok(records)
    }
}

#[cfg(test)]
mod tests {
    use rekindle_protocol::bytes::FederationId;

    use super::*;

    fn message(epoch: u64) -> Record {
        Record::Message { epoch, from: 1, bytes: vec![7; 3] }
    }

    #[test]
    fn keeps_order_over_restarts_and_releases_whole_rows() {
        let dir = tempfile::tempdir().unwrap();
        let open = || Arc::new(Db::open(&dir.path().join("db"), &FederationId([1; 32]), 0).unwrap());
        let proposal = Record::Proposal { epoch: 0, seed: [3; 32], contribution: vec![1] };
        let mut log = DbLog::open(open()).unwrap();
        log.append(&[proposal.clone(), message(1)]).unwrap();
        log.append(&[message(0)]).unwrap();
        drop(log);
        let mut log = DbLog::open(open()).unwrap();
        log.append(&[message(2)]).unwrap();
        assert_eq!(log.load().unwrap(), [proposal.clone(), message(1), message(0), message(2)]);
        // The first row still holds a record of epoch 1.
        let rows = log.released_by(1);
        assert_eq!(rows, [1]);
        let txn = log.db.write().unwrap();
        DbLog::release(&txn, &rows).unwrap();
        txn.commit().unwrap();
        log.forget(&rows);
        assert_eq!(log.load().unwrap(), [proposal, message(1), message(2)]);
        assert_eq!(log.released_by(3), [0, 2]);
    }
}
