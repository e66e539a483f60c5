//! Submitting transactions and learning what became of them.

use bytes::Bytes;
use rekindle_protocol::{
    api::{Rejection, RejectionReason, TransactionStatus, paths},
    bytes::TxId,
    encoding::Canonical,
    transaction::Transaction,
};

use super::{
    super::{
        FederationResult, GuardianFault, Submitted,
        answers::{Enough, StatusQuery},
        call::Limits,
    },
    ANSWER_MS, FederationApi, Question, SMALL_BYTES, attested,
};

impl FederationApi {
    /// Sends a transaction to f + 1 guardians, or to all of them.
    ///
    /// # Errors
    /// [`FederationError::NoAnswer`](crate::federation::FederationError::NoAnswer) if nobody took it.
    pub async fn submit(&self, transaction: &Transaction, to_all: bool) -> FederationResult<Submitted> {
        let bytes = Bytes::from(transaction.to_bytes());
        let quorum = self.quorum();
        let wanted = if to_all { quorum.guardians() } else { quorum.one_honest() };
        let limits = Limits { bytes: SMALL_BYTES, milliseconds: ANSWER_MS };
        let question = Question::Plain { path: paths::TRANSACTIONS, body: Some(bytes), limits };
        let answers = self
            .ask(Enough::new(wanted, quorum), wanted, question, |_, sent| match sent {
                Ok(answer) => Ok(TransactionStatus::from_bytes(&answer)?),
                // What is wrong with it for ever is refused at the door.
                Err(fault) => match &*fault {
                    GuardianFault::Refused { status: 422, code } => rejection(code).ok_or(fault),
                    _ => Err(fault),
                },
            })
            .await?;
        let rejection = answers.iter().find_map(|status| match status {
            TransactionStatus::Rejected(rejection) => Some(rejection.clone()),
            _ => None,
        });
        let rejected =
            answers.iter().filter(|status| matches!(status, TransactionStatus::Rejected(_))).count();
        Ok(Submitted { taken_by: answers.len() - rejected, rejected_by: rejected, rejection })
    }

    /// What f + 1 guardians attest of a transaction; waits up to `wait_seconds` (at most
    /// [`MAX_WAIT_SECONDS`]) for a decision. It is provisional: only a signed session is proof.
    ///
    /// # Errors
    /// [`FederationError`](crate::federation::FederationError).
    pub async fn transaction_status(
        &self,
        txid: &TxId,
        wait_seconds: u64,
    ) -> FederationResult<TransactionStatus> {
        let path = &paths::transaction(txid);
        let quorum = self.quorum();
        let question = Question::Attested { path, body: None, wait_seconds, limit: SMALL_BYTES };
        self.ask(StatusQuery::new(quorum), quorum.guardians(), question, |_, sent| attested(sent)).await
    }
}

/// What a guardian that refuses a transaction at the door says of it.
fn rejection(code: &str) -> Option<TransactionStatus> {
    let reasons = [
        RejectionReason::Malformed,
        RejectionReason::UnknownModule,
        RejectionReason::InvalidSignature,
        RejectionReason::Unbalanced,
    ];
    let reason = reasons.into_iter().find(|reason| reason.code() == code)?;
    Some(TransactionStatus::Rejected(Rejection { reason, detail: String::new() }))
}
