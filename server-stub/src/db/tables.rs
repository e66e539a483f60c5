//! The tables that consensus and sessions need. Modules keep theirs beside them (see [`crate::ledger`]).

use redb::{TableDefinition, WriteTransaction};

use super::DbError;

/// Facts about the database itself.
pub const META: TableDefinition<&str, &[u8]> = TableDefinition::new("meta");
/// Schema version, 4 bytes, in [`META`].
pub const SCHEMA_KEY: &str = "schema";
/// Federation id (32 bytes) and guardian id (2), in [`META`].
pub const FEDERATION_KEY: &str = "owner";

/// Number of a durable write -> the highest epoch in it (8 bytes) and its encoded records.
pub const LOG: TableDefinition<u64, &[u8]> = TableDefinition::new("consensus_log");
/// What the node knows between batches, one encoded record.
pub const STATE: TableDefinition<(), &[u8]> = TableDefinition::new("node_state");
/// Order of arrival -> encoded transactions submitted here and not yet decided.
pub const PENDING: TableDefinition<u64, &[u8]> = TableDefinition::new("pending");
/// Epoch -> encoded items that the open session accepted in it.
pub const OPEN_ITEMS: TableDefinition<u64, &[u8]> = TableDefinition::new("open_items");
/// Session number -> header and items of a session that is closed and not yet signed.
pub const CLOSED: TableDefinition<u64, &[u8]> = TableDefinition::new("closed_sessions");
/// Session number -> encoded signed session.
pub const SESSIONS: TableDefinition<u64, &[u8]> = TableDefinition::new("sessions");
/// Session number -> header (120 bytes) and recovery entries of a signed session.
pub const RECOVERY: TableDefinition<u64, &[u8]> = TableDefinition::new("recovery");
/// Accepted transactions -> the session that holds them.
pub const ACCEPTED: TableDefinition<&[u8; 32], u64> = TableDefinition::new("accepted");

/// Epoch -> encoded batch, for every epoch whose session is not signed.
pub const BATCHES: TableDefinition<u64, &[u8]> = TableDefinition::new("batches");
/// Epoch -> signatures of f+1 guardians on its batch, where they are known.
pub const CERTIFICATES: TableDefinition<u64, &[u8]> = TableDefinition::new("certificates");

/// Creates all tables, so that readers never meet a missing one.
pub fn create_tables(txn: &WriteTransaction) -> Result<(), DbError> {
    txn.open_table(LOG)?;
    txn.open_table(STATE)?;
    txn.open_table(PENDING)?;
    txn.open_table(OPEN_ITEMS)?;
    txn.open_table(CLOSED)?;
    txn.open_table(SESSIONS)?;
    txn.open_table(RECOVERY)?;
    txn.open_table(ACCEPTED)?;
    txn.open_table(BATCHES)?;
    txn.open_table(CERTIFICATES)?;
    Ok(())
}
