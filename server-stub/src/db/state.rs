//! What the node remembers between batches, and the transactions submitted to it.

use redb::{ReadTransaction, WriteTransaction};

use super::{
    DbError,
    tables::{PENDING, STATE},
};

/// The node's encoded state.
pub(crate) fn read_state(txn: &ReadTransaction) -> Result<Option<Vec<u8>>, DbError> {
    Ok(txn.open_table(STATE)?.get(())?.map(|bytes| bytes.value().to_vec()))
}

/// Replaces it.
pub(crate) fn write_state(txn: &WriteTransaction, state: &[u8]) -> Result<(), DbError> {
    txn.open_table(STATE)?.insert((), state)?;
    Ok(())
}

/// Submitted and undecided transactions in order of arrival, with their numbers.
pub(crate) fn pending_rows(txn: &ReadTransaction) -> Result<Vec<(u64, Vec<u8>)>, DbError> {
    let rows = txn.open_table(PENDING)?;
    rows.range::<u64>(..)?
        .map(|row| row.map(|(number, bytes)| (number.value(), bytes.value().to_vec())).map_err(Into::into))
        .collect()
}

/// Adds one.
pub(crate) fn insert_pending(txn: &WriteTransaction, number: u64, transaction: &[u8]) -> Result<(), DbError> {
    txn.open_table(PENDING)?.insert(number, transaction)?;
    Ok(())
}

/// Deletes some.
pub(crate) fn remove_pending(txn: &WriteTransaction, numbers: &[u64]) -> Result<(), DbError> {
    let mut table = txn.open_table(PENDING)?;
    for number in numbers {
        table.remove(number)?;
    }
    Ok(())
}
