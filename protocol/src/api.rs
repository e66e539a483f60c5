//! What travels between wallet and guardian over HTTP: paths, answers, attestations, error codes.
//!
//! Bodies are canonical bytes (`application/octet-stream`) by default; `Accept: application/json` gives the same
//! content as JSON.

mod status;

use serde::{Deserialize, Serialize};

use crate::{
    bytes::{Challenge, FederationId, Hash, SchnorrKey, SchnorrSignature},
    encoding::{Canonical, Decode, DecodeError, Encode},
    hash::Context,
    schnorr,
    session::MAX_SESSION_BYTES,
};

pub use status::{Audit, Connection, Status, StatusV1};

/// The newest version of the API. It differs from version 1 in [`Status`], which has the audit.
pub const API_VERSION: u32 = 2;
/// The version before, which guardians and wallets still speak.
pub const PREVIOUS_API_VERSION: u32 = 1;
/// The code of the [`Problem`] with which a guardian says that it does not speak a path's version.
pub const UNKNOWN_VERSION: &str = "unknown_version";
/// Largest range answer in bytes, whatever the client asks for.
pub const MAX_RANGE_BYTES: usize = 16 << 20;
/// Most sessions that one request can select by number: its URL stays below what servers and proxies take.
pub const MAX_SELECTED_SESSIONS: usize = 256;
/// Longest long-poll in seconds.
pub const MAX_WAIT_SECONDS: u64 = 60;
/// Most bytes of a rejection's explanation.
pub const MAX_REASON_BYTES: usize = 300;

/// Paths, relative to a guardian's base URL, in version 1; [`paths::in_version`] gives those of others.
pub mod paths {
    use crate::bytes::{SchnorrKey, TxId};

    /// The config document.
    pub const CONFIG: &str = "/v1/config";
    /// What the guardian says of itself.
    pub const STATUS: &str = "/v1/status";
    /// Number of the current session.
    pub const SESSION_COUNT: &str = "/v1/sessions/count";
    /// A range of sessions; `?from=A&max_bytes=N`.
    pub const SESSIONS: &str = "/v1/sessions";
    /// Sessions by number; `?numbers=A,B,C&max_bytes=N`.
    pub const SELECTED_SESSIONS: &str = "/v1/sessions/selected";
    /// A range of recovery entries; `?from=A&max_bytes=N`.
    pub const RECOVERY: &str = "/v1/recovery";
    /// Signature shares for out points.
    pub const MINT_SIGNATURES: &str = "/v1/mint/signatures";
    /// Submitting transactions.
    pub const TRANSACTIONS: &str = "/v1/transactions";
    /// Issuers' credits.
    pub const ISSUER_CREDITS: &str = "/v1/issuer/credits";
    /// What was burned toward an issuer; `?from=A&wait=SECONDS`, with the issuer's signature.
    pub const ISSUER_WITHDRAWALS: &str = "/v1/issuer/withdrawals";
    /// The newest announcement of each guardian's URL; takes newer ones.
    pub const ANNOUNCEMENTS: &str = "/v1/announcements";
    /// What the federation owes, for its operators.
    pub const ADMIN_AUDIT: &str = "/v1/admin/audit";
    /// The guardian's sealed config and secrets, for its operator.
    pub const ADMIN_BACKUP: &str = "/v1/admin/backup";
    /// Has the guardian announce another URL.
    pub const ADMIN_URL: &str = "/v1/admin/url";
    /// Says that the operator is ready for newer rules.
    pub const ADMIN_UPGRADE: &str = "/v1/admin/upgrade";
    /// Which issuers are suspended; takes which ones the operator wants to be.
    pub const ADMIN_SUSPENSIONS: &str = "/v1/admin/suspensions";
    /// Takes a signed session that the guardian can't get from its peers.
    pub const ADMIN_SESSIONS: &str = "/v1/admin/sessions";
    /// Liveness.
    pub const HEALTH: &str = "/health";
    /// For Prometheus.
    pub const METRICS: &str = "/metrics";

    /// A path of version 1 in another version. Paths without a version are the same in all.
    pub fn in_version(path: &str, version: u32) -> String {
        path.strip_prefix("/v1/").map_or_else(|| path.to_owned(), |rest| format!("/v{version}/{rest}"))
    }

    /// One session; `?wait=SECONDS` waits until it is complete.
    pub fn session(index: u64) -> String {
        format!("/v1/sessions/{index}")
    }

    /// The guardian's signature shares for all outputs of a session.
    pub fn session_signatures(index: u64) -> String {
        format!("/v1/sessions/{index}/signatures")
    }

    /// The backup under a wallet's backup key.
    pub fn backup(key: &SchnorrKey) -> String {
        format!("/v1/backups/{key}")
    }

    /// A transaction's status; `?wait=SECONDS` waits until it is decided.
    pub fn transaction(txid: &TxId) -> String {
        format!("/v1/transactions/{txid}")
    }
}

/// Query parameter with a [`Challenge`] in hex: the answer then comes as an [`Attested`].
pub const CHALLENGE_PARAMETER: &str = "challenge";

/// An answer signed by its guardian over federation, path, the wallet's challenge and the answer, so that whatever
/// stands in front of several guardians can't speak for them.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct Attested {
    /// Canonical encoding of the answer.
    #[encoding(bytes = MAX_SESSION_BYTES)]
    #[serde(with = "hex::serde")]
    pub answer: Vec<u8>,
    /// The guardian's BIP-340 signature.
    pub signature: SchnorrSignature,
}

/// Why an attested answer counts for nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AttestationError {
    /// Not signed by that guardian for that question.
    #[error("the answer is not signed by the guardian that it should come from")]
    WrongSignature,
    /// Signed, but not an answer to that question.
    #[error("a guardian signed an answer that can't be read: {0}")]
    Unreadable(#[from] DecodeError),
}

impl Attested {
    /// Signs an answer to a request for `path` (see [`paths`], without the query).
    pub fn sign<T: Canonical>(
        federation: &FederationId,
        path: &str,
        challenge: &Challenge,
        answer: &T,
        key: &schnorr::SecretKey,
    ) -> Self {
        let answer = answer.to_bytes();
        let signature = key.sign(&Self::digest(federation, path, challenge, &answer));
        Self { answer, signature }
    }

    /// Checks the signature and decodes the answer.
    ///
    /// # Errors
    /// [`AttestationError`].
    pub fn verify<T: Canonical>(
        &self,
        federation: &FederationId,
        path: &str,
        challenge: &Challenge,
        key: &SchnorrKey,
    ) -> Result<T, AttestationError> {
        Ok(T::from_bytes(self.verified(federation, path, challenge, key)?)?)
    }

    /// Checks the signature and gives the answer as it was signed.
    ///
    /// # Errors
    /// [`AttestationError::WrongSignature`].
    pub fn verified(
        &self,
        federation: &FederationId,
        path: &str,
        challenge: &Challenge,
        key: &SchnorrKey,
    ) -> Result<&[u8], AttestationError> {
        let digest = Self::digest(federation, path, challenge, &self.answer);
        let is_signed = schnorr::verify(key, &digest, &self.signature);
        if is_signed { Ok(&self.answer) } else { Err(AttestationError::WrongSignature) }
    }

    fn digest(federation: &FederationId, path: &str, challenge: &Challenge, answer: &[u8]) -> Hash {
        // The path's length keeps path and answer apart.
        let length = (path.len() as u64).to_le_bytes();
        Context::Answer.hash(&[&federation.0, &challenge.0, &length, path.as_bytes(), answer])
    }
}

/// What became of a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "status")]
pub enum TransactionStatus {
    /// Never seen, or forgotten.
    Unknown,
    /// On its way through consensus.
    Pending,
    /// In history.
    Accepted {
        /// The session that holds it; it may not be signed yet.
        session: u64,
    },
    /// Not in history and, unless submitted again, never will be.
    Rejected(Rejection),
}

/// Why a transaction was rejected.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct Rejection {
    /// What is wrong.
    pub reason: RejectionReason,
    /// The same for people.
    #[encoding(text = MAX_REASON_BYTES)]
    pub detail: String,
}

/// What is wrong with a rejected transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "code")]
pub enum RejectionReason {
    /// An input is spent already. The wallet believes it when it sees that session signed.
    AlreadySpent {
        /// Which input.
        input: u8,
        /// The session that holds the spend.
        session: u64,
    },
    /// An input or output does not decode or holds an impossible value.
    Malformed,
    /// A module that this federation does not have.
    UnknownModule,
    /// A note's or an issuer's signature is wrong.
    InvalidSignature,
    /// The inputs are not the outputs plus the fee, or the fee is too low.
    Unbalanced,
    /// A claim of a credit that does not exist.
    NoSuchCredit,
    /// Guardians have suspended the issuer of a credit or withdrawal.
    IssuerSuspended,
}

impl RejectionReason {
    /// A stable code for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::AlreadySpent { .. } => "already_spent",
            Self::Malformed => "malformed",
            Self::UnknownModule => "unknown_module",
            Self::InvalidSignature => "invalid_signature",
            Self::Unbalanced => "unbalanced",
            Self::NoSuchCredit => "no_such_credit",
            Self::IssuerSuspended => "issuer_suspended",
        }
    }
}

/// An error as RFC 9457 describes it, `application/problem+json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// HTTP status.
    pub status: u16,
    /// A stable code for programs, such as `bad_request` or `not_found`.
    pub code: String,
    /// What is wrong, for people.
    pub detail: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::testing::{assert_round_trip, assert_strict};
    use proptest::{collection::vec, prelude::*};

    #[test]
    fn an_attestation_binds_guardian_question_and_answer() {
        let key = schnorr::SecretKey::from_bytes(&[5; 32]).unwrap();
        let federation = FederationId([1; 32]);
        let challenge = Challenge([2; 16]);
        let attested = Attested::sign(&federation, paths::SESSION_COUNT, &challenge, &7u64, &key);
        let verify = |attested: &Attested, path: &str, challenge: &Challenge| {
            attested.verify::<u64>(&federation, path, challenge, &key.public_key())
        };
        assert_eq!(verify(&attested, paths::SESSION_COUNT, &challenge), Ok(7));
        assert!(verify(&attested, paths::STATUS, &challenge).is_err());
        assert!(verify(&attested, paths::SESSION_COUNT, &Challenge([3; 16])).is_err());
        let mut changed = attested.clone();
        changed.answer[0] ^= 1;
        assert_eq!(verify(&changed, paths::SESSION_COUNT, &challenge), Err(AttestationError::WrongSignature));
        let stranger = schnorr::SecretKey::from_bytes(&[6; 32]).unwrap().public_key();
        assert!(attested.verify::<u64>(&federation, paths::SESSION_COUNT, &challenge, &stranger).is_err());
        assert_round_trip(&attested);
    }

    #[test]
    fn paths_have_a_version() {
        assert_eq!(paths::in_version(paths::STATUS, 2), "/v2/status");
        assert_eq!(paths::in_version(paths::HEALTH, 2), "/health");
    }

    #[test]
    fn statuses_round_trip() {
        let reason = RejectionReason::AlreadySpent { input: 1, session: 9 };
        for status in [
            TransactionStatus::Unknown,
            TransactionStatus::Accepted { session: 3 },
            TransactionStatus::Rejected(Rejection { reason, detail: "spent".into() }),
        ] {
            assert_round_trip(&status);
            let json = serde_json::to_string(&status).unwrap();
            assert_eq!(serde_json::from_str::<TransactionStatus>(&json).unwrap(), status);
        }
    }

    proptest! {
        #[test]
        fn decoders_are_strict(bytes in vec(any::<u8>(), 0..200)) {
            assert_strict::<Attested>(&bytes);
            assert_strict::<TransactionStatus>(&bytes);
        }
    }
}
