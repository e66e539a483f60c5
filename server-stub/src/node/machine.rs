//! The seam between ordering and what is ordered.

use redb::{ReadTransaction, WriteTransaction};
use rekindle_protocol::{api::Rejection, bytes::TxId, transaction::Transaction};

use crate::db::TableGroup;

/// The replicated state machine: it judges transactions in the order of consensus.
///
/// Verdicts and effects depend on nothing but the transaction, the config and earlier effects, so that all
/// guardians come to the same.
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
    /// database transaction goes on.
    ///
    /// # Errors
    /// The outer one if the database fails, which stops the guardian; the inner one says why the transaction is
    /// rejected.
    fn apply(
        &self,
        txn: &WriteTransaction,
        session: u64,
        transaction: &Transaction,
    ) -> Result<Result<(), Rejection>, redb::Error>;

    /// Like [`StateMachine::apply`] for a transaction of signed history, whose id is `txid`: what depends on it alone
    /// and not on the state need not be checked again.
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
