//! The seam between ordering and what is ordered.

use std::collections::BTreeMap;

use redb::{ReadTransaction, WriteTransaction};
use rekindle_protocol::{api::Rejection, bytes::TxId, transaction::Transaction};

use crate::{consensus::GuardianId, db::TableGroup};

/// Most bytes of a proposal.
pub const MAX_PROPOSAL_BYTES: usize = 1 << 10;

/// What guardians' machines proposed last in a session, by guardian: not empty, at most [`MAX_PROPOSAL_BYTES`] bytes,
/// and anything at all from a faulty one.
pub type Proposals = BTreeMap<GuardianId, Vec<u8>>;

/// The replicated state machine: it judges transactions in the order of consensus.
///
/// Verdicts and effects depend on nothing but the transaction, the config, earlier effects and what the session's
/// batches proposed, so that all guardians come to the same.
pub trait StateMachine: Send + Sync + 'static {
    /// The groups of tables that have a version.
    fn tables(&self) -> &[TableGroup] {
        &[]
    }

    /// Creates missing tables.
    ///
    /// # Errors
    /// If the database fails.
    fn create_tables(&self, txn: &WriteTransaction) -> Result<(), redb::Error>;

    /// What this guardian has to say to the others' machines, at most [`MAX_PROPOSAL_BYTES`] bytes: every contribution
    /// carries it, and a new one starts an epoch. Asked for at the start and after [`super::NodeHandle::change`].
    ///
    /// # Errors
    /// If the database fails.
    fn proposal(&self, _txn: &ReadTransaction) -> Result<Vec<u8>, redb::Error> {
        Ok(Vec::new())
    }

    /// Judges a transaction by the committed state, changing nothing: at submission, and before a batch is applied.
    ///
    /// # Errors
    /// The outer one if the database fails; the inner one says why the transaction is not valid now.
    fn check(
        &self,
        txn: &ReadTransaction,
        transaction: &Transaction,
    ) -> Result<Result<(), Rejection>, redb::Error>;

    /// Judges a transaction of session `session` and writes its effects. A rejected one must write nothing: the
    /// database transaction goes on. `proposals` are those of the session's batches up to this one; the next session
    /// begins without any, so that whoever takes a signed session from others goes on from the same state.
    ///
    /// # Errors
    /// The outer one if the database fails, which stops the guardian; the inner one says why the transaction is
    /// rejected.
    fn apply(
        &self,
        txn: &WriteTransaction,
        session: u64,
        proposals: &Proposals,
        transaction: &Transaction,
    ) -> Result<Result<(), Rejection>, redb::Error>;

    /// Like [`StateMachine::apply`] for a transaction of signed history, whose id is `txid`: what depends on it alone
    /// and not on the state need not be checked again, and nobody knows what was proposed then.
    ///
    /// # Errors
    /// As [`StateMachine::apply`]; a rejection stops the guardian.
    fn replay(
        &self,
        txn: &WriteTransaction,
        session: u64,
        transaction: &Transaction,
        txid: &TxId,
    ) -> Result<Result<(), Rejection>, redb::Error>;
}
