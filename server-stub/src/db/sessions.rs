//! Sessions in the database: the open one, those closed and not yet signed, and signed history.

use redb::{ReadTransaction, ReadableTable, WriteTransaction};
use rekindle_protocol::{
    bytes::{G2Bytes, TxId},
    encoding::{Canonical, Decode, Decoder, Encode},
    session::{HashedItems, Item, SessionHeader, SignedSession},
};

use super::{
    DbError,
    tables::{ACCEPTED, CLOSED, OPEN_ITEMS, RECOVERY, SESSIONS},
};

/// Bytes of an encoded header.
const HEADER_BYTES: usize = 120;

/// A session as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoredSession {
    /// Closed, its signature not yet combined: its items.
    Closed(Vec<Item>),
    /// The encoding of the [`SignedSession`].
    Signed(Vec<u8>),
}

/// A closed session without its signature.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct ClosedSession {
    /// What is to be signed.
    pub header: SessionHeader,
    /// The accepted items in order.
    pub items: Vec<Item>,
}

impl ClosedSession {
    fn from_stored(bytes: &[u8]) -> Result<Self, DbError> {
        Self::from_bytes(bytes).map_err(|_| DbError::Damaged("closed session"))
    }
}

/// The session `index` if it is closed.
///
/// # Errors
/// If the database fails or is damaged.
pub fn read_session(txn: &ReadTransaction, index: u64) -> Result<Option<StoredSession>, DbError> {
    if let Some(bytes) = txn.open_table(SESSIONS)?.get(index)? {
        return Ok(Some(StoredSession::Signed(bytes.value().to_vec())));
    }
    let closed = txn.open_table(CLOSED)?.get(index)?.map(|bytes| ClosedSession::from_stored(bytes.value()));
    Ok(closed.transpose()?.map(|closed| StoredSession::Closed(closed.items)))
}

/// How many bytes session `index` takes as it is stored, if it is signed.
///
/// # Errors
/// If the database fails.
pub fn signed_bytes(txn: &ReadTransaction, index: u64) -> Result<Option<usize>, DbError> {
    Ok(txn.open_table(SESSIONS)?.get(index)?.map(|bytes| bytes.value().len()))
}

/// Signed sessions from `first` on, without gaps, until `take` says no: it is asked with the number and the encoded
/// [`SignedSession`], and the session that it refuses is not part of the answer.
///
/// # Errors
/// If the database fails.
pub fn sessions_from(
    txn: &ReadTransaction,
    first: u64,
    take: impl FnMut(u64, &[u8]) -> bool,
) -> Result<(), DbError> {
    without_gaps(&txn.open_table(SESSIONS)?, first, take)
}

/// Like [`sessions_from`] for recovery: the bytes are the encoded header ([`SessionHeader`], 120 bytes) followed by
/// the session's encoded recovery entries.
///
/// # Errors
/// If the database fails.
pub fn recovery_from(
    txn: &ReadTransaction,
    first: u64,
    take: impl FnMut(u64, &[u8]) -> bool,
) -> Result<(), DbError> {
    without_gaps(&txn.open_table(RECOVERY)?, first, take)
}

fn without_gaps(
    table: &impl ReadableTable<u64, &'static [u8]>,
    first: u64,
    mut take: impl FnMut(u64, &[u8]) -> bool,
) -> Result<(), DbError> {
    let mut expected = Some(first);
    for row in table.range(first..)? {
        let (index, bytes) = row?;
        if Some(index.value()) != expected || !take(index.value(), bytes.value()) {
            break;
        }
        expected = index.value().checked_add(1);
    }
    Ok(())
}

/// Splits a record of [`recovery_from`] into header and entries.
///
/// # Errors
/// If the record is damaged.
pub fn recovery_entries(record: &[u8]) -> Result<(SessionHeader, &[u8]), DbError> {
    let damaged = || DbError::Damaged("recovery entries");
    let (header, entries) = record.split_at_checked(HEADER_BYTES).ok_or_else(damaged)?;
    Ok((SessionHeader::from_bytes(header).map_err(|_| damaged())?, entries))
}

/// The session that holds a transaction.
///
/// # Errors
/// If the database fails.
pub fn accepted_in(txn: &ReadTransaction, txid: &TxId) -> Result<Option<u64>, DbError> {
    Ok(txn.open_table(ACCEPTED)?.get(&txid.0)?.map(|session| session.value()))
}

/// The items that the open session has accepted so far, in order.
///
/// # Errors
/// If the database fails or is damaged.
pub fn open_items(txn: &ReadTransaction) -> Result<Vec<Item>, DbError> {
    let mut items = Vec::new();
    for row in txn.open_table(OPEN_ITEMS)?.range::<u64>(..)? {
        items.extend(stored_items(row?.1.value())?);
    }
    Ok(items)
}

/// Adds what the open session accepted in an epoch.
pub(crate) fn append_items(txn: &WriteTransaction, epoch: u64, items: &Vec<Item>) -> Result<(), DbError> {
    if !items.is_empty() {
        txn.open_table(OPEN_ITEMS)?.insert(epoch, items.to_bytes().as_slice())?;
    }
    Ok(())
}

/// Empties the open session and gives its items, in order.
pub(crate) fn take_open_items(txn: &WriteTransaction) -> Result<Vec<Item>, DbError> {
    let mut table = txn.open_table(OPEN_ITEMS)?;
    let mut items = Vec::new();
    for row in table.range::<u64>(..)? {
        items.extend(stored_items(row?.1.value())?);
    }
    table.retain(|_, _| false)?;
    Ok(items)
}

fn stored_items(bytes: &[u8]) -> Result<Vec<Item>, DbError> {
    Vec::<Item>::from_bytes(bytes).map_err(|_| DbError::Damaged("open session"))
}

/// The session that holds a transaction, as of a write transaction that is still open.
pub(crate) fn accepted_within(txn: &WriteTransaction, txid: &TxId) -> Result<Option<u64>, DbError> {
    Ok(txn.open_table(ACCEPTED)?.get(&txid.0)?.map(|session| session.value()))
}

/// Whether a transaction is in history, as of a write transaction that is still open.
pub(crate) fn is_accepted(txn: &WriteTransaction, txid: &TxId) -> Result<bool, DbError> {
    Ok(accepted_within(txn, txid)?.is_some())
}

/// Remembers in which session a transaction was accepted.
pub(crate) fn record_accepted(txn: &WriteTransaction, txid: &TxId, session: u64) -> Result<(), DbError> {
    txn.open_table(ACCEPTED)?.insert(&txid.0, session)?;
    Ok(())
}

/// Stores a session that has closed.
pub(crate) fn close_session(txn: &WriteTransaction, closed: &ClosedSession) -> Result<(), DbError> {
    txn.open_table(CLOSED)?.insert(closed.header.index, closed.to_bytes().as_slice())?;
    Ok(())
}

/// All sessions that are closed and not yet signed.
pub(crate) fn closed_sessions(txn: &ReadTransaction) -> Result<Vec<SessionHeader>, DbError> {
    let mut headers = Vec::new();
    for row in txn.open_table(CLOSED)?.range::<u64>(..)? {
        headers.push(ClosedSession::from_stored(row?.1.value())?.header);
    }
    Ok(headers)
}

/// The header and signature of a signed session.
pub(crate) fn read_signature(
    txn: &ReadTransaction,
    index: u64,
) -> Result<Option<(SessionHeader, G2Bytes)>, DbError> {
    let Some(bytes) = txn.open_table(SESSIONS)?.get(index)? else { return Ok(None) };
    let signed = Decoder::new(bytes.value()).value();
    signed.map(Some).ok_or(DbError::Damaged("signed session"))
}

/// The last epoch of a signed session.
pub(crate) fn last_epoch(txn: &WriteTransaction, index: u64) -> Result<Option<u64>, DbError> {
    let table = txn.open_table(RECOVERY)?;
    let Some(record) = table.get(index)? else { return Ok(None) };
    Ok(Some(recovery_entries(record.value())?.0.last_epoch))
}

/// Moves a closed session into signed history. Does nothing if it is there already.
pub(crate) fn sign_session(txn: &WriteTransaction, index: u64, signature: &G2Bytes) -> Result<(), DbError> {
    let Some(closed) = txn
        .open_table(CLOSED)?
        .remove(index)?
        .map(|bytes| ClosedSession::from_stored(bytes.value()))
        .transpose()?
    else {
        return Ok(());
    };
    let content = HashedItems::new(closed.items);
    let mut recovery = closed.header.to_bytes();
    recovery.extend(content.recovery_entries());
    txn.open_table(RECOVERY)?.insert(index, recovery.as_slice())?;
    let signed = SignedSession { header: closed.header, signature: *signature, items: content.items };
    txn.open_table(SESSIONS)?.insert(index, signed.to_bytes().as_slice())?;
    Ok(())
}
