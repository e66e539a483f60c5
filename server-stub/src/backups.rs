//! What wallets store at this guardian: their sealed backups, one for each backup key.
//!
//! They have a database of their own, so that what strangers write never waits in front of consensus, takes its
//! space, or is lost together with it. Nothing in it is agreed upon: each guardian keeps what wallets send it.

use std::path::Path;

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};
use rekindle_protocol::{backup::Backup, bytes::SchnorrKey, encoding::Canonical};

use crate::db::{DbError, TableGroup, migrate, open_file};

/// Backup key -> the encoded [`Backup`].
const BACKUPS: TableDefinition<&[u8; SchnorrKey::LEN], &[u8]> = TableDefinition::new("backups");
/// How many backups there are, and their bytes.
const USAGE: TableDefinition<(), (u64, u64)> = TableDefinition::new("backups_usage");

const TABLES: TableGroup = TableGroup { name: "backups", key: "schema/backups", migrations: &[] };

/// The backups of wallets.
pub struct Backups {
    database: Database,
    quota: u64,
}

/// How much is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Wallets that have a backup.
    pub backups: u64,
    /// Bytes of all backups.
    pub bytes: u64,
}

/// Why a backup was not stored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The space for backups is used up.
    #[error("there is no room for more backups")]
    Full,
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl Backups {
    /// Opens the database at `path`, creating it where there is none. All backups together may take `quota` bytes;
    /// what the file takes on the disk is up to twice that.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn open(path: &Path, quota: u64) -> Result<Self, DbError> {
        open_file(path, |database| {
            let txn = database.begin_write()?;
            migrate(&txn, &[TABLES])?;
            // Readers never meet a missing table.
            txn.open_table(BACKUPS)?;
            txn.open_table(USAGE)?;
            txn.commit()?;
            Ok(Self { database, quota })
        })
    }

    /// The backup under a key.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn read(&self, key: &SchnorrKey) -> Result<Option<Backup>, DbError> {
        let table = self.database.begin_read()?.open_table(BACKUPS)?;
        table.get(&key.0)?.map(|bytes| decode(bytes.value())).transpose()
    }

    /// How much is stored.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn usage(&self) -> Result<Usage, DbError> {
        let table = self.database.begin_read()?.open_table(USAGE)?;
        Ok(table.get(())?.map(|usage| usage.value().into()).unwrap_or_default())
    }

    /// Stores a backup, unless one of the same or a higher version is there, and says which version is stored then. It
    /// survives a crash once this returns. The signature must have been verified.
    ///
    /// # Errors
    /// [`BackupError`]; what was stored before stays.
    pub fn write(&self, key: &SchnorrKey, backup: &Backup) -> Result<u64, BackupError> {
        let txn = self.database.begin_write().map_err(DbError::from)?;
        let version = self.replace(&txn, key, backup)?;
        txn.commit().map_err(DbError::from)?;
        Ok(version)
    }

    fn replace(&self, txn: &WriteTransaction, key: &SchnorrKey, backup: &Backup) -> Result<u64, BackupError> {
        let mut table = txn.open_table(BACKUPS).map_err(DbError::from)?;
        let known = table
            .get(&key.0)
            .map_err(DbError::from)?
            .map(|bytes| decode(bytes.value()).map(|known| (known.version, bytes.value().len() as u64)))
            .transpose()?;
        if let Some((version, _)) = known.filter(|(version, _)| *version >= backup.version) {
            return Ok(version);
        }
        let bytes = backup.to_bytes();
        let mut usage = txn.open_table(USAGE).map_err(DbError::from)?;
        let before: Usage =
            usage.get(()).map_err(DbError::from)?.map(|usage| usage.value().into()).unwrap_or_default();
        let after = Usage {
            backups: before.backups + u64::from(known.is_none()),
            bytes: before.bytes.saturating_sub(known.map_or(0, |(_, length)| length)) + bytes.len() as u64,
        };
        // Who has a backup can bring it up to date as long as it does not grow, however full it is.
        if after.bytes > self.quota && after.bytes > before.bytes {
            return Err(BackupError::Full);
        }
        table.insert(&key.0, bytes.as_slice()).map_err(DbError::from)?;
        usage.insert((), (after.backups, after.bytes)).map_err(DbError::from)?;
        Ok(backup.version)
    }
}

impl From<(u64, u64)> for Usage {
    fn from((backups, bytes): (u64, u64)) -> Self {
        Self { backups, bytes }
    }
}

fn decode(bytes: &[u8]) -> Result<Backup, DbError> {
    Backup::from_bytes(bytes).map_err(|_| DbError::Damaged("backup"))
}

#[cfg(test)]
mod tests {
    use rekindle_protocol::bytes::SchnorrSignature;

    use super::*;

    fn backup(version: u64, length: usize) -> Backup {
        Backup { version, sealed: vec![version as u8; length], signature: SchnorrSignature([9; 64]) }
    }

    /// What a backup takes besides what is sealed in it.
    const AROUND: u64 = 8 + 4 + 64;

    fn key(number: u8) -> SchnorrKey {
        SchnorrKey([number; 32])
    }

    #[test]
    fn versions_rise_and_survive_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("backups.redb");
        let open = || Backups::open(&path, 1 << 20).unwrap();
        let backups = open();
        assert_eq!(backups.read(&key(1)).unwrap(), None);
        assert_eq!(backups.write(&key(1), &backup(5, 4096)).unwrap(), 5);
        // Neither an older one nor another one of the same version.
        assert_eq!(backups.write(&key(1), &backup(4, 4096)).unwrap(), 5);
        assert_eq!(backups.write(&key(1), &backup(5, 16384)).unwrap(), 5);
        assert_eq!(backups.read(&key(1)).unwrap(), Some(backup(5, 4096)));
        assert_eq!(backups.write(&key(1), &backup(6, 4096)).unwrap(), 6);
        assert_eq!(backups.write(&key(2), &backup(1, 4096)).unwrap(), 1);
        drop(backups);
        let backups = open();
        assert_eq!(backups.read(&key(1)).unwrap(), Some(backup(6, 4096)));
        assert_eq!(backups.read(&key(2)).unwrap(), Some(backup(1, 4096)));
        assert_eq!(backups.usage().unwrap(), Usage { backups: 2, bytes: 2 * (4096 + AROUND) });
    }

    #[test]
    fn no_more_is_stored_than_there_is_room_for() {
        let dir = tempfile::tempdir().unwrap();
        let small = 4096 + AROUND;
        let backups = Backups::open(&dir.path().join("backups.redb"), 2 * small).unwrap();
        backups.write(&key(1), &backup(1, 4096)).unwrap();
        assert!(matches!(backups.write(&key(2), &backup(1, 16384)), Err(BackupError::Full)));
        assert_eq!(backups.read(&key(2)).unwrap(), None);
        backups.write(&key(2), &backup(1, 4096)).unwrap();
        assert!(matches!(backups.write(&key(3), &backup(1, 4096)), Err(BackupError::Full)));
        // Who is in can go on, within the same room.
        assert_eq!(backups.write(&key(1), &backup(2, 4096)).unwrap(), 2);
        assert!(matches!(backups.write(&key(1), &backup(3, 16384)), Err(BackupError::Full)));
        assert_eq!(backups.read(&key(1)).unwrap(), Some(backup(2, 4096)));
        assert_eq!(backups.usage().unwrap(), Usage { backups: 2, bytes: 2 * small });
    }
}
