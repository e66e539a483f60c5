//! Submitting: the same bytes, until history decides.

use rekindle_protocol::{
    api::{RejectionReason, TransactionStatus},
    bytes::TxId,
    session::HashedItems,
    transaction::Transaction,
};

use super::{
    Wallet, WalletError, WalletResult,
    pending::{Decision, decide},
};
use crate::federation::KnownSession;

/// What became of a submitted transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is in history, and applied.
    Accepted,
    /// A signed session spends one of its inputs in another transaction: it never will be.
    Conflict,
}

/// How long the first guardians get to decide before all are sent the transaction, in seconds.
const FIRST_WAIT_SECONDS: u64 = 3;
/// How long later status requests wait at the guardians, in seconds.
const WAIT_SECONDS: u64 = 10;
/// How long a caller waits for a decision, in milliseconds. The stored transaction goes on after that.
const PATIENCE_MS: u64 = 60_000;

impl Wallet {
    /// Submits a stored transaction and waits until it is decided. Safe to repeat at any time.
    ///
    /// f+1 guardians who attest that it is accepted, or can never be, are believed; that an input is spent is believed when
    /// a signed session shows it.
    pub(super) async fn submit(&self, txid: &TxId) -> WalletResult<Outcome> {
        let api = self.api()?;
        let runtime = self.platform().runtime.clone();
        let deadline = runtime.now().saturating_add(PATIENCE_MS);
        let mut to_all = false;
        loop {
            let stored =
                self.with_live(|live| live.pending.get(txid).map(|p| p.transaction.clone())).flatten();
            // Following history may have decided it meanwhile.
            let Some(transaction) = stored else { return Ok(self.decided(txid)) };
            let submitted = api.submit(&transaction, to_all).await?;
            // Whoever names the session that spends an input needs no belief: the session proves it.
            if let Some(RejectionReason::AlreadySpent { session, .. }) =
                submitted.rejection.map(|rejection| rejection.reason)
                && let Some(outcome) = self.check_conflict(txid, &transaction, session).await?
            {
                return Ok(outcome);
            }
            // Nobody signs what is said at the door, so it decides nothing: whoever stands in front of all guardians
            // could have a payment made twice. It only says that there is no use in waiting.
            let is_refused = to_all && submitted.rejected_by > api.config().max_faulty();
            let wait = match (is_refused, to_all) {
                (true, _) => 0,
                (false, true) => WAIT_SECONDS,
                (false, false) => FIRST_WAIT_SECONDS,
            };
            to_all = true;
            match api.transaction_status(txid, wait).await? {
                TransactionStatus::Accepted { session } => {
                    self.accept(txid, session, runtime.now()).await?;
                    return Ok(Outcome::Accepted);
                }
                TransactionStatus::Rejected(rejection) => match rejection.reason {
                    RejectionReason::AlreadySpent { session, .. } => {
                        if let Some(outcome) = self.check_conflict(txid, &transaction, session).await? {
                            return Ok(outcome);
                        }
                    }
                    reason => {
                        return Err(WalletError::Rejected { txid: *txid, code: reason.code().into() }.into());
                    }
                },
                TransactionStatus::Pending | TransactionStatus::Unknown => {}
            }
            if is_refused || runtime.now() >= deadline {
                return Err(WalletError::Undecided.into());
            }
        }
    }

    /// Submits a stored transaction and makes the notes it brings spendable.
    pub(super) async fn settle(&self, txid: TxId) -> WalletResult<Outcome> {
        let outcome = self.submit(&txid).await?;
        if outcome == Outcome::Accepted {
            self.complete_notes(Some(txid)).await?;
        }
        Ok(outcome)
    }

    /// Takes in that a transaction was accepted into `session`, at `time`.
    async fn accept(&self, txid: &TxId, session: u64, time: u64) -> WalletResult<()> {
        let mut update = self.update().await?;
        update.live.accept(txid, session, time, &mut update.batch)?;
        update.commit().await
    }

    /// What became of a transaction that is not pending any more. Only what was seen to be impossible may be made anew:
    /// who takes an accepted payment for impossible pays twice.
    fn decided(&self, txid: &TxId) -> Outcome {
        let is_impossible = self.with_live(|live| live.impossible.contains(txid));
        if is_impossible == Some(true) { Outcome::Conflict } else { Outcome::Accepted }
    }

    /// Looks at the session that is said to spend an input of `transaction`, once it is signed.
    async fn check_conflict(
        &self,
        txid: &TxId,
        transaction: &Transaction,
        session: u64,
    ) -> WalletResult<Option<Outcome>> {
        let (header, content) = match self.api()?.session_status(session, WAIT_SECONDS).await? {
            KnownSession::Complete(session) => (session.header, HashedItems::new(session.items)),
            // Not signed yet, so nothing is proven: ask again.
            KnownSession::Pending(_) => return Ok(None),
        };
        let Some(decision) = decide(txid, transaction, &content) else { return Ok(None) };
        match decision {
            Decision::Accepted => {
                self.accept(txid, header.index, header.time).await?;
                Ok(Some(Outcome::Accepted))
            }
            Decision::Conflict { .. } => {
                let mut update = self.update().await?;
                update.live.settle(txid, decision, &mut update.batch);
                update.commit().await?;
                Ok(Some(Outcome::Conflict))
            }
        }
    }
}
