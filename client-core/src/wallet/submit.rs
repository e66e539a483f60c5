//! Submitting: the same bytes, until history decides.

use rekindle_protocol::{
    api::{RejectionReason, TransactionStatus},
    bytes::TxId,
    transaction::Transaction,
};

use super::{
    Wallet, WalletError,
    pending::{Decision, decide},
};
use crate::federation::ApiError;

/// What became of a submitted transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is in history, and applied.
    Accepted,
    /// A signed session spends one of its inputs in another transaction: it never will be.
    Conflict,
}

/// How long a status request waits at the guardian, in seconds.
const WAIT_SECONDS: u64 = 10;
/// How long a caller waits for a decision, in milliseconds. The stored transaction goes on after that.
const PATIENCE_MS: u64 = 60_000;

impl Wallet {
    /// Submits a stored transaction and waits until it is decided. Safe to repeat at any time.
    ///
    /// f+1 guardians who attest that it is accepted are believed; a rejection is believed when a signed session shows
    /// what stands against it.
    pub(super) async fn submit(&self, txid: &TxId) -> Result<Outcome, WalletError> {
        let api = self.api()?;
        let runtime = self.platform().runtime.clone();
        let deadline = runtime.now().saturating_add(PATIENCE_MS);
        loop {
            let stored = self.with_live(|live| live.pending.get(txid).map(|p| p.transaction.clone())).flatten();
            // Following history may have decided it meanwhile.
            let Some(transaction) = stored else { return Ok(self.decided(txid)) };
            match api.submit(txid, &transaction, WAIT_SECONDS).await? {
                TransactionStatus::Accepted { session } => {
                    self.update(|live, batch| live.accept(txid, session, runtime.now(), batch)).await?;
                    return Ok(Outcome::Accepted);
                }
                TransactionStatus::Rejected(rejection) => match rejection.reason {
                    RejectionReason::AlreadySpent { session, .. } => {
                        if let Some(outcome) = self.check_conflict(txid, &transaction, session).await? {
                            return Ok(outcome);
                        }
                    }
                    reason => {
                        let (txid, code) = (*txid, reason.code());
                        return Err(WalletError::Rejected { txid, code, reason: rejection.detail });
                    }
                },
                TransactionStatus::Pending | TransactionStatus::Unknown => {}
            }
            if runtime.now() >= deadline {
                return Err(ApiError::TimedOut.into());
            }
        }
    }

    fn decided(&self, txid: &TxId) -> Outcome {
        let accepted = self.with_live(|live| live.scanner.modules.operations.get(txid).is_some());
        if accepted == Some(true) { Outcome::Accepted } else { Outcome::Conflict }
    }

    /// Looks at the session that is said to spend an input of `transaction`, once it is signed.
    async fn check_conflict(
        &self,
        txid: &TxId,
        transaction: &Transaction,
        session: u64,
    ) -> Result<Option<Outcome>, WalletError> {
        let session = self.api()?.signed_session(session).await?;
        let Some(decision) = decide(txid, transaction, &session.content) else { return Ok(None) };
        match decision {
            Decision::Accepted => {
                let (index, time) = (session.header.index, session.header.time);
                self.update(|live, batch| live.accept(txid, index, time, batch)).await?;
                Ok(Some(Outcome::Accepted))
            }
            Decision::Conflict { .. } => {
                self.update(|live, batch| {
                    live.settle(txid, decision, batch);
                    Ok(())
                })
                .await?;
                Ok(Some(Outcome::Conflict))
            }
        }
    }
}
