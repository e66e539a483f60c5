//! How judging a transaction ends early: it is not valid, or the database failed.

use rekindle_protocol::api::{Rejection, RejectionReason};

/// Not a verdict in favour.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The transaction is not valid.
    Rejected(Rejection),
    /// Nothing can be said about it.
    Database(redb::Error),
}

impl Refusal {
    pub fn new(reason: RejectionReason, detail: impl Into<String>) -> Self {
        Self::Rejected(Rejection { reason, detail: detail.into() })
    }

    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::new(RejectionReason::Malformed, detail)
    }

    pub fn invalid_signature(detail: impl Into<String>) -> Self {
        Self::new(RejectionReason::InvalidSignature, detail)
    }

    /// Sets what is wrong with the database apart from what is wrong with the transaction.
    pub fn split<T>(result: Result<T, Self>) -> Result<Result<T, Rejection>, redb::Error> {
        match result {
            Ok(value) => Ok(Ok(value)),
            Err(Self::Rejected(rejection)) => Ok(Err(rejection)),
            Err(Self::Database(error)) => Err(error),
        }
    }
}

impl From<redb::Error> for Refusal {
    fn from(error: redb::Error) -> Self {
        Self::Database(error)
    }
}
