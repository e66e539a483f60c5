//! What goes wrong when guardians are asked.

use rekindle_protocol::{
    api::{AttestationError, UNKNOWN_VERSION},
    chain::ChainError,
    config::ConfigError,
    encoding::DecodeError,
    ranges::FrameTooLong,
};
use thiserror::Error;

use super::GuardianId;
use crate::boxed::boxed_from;
use crate::platform::{RandomError, TransportError};

/// What one guardian, or whatever answers in its place, did wrong.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum GuardianFault {
    /// It could not be reached, or its answer broke off.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// It did not answer in time.
    #[error("no answer within {0} milliseconds")]
    Silent(u64),
    /// It asked not to be disturbed for so many milliseconds.
    #[error("the guardian is busy for {0} milliseconds")]
    Busy(u64),
    /// It answered with an error.
    #[error("the guardian answered with status {status} ({code})")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The stable code in its problem document; empty if it sent none.
        code: String,
    },
    /// Its answer is larger than any right answer.
    #[error("the answer is larger than {0} bytes")]
    TooBig(usize),
    /// Its answer is of another kind, such as a web page: something else answers at its address.
    #[error("the answer is of type {0}")]
    WrongType(String),
    /// Its answer is not what was asked for.
    #[error(transparent)]
    Undecodable(#[from] DecodeError),
    /// It announced a record larger than any right one.
    #[error(transparent)]
    FrameTooLong(#[from] FrameTooLong),
    /// Its answer ended in the middle of a record.
    #[error("the answer ends early")]
    Truncated,
    /// It did not send anything of what was asked for.
    #[error("the guardian does not have session {0}")]
    Missing(u64),
    /// The answer is not signed by this guardian for this question.
    #[error(transparent)]
    Unattested(#[from] AttestationError),
    /// What it served contradicts history or is not signed by the federation.
    #[error(transparent)]
    History(#[from] ChainError),
    /// Its config has another hash than the federation id.
    #[error("the guardian serves the config of another federation")]
    WrongConfig,
    /// Its config can't be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Its signature shares are not valid.
    #[error("the guardian's signature shares are wrong")]
    WrongShares,
    /// The backup that it serves is not signed by its owner.
    #[error("the guardian serves a backup that its owner did not sign")]
    WrongBackup,
    /// Where it is reached is not known.
    #[error("the guardian's address is not known")]
    NoAddress,
}

/// What one guardian gives.
pub type GuardianResult<T> = Result<T, Box<GuardianFault>>;

boxed_from!(GuardianFault: AttestationError, ChainError, ConfigError, DecodeError, FrameTooLong, TransportError);

impl GuardianFault {
    /// A stable name of this fault.
    pub fn code(&self) -> &'static str {
        match self {
            GuardianFault::Transport(error) => error.code(),
            GuardianFault::Silent(_) => "guardian_silent",
            GuardianFault::Busy(_) => "guardian_busy",
            GuardianFault::Refused { .. } => "guardian_refused",
            GuardianFault::TooBig(_) | GuardianFault::FrameTooLong(_) => "answer_too_big",
            GuardianFault::WrongType(_) => "answer_of_wrong_type",
            GuardianFault::Undecodable(_) => "answer_undecodable",
            GuardianFault::Truncated => "answer_truncated",
            GuardianFault::Missing(_) => "answer_missing",
            GuardianFault::Unattested(_) => "answer_unattested",
            GuardianFault::History(_) => "history_invalid",
            GuardianFault::WrongConfig => "config_mismatch",
            GuardianFault::Config(_) => "config_invalid",
            GuardianFault::WrongShares => "shares_invalid",
            GuardianFault::WrongBackup => "backup_invalid",
            GuardianFault::NoAddress => "guardian_without_address",
        }
    }

    /// Whether it does not speak the version of the API that it was asked in.
    pub fn is_unknown_version(&self) -> bool {
        matches!(self, GuardianFault::Refused { code, .. } if code == UNKNOWN_VERSION)
    }

    /// Whether only a lie or a broken program explains it, rather than load, distance or a restart.
    pub fn is_misbehaviour(&self) -> bool {
        match self {
            GuardianFault::Transport(_)
            | GuardianFault::Silent(_)
            | GuardianFault::Busy(_)
            | GuardianFault::Refused { .. }
            | GuardianFault::Truncated
            | GuardianFault::Missing(_)
            | GuardianFault::NoAddress => false,
            GuardianFault::TooBig(_)
            | GuardianFault::WrongType(_)
            | GuardianFault::Undecodable(_)
            | GuardianFault::FrameTooLong(_)
            | GuardianFault::Unattested(_)
            | GuardianFault::History(_)
            | GuardianFault::WrongConfig
            | GuardianFault::Config(_)
            | GuardianFault::WrongShares
            | GuardianFault::WrongBackup => true,
        }
    }
}

/// Why a question to a federation has no answer now. Asking again later may help.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FederationError {
    /// Nobody gave a usable answer.
    #[error("no guardian gave a usable answer")]
    NoAnswer(Vec<(GuardianId, GuardianFault)>),
    /// Some answered, but too few, or not enough alike.
    #[error("too few guardians agree on an answer")]
    NoAgreement(Vec<(GuardianId, GuardianFault)>),
    /// More was asked for than one request can hold.
    #[error("the request is above the limit of {limit}")]
    TooMuch {
        /// How much one request can hold.
        limit: usize,
    },
    /// The platform gave no random numbers.
    #[error(transparent)]
    Random(#[from] RandomError),
}

/// What a federation gives.
pub type FederationResult<T> = Result<T, Box<FederationError>>;

boxed_from!(FederationError: RandomError);

impl FederationError {
    /// A stable name of this error.
    pub fn code(&self) -> &'static str {
        match self {
            FederationError::NoAnswer(faults) if Self::all_mismatch(faults) => "config_mismatch",
            FederationError::NoAnswer(_) => "federation_unreachable",
            FederationError::NoAgreement(_) => "federation_undecided",
            FederationError::TooMuch { .. } => "request_too_big",
            FederationError::Random(error) => error.code(),
        }
    }

    /// What each guardian that was asked did wrong.
    pub fn faults(&self) -> &[(GuardianId, GuardianFault)] {
        match self {
            FederationError::NoAnswer(faults) | FederationError::NoAgreement(faults) => faults,
            FederationError::TooMuch { .. } | FederationError::Random(_) => &[],
        }
    }

    fn all_mismatch(faults: &[(GuardianId, GuardianFault)]) -> bool {
        !faults.is_empty() && faults.iter().all(|(_, fault)| *fault == GuardianFault::WrongConfig)
    }
}
