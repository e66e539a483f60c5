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
        FederationError, GuardianFault, Submitted,
        answers::{Enough, StatusQuery},
        call::Limits,
    },
    ANSWER_MS, FederationApi, SMALL_BYTES,
};
use crate::platform::Request;

impl FederationApi {
    /// Sends a transaction to f + 1 guardians, or to all of them.
    ///
    /// # Errors
    /// [`FederationError::NoAnswer`] if nobody took it.
    pub async fn submit(
        &self,
        transaction: &Transaction,
        to_all: bool,
    ) -> Result<Submitted, FederationError> {
        let bytes = Bytes::from(transaction.to_bytes());
        let quorum = self.quorum();
        let wanted = if to_all { quorum.guardians() } else { quorum.one_honest() };
        let bytes = &bytes;
        let answers = self
            .ask(Enough::new(wanted, quorum), wanted, |guardian| async move {
                let request = Request::post(self.at(guardian, paths::TRANSACTIONS)?, bytes.clone());
                match self
                    .call(guardian, request, Limits { bytes: SMALL_BYTES, milliseconds: ANSWER_MS })
                    .await
                {
                    Ok(answer) => answer.decode(),
                    // What is wrong with it for ever is refused at the door.
                    Err(GuardianFault::Refused { status: 422, code }) => {
                        rejection(&code).ok_or(GuardianFault::Refused { status: 422, code })
                    }
                    Err(fault) => Err(fault),
                }
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
    /// [`FederationError`].
    pub async fn transaction_status(
        &self,
        txid: &TxId,
        wait_seconds: u64,
    ) -> Result<TransactionStatus, FederationError> {
        let challenge = self.challenge()?;
        let path = &paths::transaction(txid);
        let quorum = self.quorum();
        self.ask(StatusQuery::new(quorum), quorum.guardians(), |guardian| async move {
            self.attested(guardian, path, &challenge, Some(wait_seconds), SMALL_BYTES).await
        })
        .await
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
