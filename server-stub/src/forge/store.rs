//! From a forged chain to guardians' databases.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rekindle_protocol::{
    bytes::TxId, config::ClientConfig, session::SessionHeader, transaction::Transaction,
};

use super::{ForgeError, chain::ForgedSession};
use crate::{
    db::{self, Db, DbError},
    ledger::Ledger,
    node::{self, StateMachine},
};

/// A guardian's database under construction.
pub struct Store {
    db: Db,
    ledger: Ledger,
    guardians: u16,
}

impl Store {
    /// The database of guardian 0, which must not have any history.
    pub fn create(path: &Path, config: &Arc<ClientConfig>) -> Result<Self, ForgeError> {
        if path.exists() {
            return Err(ForgeError::Exists(path.to_owned()));
        }
        let db = Db::open(path, &config.federation_id(), 0)?;
        let txn = db.write()?;
        let ledger = Ledger::new(config)?;
        ledger.create_tables(&txn).map_err(DbError::from)?;
        txn.commit().map_err(DbError::from)?;
        let guardians = u16::try_from(config.guardian_count()).unwrap_or(u16::MAX);
        Ok(Self { db, ledger, guardians })
    }

    /// Stores sessions and the effects of those of their transactions that are valid in every part.
    pub fn append(
        &self,
        sessions: &[ForgedSession],
        valid: &[(u64, Transaction)],
        last: &SessionHeader,
    ) -> Result<(), ForgeError> {
        let txn = self.db.write()?;
        for session in sessions {
            db::store_signed(&txn, session.index, &session.session, &session.recovery)?;
        }
        for (session, transaction) in valid {
            let txid: TxId = transaction.id();
            // The forger signed it itself a moment ago.
            self.ledger
                .replay(&txn, *session, transaction, &txid)
                .map_err(DbError::from)?
                .map_err(ForgeError::Rejected)?;
            db::record_accepted(&txn, &txid, *session)?;
        }
        node::resume_after(&txn, self.guardians, last)?;
        txn.commit().map_err(DbError::from)?;
        Ok(())
    }
}

/// Gives the other guardians the history of guardian 0. `path` says where a guardian's database is.
pub fn share(config: &ClientConfig, path: impl Fn(u16) -> PathBuf) -> Result<(), ForgeError> {
    let federation = config.federation_id();
    for id in 1..u16::try_from(config.guardian_count()).unwrap_or(u16::MAX) {
        let copy = path(id);
        if copy.exists() {
            return Err(ForgeError::Exists(copy));
        }
        let failed = |error: io::Error| ForgeError::Copy(copy.clone(), error);
        if let Some(folder) = copy.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        fs::copy(path(0), &copy).map_err(failed)?;
        db::adopt(&copy, &federation, id)?;
    }
    Ok(())
}
