//! Bringing a database to the layout that this version knows.
//!
//! Tables come in groups, one for the guardian itself and one for each module, and each group has a version that is
//! stored beside it. A database starts with version 1 of each; a change of a group's layout comes as a migration from
//! the version before, so that any older database can be brought up. All of it happens in one transaction.
//! A database that a newer version of this software has written is refused and left as it is.

use redb::{ReadableTable, WriteTransaction};
use tracing::info;

use super::{DbError, tables::META};

/// Changes a group's tables from one version to the next.
pub type Migration = fn(&WriteTransaction) -> Result<(), DbError>;

/// Tables that change together.
#[derive(Clone, Copy)]
pub struct TableGroup {
    /// Its name, for people.
    pub name: &'static str,
    /// Where its version is kept, in [`META`].
    pub key: &'static str,
    /// The migrations from version 1 on. Those that have been released stay for ever.
    pub migrations: &'static [Migration],
}

impl TableGroup {
    /// The version that this software knows.
    pub const fn version(&self) -> u32 {
        // Nobody writes so many migrations.
        1 + self.migrations.len() as u32
    }

    fn stored(&self, txn: &WriteTransaction) -> Result<Option<u32>, DbError> {
        let Some(bytes) = txn.open_table(META)?.get(self.key)?.map(|value| value.value().to_vec()) else {
            return Ok(None);
        };
        let bytes = bytes.try_into().map_err(|_| DbError::Damaged("schema version"))?;
        Ok(Some(u32::from_le_bytes(bytes)))
    }
}

/// Brings the groups to the versions that this software knows.
///
/// # Errors
/// [`DbError::TooNew`] if any has a newer one, before anything is changed; or what a migration fails with.
pub fn migrate(txn: &WriteTransaction, groups: &[TableGroup]) -> Result<(), DbError> {
    let mut stored = Vec::new();
    for group in groups {
        let found = group.stored(txn)?;
        let (name, known) = (group.name, group.version());
        match found {
            Some(0) => return Err(DbError::Damaged("schema version")),
            Some(found) if found > known => return Err(DbError::TooNew { group: name, found, known }),
            _ => stored.push(found),
        }
    }
    for (group, found) in groups.iter().zip(stored) {
        let from = found.unwrap_or(1);
        // At least 1 and at most the number of migrations and one.
        for migration in group.migrations.iter().skip(from as usize - 1) {
            migration(txn)?;
        }
        if found != Some(group.version()) {
            if found.is_some() {
                info!("database: {} migrated from version {from} to {}", group.name, group.version());
            }
            txn.open_table(META)?.insert(group.key, group.version().to_le_bytes().as_slice())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use redb::{ReadableDatabase, TableDefinition};

    use super::*;

    const NUMBERS: TableDefinition<u64, u64> = TableDefinition::new("numbers");
    const TEXTS: TableDefinition<u64, &str> = TableDefinition::new("texts");

    /// Version 2 counts in tens.
    fn tens(txn: &WriteTransaction) -> Result<(), DbError> {
        let mut table = txn.open_table(NUMBERS)?;
        let rows: Vec<(u64, u64)> = table
            .range::<u64>(..)?
            .map(|row| row.map(|(key, value)| (key.value(), value.value())))
            .collect::<Result<_, _>>()?;
        for (key, value) in rows {
            table.insert(key, value * 10)?;
        }
        Ok(())
    }

    /// Version 3 writes them out.
    fn texts(txn: &WriteTransaction) -> Result<(), DbError> {
        let (numbers, mut texts) = (txn.open_table(NUMBERS)?, txn.open_table(TEXTS)?);
        for row in numbers.range::<u64>(..)? {
            let (key, value) = row?;
            texts.insert(key.value(), value.value().to_string().as_str())?;
        }
        drop(numbers);
        drop(texts);
        txn.delete_table(NUMBERS)?;
        Ok(())
    }

    fn fails(_: &WriteTransaction) -> Result<(), DbError> {
        Err(DbError::Damaged("on purpose"))
    }

    const OTHER: TableGroup = TableGroup { name: "other", key: "schema/other", migrations: &[] };

    fn group(migrations: &'static [Migration]) -> TableGroup {
        TableGroup { name: "numbers", key: "schema/numbers", migrations }
    }

    fn database() -> redb::Database {
        redb::Database::builder().create_with_backend(redb::backends::InMemoryBackend::new()).unwrap()
    }

    fn run(db: &redb::Database, groups: &[TableGroup]) -> Result<(), DbError> {
        let txn = db.begin_write()?;
        migrate(&txn, groups)?;
        txn.commit()?;
        Ok(())
    }

    #[test]
    fn any_older_version_is_brought_up_step_by_step_and_once() {
        for start in [&[] as &[Migration], &[tens]] {
            let db = database();
            run(&db, &[group(start), OTHER]).unwrap();
            let txn = db.begin_write().unwrap();
            let value = if start.is_empty() { 7 } else { 70 };
            txn.open_table(NUMBERS).unwrap().insert(1, value).unwrap();
            txn.commit().unwrap();
            for _ in 0..2 {
                run(&db, &[group(&[tens, texts]), OTHER]).unwrap();
                let txn = db.begin_read().unwrap();
                assert_eq!(txn.open_table(TEXTS).unwrap().get(1).unwrap().unwrap().value(), "70");
            }
        }
    }

    #[test]
    fn a_newer_group_is_refused_by_name_and_nothing_is_changed() {
        let db = database();
        run(&db, &[group(&[tens, texts]), OTHER]).unwrap();
        let newer = TableGroup { migrations: &[fails], ..OTHER };
        let error = run(&db, &[newer, group(&[tens])]).unwrap_err();
        assert!(matches!(error, DbError::TooNew { group: "numbers", found: 3, known: 2 }), "{error}");
        assert!(error.to_string().contains("numbers"));
        run(&db, &[OTHER, group(&[tens, texts])]).unwrap();
    }

    #[test]
    fn a_migration_that_fails_changes_nothing() {
        let db = database();
        run(&db, &[group(&[])]).unwrap();
        let txn = db.begin_write().unwrap();
        txn.open_table(NUMBERS).unwrap().insert(1, 7).unwrap();
        txn.commit().unwrap();
        assert!(matches!(run(&db, &[group(&[tens, fails])]), Err(DbError::Damaged(_))));
        let txn = db.begin_read().unwrap();
        assert_eq!(txn.open_table(NUMBERS).unwrap().get(1).unwrap().unwrap().value(), 7);
    }
}
