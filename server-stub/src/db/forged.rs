//! Putting history into a database that consensus did not make.

use std::path::Path;

use redb::{Database, WriteTransaction};
use rekindle_protocol::bytes::FederationId;

use super::{
    Db, DbError, owner,
    tables::{FEDERATION_KEY, META, RECOVERY, SESSIONS},
};

/// Appends a signed session: its encoding, and its encoded header followed by its recovery entries.
pub(crate) fn store_signed(
    txn: &WriteTransaction,
    index: u64,
    session: &[u8],
    recovery: &[u8],
) -> Result<(), DbError> {
    txn.open_table(SESSIONS)?.insert(index, session)?;
    txn.open_table(RECOVERY)?.insert(index, recovery)?;
    Ok(())
}

/// Makes the copy of another guardian's database at `path` that of guardian `id`.
pub(crate) fn adopt(path: &Path, federation: &FederationId, id: u16) -> Result<(), DbError> {
    let db = Db(Database::open(path)?);
    let txn = db.write()?;
    txn.open_table(META)?.insert(FEDERATION_KEY, owner(federation, id).as_slice())?;
    txn.commit()?;
    Ok(())
}
