//! What a module implements so that its part of a wallet comes back from history.

use std::rc::Rc;

use async_trait::async_trait;
use rekindle_protocol::{
    encoding::DecodeError,
    transaction::{Input, Output},
};
use thiserror::Error;

use super::history::{SessionView, TransactionView};
use crate::{
    context::WalletContext,
    platform::{Batch, Store, StoreError, StoreResult},
};

/// Why a module could not go on.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ModuleError {
    /// A stored state is of a newer version or damaged: it is dropped, and history rebuilds it.
    #[error("stored state can't be read: {0}")]
    Undecodable(#[from] DecodeError),
    /// It took longer over a portion of history than the others can wait for.
    #[error("it takes too long")]
    Slow,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] Box<StoreError>),
}

/// What a module has found so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Findings {
    /// Unspent notes.
    pub notes: u64,
    /// Their worth and that of unclaimed credits, in sats.
    pub sats: u64,
    /// Lines of history.
    pub operations: u64,
}

/// A module's recovery from history.
///
/// The driver owns everything else: streaming, verification, positions, the rhythm of snapshots, progress. It
/// calls a module's hooks in the order of history, and commits what they put into a batch together with the
/// position that it belongs to, so that a module never sees a session twice and never misses one.
///
/// After [`RecoveryFromHistory::finalize`] the same object goes on as the module's live state.
#[async_trait(?Send)]
pub trait RecoveryFromHistory {
    /// The module's name: part of its keys in the store.
    fn kind(&self) -> &'static str;

    /// Begins, from a snapshot made by [`RecoveryFromHistory::snapshot`] or from nothing.
    ///
    /// # Errors
    /// [`ModuleError::Undecodable`] for a snapshot of another version or a damaged one.
    fn new(context: Rc<WalletContext>, snapshot: Option<&[u8]>) -> Result<Self, ModuleError>
    where
        Self: Sized;

    /// The whole state in a form that [`RecoveryFromHistory::new`] takes.
    fn snapshot(&self) -> Vec<u8>;

    /// Whether it must see every session. Else it sees those that, by the recovery index, may concern the wallet: all
    /// that hold a transaction with one of its tags, or a spend of one of its notes.
    fn needs_every_session(&self) -> bool {
        false
    }

    /// What was found so far, for progress.
    fn findings(&self) -> Findings;

    /// Adds the snapshot to a batch.
    fn store(&self, batch: &mut Batch) {
        batch.put(running_key(self.kind()), self.snapshot());
    }

    /// Adds the snapshot's removal to a batch.
    fn delete(&self, batch: &mut Batch) {
        batch.delete(running_key(self.kind()));
    }

    /// Whether the module's recovery was finalized.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn load_finalized(&self, store: &dyn Store) -> StoreResult<bool> {
        Ok(store.get(finalized_key(self.kind()).as_bytes()).await?.is_some())
    }

    /// Adds the mark that the module's recovery was finalized.
    fn store_finalized(&self, batch: &mut Batch) {
        batch.put(finalized_key(self.kind()), []);
    }

    /// Takes in the next session.
    ///
    /// # Errors
    /// [`ModuleError`]; the other modules go on.
    fn handle_session(&mut self, session: &SessionView<'_>) -> Result<(), ModuleError> {
        session.transactions.iter().try_for_each(|transaction| self.handle_transaction(transaction))
    }

    /// Takes in the next transaction: its inputs, then its outputs unless they are known.
    ///
    /// # Errors
    /// [`ModuleError`].
    fn handle_transaction(&mut self, transaction: &TransactionView<'_>) -> Result<(), ModuleError> {
        for input in &transaction.transaction.inputs {
            self.handle_input(transaction, input)?;
        }
        let outputs = transaction.transaction.outputs.iter().filter(|_| !transaction.is_applied);
        for (number, output) in (0..=u8::MAX).zip(outputs) {
            self.handle_output(transaction, number, output)?;
        }
        Ok(())
    }

    /// Takes in an input, of any module.
    ///
    /// # Errors
    /// [`ModuleError`].
    fn handle_input(
        &mut self,
        _transaction: &TransactionView<'_>,
        _input: &Input,
    ) -> Result<(), ModuleError> {
        Ok(())
    }

    /// Takes in output `number`, of any module.
    ///
    /// # Errors
    /// [`ModuleError`].
    fn handle_output(
        &mut self,
        _transaction: &TransactionView<'_>,
        _number: u8,
        _output: &Output,
    ) -> Result<(), ModuleError> {
        Ok(())
    }

    /// Adds to one batch: the module's state as the live one, the snapshot's removal, and the mark. Committing the
    /// batch twice does no harm.
    fn finalize(&self, batch: &mut Batch) {
        self.store_live(batch);
        self.delete(batch);
        self.store_finalized(batch);
    }

    /// Adds the state as the live one, as every change after recovery does.
    fn store_live(&self, batch: &mut Batch) {
        batch.put(live_key(self.kind()), self.snapshot());
    }
}

/// Everything about a running recovery lies under this prefix.
pub const RUNNING_PREFIX: &str = "recovery/running/";

pub(super) fn running_key(kind: &str) -> String {
    format!("{RUNNING_PREFIX}{kind}")
}

fn finalized_key(kind: &str) -> String {
    format!("recovery/finalized/{kind}")
}

pub(super) fn live_key(kind: &str) -> String {
    format!("module/{kind}")
}
