//! A guardian's database: one file, everything it must not forget.
//!
//! Every change is one write transaction of `redb`, durable when it is committed. A batch from consensus is
//! applied in exactly one: what the ledger changes, the accepted items, the closing of a session and the release
//! of the write-ahead log happen together or not at all. So a crash at any point leaves a state from which the
//! log leads on.
//!
//! Small records are packed: `redb` spends at least a page on a commit, and little on bytes within a page.

mod batches;
mod forged;
mod log;
mod migrations;
mod sessions;
mod state;
mod tables;

use std::path::Path;

use redb::{Builder, Database, ReadTransaction, ReadableDatabase, ReadableTable, WriteTransaction};
use rekindle_protocol::bytes::FederationId;

pub(crate) use batches::{read_batches, release_batches, store_batch, store_certificate};
pub(crate) use forged::{adopt, store_signed};
pub use log::DbLog;
pub use migrations::{Migration, TableGroup, migrate};
pub(crate) use sessions::{
    ClosedSession, accepted_within, append_items, close_session, closed_sessions, is_accepted, last_epoch,
    read_signature, record_accepted, sign_session, take_open_items,
};
pub use sessions::{
    StoredSession, accepted_in, open_items, read_session, recovery_entries, recovery_from, sessions_from,
    signed_bytes,
};
pub(crate) use state::{insert_pending, pending_rows, read_state, remove_pending, write_state};
pub(crate) use tables::create_tables;
use tables::{FEDERATION_KEY, META, SCHEMA_KEY};

/// How much of a database is held in memory, in bytes: what consensus and the ledger touch again and again. History, which is
/// read once and from one end to the other, the operating system caches as part of the file, and memory that a process takes from
/// it page by page costs more than reading.
const CACHE_BYTES: usize = 64 << 20;

/// The tables of consensus and sessions.
const OWN_TABLES: TableGroup = TableGroup { name: "consensus", key: SCHEMA_KEY, migrations: &[] };

/// What can go wrong with the database. None of it is caused by a peer or a wallet.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// Reading or writing failed.
    #[error("the database failed: {0}")]
    Redb(Box<redb::Error>),
    /// Written by a newer version of this software.
    #[error(
        "the database was written by a newer version of this software: its {group} tables have version {found}, \
         this one knows up to {known}"
    )]
    TooNew {
        /// Which tables.
        group: &'static str,
        /// The version found.
        found: u32,
        /// The newest version that is known.
        known: u32,
    },
    /// It belongs to another federation or guardian.
    #[error("the database belongs to another guardian")]
    Foreign,
    /// A record does not decode.
    #[error("the database is damaged: {0}")]
    Damaged(&'static str),
}

impl<E: Into<redb::Error>> From<E> for DbError {
    fn from(error: E) -> Self {
        Self::Redb(Box::new(error.into()))
    }
}

/// One guardian's database.
pub struct Db(Database);

impl Db {
    /// Opens the database at `path` for guardian `id` of `federation`, creating it where there is none.
    ///
    /// # Errors
    /// [`DbError`]; a database of another guardian or a newer schema is left untouched.
    pub fn open(path: &Path, federation: &FederationId, id: u16) -> Result<Self, DbError> {
        open_file(path, |database| Self::prepare(database, federation, id))
    }

    /// Makes sure that a database is this guardian's and has all tables.
    pub(crate) fn prepare(database: Database, federation: &FederationId, id: u16) -> Result<Self, DbError> {
        let db = Self(database);
        let owner = owner(federation, id);
        let txn = db.write()?;
        migrate(&txn, &[OWN_TABLES])?;
        {
            let mut meta = txn.open_table(META)?;
            let found = meta.get(FEDERATION_KEY)?.map(|value| value.value() == owner);
            match found {
                None => _ = meta.insert(FEDERATION_KEY, owner.as_slice())?,
                Some(true) => {}
                Some(false) => return Err(DbError::Foreign),
            }
        }
        create_tables(&txn)?;
        txn.commit()?;
        Ok(db)
    }

    /// A consistent view of everything committed so far.
    ///
    /// # Errors
    /// If the database fails.
    pub fn read(&self) -> Result<ReadTransaction, DbError> {
        Ok(self.0.begin_read()?)
    }

    /// The one write transaction; waits for the one before to end. Dropped without commit it changes nothing.
    ///
    /// # Errors
    /// If the database fails.
    pub fn write(&self) -> Result<WriteTransaction, DbError> {
        Ok(self.0.begin_write()?)
    }
}

/// Opens the database at `path`, creating it where there is none. `prepare` makes sure that it has all it needs.
///
/// # Errors
/// [`DbError`], also what `prepare` fails with.
pub(crate) fn open_file<T>(
    path: &Path,
    prepare: impl Fn(Database) -> Result<T, DbError>,
) -> Result<T, DbError> {
    if !path.exists() {
        // A file that was not written to its end is no database: it gets its name when it is one.
        let unfinished = path.with_extension("new");
        std::fs::File::create(&unfinished)?;
        drop(prepare(Builder::new().set_cache_size(CACHE_BYTES).create(&unfinished)?)?);
        std::fs::rename(&unfinished, path)?;
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::File::open(folder)?.sync_all()?;
        }
    }
    prepare(Builder::new().set_cache_size(CACHE_BYTES).open(path)?)
}

/// Whose database it is, as [`META`] has it.
fn owner(federation: &FederationId, id: u16) -> Vec<u8> {
    [federation.0.as_slice(), &id.to_le_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn belongs_to_one_guardian_and_schema() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db");
        let federation = FederationId([1; 32]);
        let db = Db::open(&path, &federation, 2).unwrap();
        drop(db);
        assert!(Db::open(&path, &federation, 2).is_ok());
        assert!(matches!(Db::open(&path, &federation, 3), Err(DbError::Foreign)));
        let db = Db::open(&path, &federation, 2).unwrap();
        let txn = db.write().unwrap();
        txn.open_table(META).unwrap().insert(SCHEMA_KEY, 2u32.to_le_bytes().as_slice()).unwrap();
        txn.commit().unwrap();
        drop(db);
        assert!(matches!(
            Db::open(&path, &federation, 2),
            Err(DbError::TooNew { group: "consensus", found: 2, known: 1 })
        ));
    }
}
