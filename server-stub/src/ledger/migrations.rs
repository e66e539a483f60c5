//! Earlier layouts of the ledger's tables.

use redb::{ReadableTable, TableDefinition, WriteTransaction};
use rekindle_protocol::bytes::TxId;

use super::tables::{ISSUED, SPENT, SpendKey, issued_key};
use crate::db::{DbError, Migration, accepted_within};

/// What was spent -> the session and the transaction that spent it.
const SPENT_V1: TableDefinition<&SpendKey, (u64, &[u8; TxId::LEN])> = TableDefinition::new("ledger_spent");
/// Transactions -> what they issued.
const ISSUED_V1: TableDefinition<&[u8; TxId::LEN], &[u8]> = TableDefinition::new("ledger_issued");

/// Nobody asks which transaction spent something, and spends are most of the database's random pages.
pub(super) const SPENT_IN_SESSIONS: Migration = |txn: &WriteTransaction| {
    {
        let (old, mut new) = (txn.open_table(SPENT_V1)?, txn.open_table(SPENT)?);
        for row in old.iter()? {
            let (key, value) = row?;
            new.insert(key.value(), value.value().0)?;
        }
    }
    txn.delete_table(SPENT_V1)?;
    Ok(())
};

/// Outputs lie in the order of sessions.
pub(super) const ISSUED_BY_SESSION: Migration = |txn: &WriteTransaction| {
    {
        let (old, mut new) = (txn.open_table(ISSUED_V1)?, txn.open_table(ISSUED)?);
        for row in old.iter()? {
            let (txid, outputs) = row?;
            let txid = TxId(*txid.value());
            let session = accepted_within(txn, &txid)?.ok_or(DbError::Damaged("issued notes"))?;
            new.insert(&issued_key(session, &txid), outputs.value())?;
        }
    }
    txn.delete_table(ISSUED_V1)?;
    Ok(())
};

#[cfg(test)]
mod tests {
    use redb::{ReadableDatabase, TableHandle};
    use rekindle_protocol::config::Fees;

    use super::*;
    use crate::{
        db::migrate,
        forge::Spendable,
        ledger::{Ledger, testing::TestFederation},
    };

    /// Moves all spends and issued notes to where version 1 had them.
    fn go_back(txn: &WriteTransaction) {
        let txid = TxId([7; 32]);
        let (spent, issued) = (txn.open_table(SPENT).unwrap(), txn.open_table(ISSUED).unwrap());
        let mut spent_v1 = txn.open_table(SPENT_V1).unwrap();
        for row in spent.iter().unwrap() {
            let (key, session) = row.unwrap();
            spent_v1.insert(key.value(), (session.value(), &txid.0)).unwrap();
        }
        let mut issued_v1 = txn.open_table(ISSUED_V1).unwrap();
        for row in issued.iter().unwrap() {
            let (key, outputs) = row.unwrap();
            issued_v1.insert(key.value().last_chunk().unwrap(), outputs.value()).unwrap();
        }
        assert!(spent.first().unwrap().is_some() && issued.first().unwrap().is_some());
        drop((spent, issued, spent_v1, issued_v1));
        txn.delete_table(SPENT).unwrap();
        txn.delete_table(ISSUED).unwrap();
    }

    #[test]
    fn a_database_of_version_1_is_brought_up() {
        let mut federation = TestFederation::new(Fees::default());
        let notes = federation.fund(5);
        let inputs = notes.into_iter().map(Spendable::Note).collect();
        let (transaction, _) = federation.write(TestFederation::draft(inputs, &[0, 2], 0));
        federation.apply(&transaction).unwrap();
        let before = federation.contents();
        let txn = federation.database.begin_write().unwrap();
        go_back(&txn);
        migrate(&txn, &Ledger::TABLES).unwrap();
        txn.commit().unwrap();
        assert_eq!(federation.contents(), before);
        let txn = federation.database.begin_read().unwrap();
        let tables: Vec<String> = txn.list_tables().unwrap().map(|table| table.name().to_owned()).collect();
        assert!(!tables.iter().any(|name| name == "ledger_spent" || name == "ledger_issued"), "{tables:?}");
    }
}
