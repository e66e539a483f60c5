//! Everything a wallet can answer instead of doing what it was asked.

use rekindle_protocol::{bytes::TxId, config::ConfigError, ownership::SeedError, text::TextError};
use thiserror::Error;

use crate::{
    boxed::boxed_from,
    federation::{FederationError, GuardianFault},
    modules::mint::TokenError,
    platform::{RandomError, StoreError},
    recovery::ModuleError,
};

/// An error with a stable code and a sentence for people. Neither ever holds words, keys or notes.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WalletError {
    /// The seed words are wrong.
    #[error(transparent)]
    Seed(#[from] SeedError),
    /// The invite code is wrong.
    #[error("this is not a valid invite code: {0}")]
    Invite(TextError),
    /// The token is damaged, or its notes are not the federation's.
    #[error("this is not a valid token")]
    TokenInvalid,
    /// The token belongs to another federation.
    #[error("the token belongs to another federation")]
    TokenOtherFederation,
    /// Every note of the token is spent, as a signed session shows.
    #[error("the token was already redeemed or reclaimed")]
    TokenSpent,
    /// Zero.
    #[error("the amount must be at least 1 sat")]
    AmountInvalid,
    /// More than one transaction can move.
    #[error("the amount is above what one operation can move")]
    AmountTooLarge,
    /// More than there is, fees included.
    #[error("the wallet has {available} sats to spend, {needed} are needed")]
    InsufficientBalance {
        /// Spendable sats.
        available: u64,
        /// Sats asked for, with fees.
        needed: u64,
    },
    /// There is already a wallet in this store.
    #[error("there is already a wallet here")]
    WalletExists,
    /// There is no wallet in this store.
    #[error("there is no wallet here")]
    WalletNotFound,
    /// The wallet was written by a newer version of this program.
    #[error("the stored wallet was written by a newer version")]
    TooNew,
    /// A record that history can't rebuild does not decode.
    #[error("the stored wallet can't be read: {0}")]
    Corrupt(String),
    /// The wallet has joined no federation.
    #[error("the wallet has not joined a federation yet")]
    NotJoined,
    /// The wallet belongs to another federation.
    #[error("the wallet belongs to another federation already")]
    AlreadyJoined,
    /// Another device on the same seed keeps spending the notes that this one chooses.
    #[error("another device is spending from this wallet; try again")]
    Contended,
    /// Not before recovery is done.
    #[error("this has to wait until recovery is done")]
    RecoveryRunning,
    /// There is no recovery to pause, resume or give up.
    #[error("there is no recovery to pause, resume or give up")]
    RecoveryNotRunning,
    /// No operation has this id.
    #[error("no operation has this id")]
    OperationNotFound,
    /// Not a sent token that is still outstanding.
    #[error("the operation is not a token that is still outstanding")]
    NotReclaimable,
    /// The federation's config can't be used.
    #[error("the federation's config can't be used: {0}")]
    Config(#[from] ConfigError),
    /// The guardians did not give what was asked for.
    #[error(transparent)]
    Federation(FederationError),
    /// The guardians answer, but have not decided in time; the transaction is stored and goes on.
    #[error("the federation has not decided yet")]
    Undecided,
    /// A payment is stored and goes on by itself, whatever keeps the caller from seeing its end. The same call again would
    /// be another payment.
    #[error("the payment goes on by itself: {cause}")]
    UnderWay {
        /// Its transaction.
        txid: TxId,
        /// What happened; repeating the call would be right if nothing were stored.
        cause: Box<WalletError>,
    },
    /// f+1 guardians attest that they reject the transaction; it is kept and tried again.
    #[error("the federation rejected the transaction: {code}")]
    Rejected {
        /// The transaction.
        txid: TxId,
        /// The guardians' code.
        code: String,
    },
    /// Guardians' signature shares do not make a note, though each is right: the config's keys don't fit together.
    #[error("the guardians' signature shares do not make a note")]
    Shares,
    /// The store failed.
    #[error(transparent)]
    Store(StoreError),
    /// There is no randomness.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// A bug in this program.
    #[error("internal error: {0}")]
    Internal(&'static str),
}

impl WalletError {
    /// A stable code for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Seed(SeedError::WordCount(_)) => "words_count",
            Self::Seed(SeedError::UnknownWord(_)) => "words_unknown",
            Self::Seed(SeedError::Checksum) => "words_checksum",
            Self::Invite(_) => "invite_invalid",
            Self::TokenInvalid => "token_invalid",
            Self::TokenOtherFederation => "token_other_federation",
            Self::TokenSpent => "token_spent",
            Self::AmountInvalid => "amount_invalid",
            Self::AmountTooLarge => "amount_too_large",
            Self::InsufficientBalance { .. } => "insufficient_balance",
            Self::WalletExists => "wallet_exists",
            Self::WalletNotFound => "wallet_not_found",
            Self::TooNew | Self::Store(StoreError::TooNew) => "storage_too_new",
            Self::Corrupt(_) | Self::Store(StoreError::Damaged(_)) => "storage_corrupt",
            Self::NotJoined => "not_joined",
            Self::AlreadyJoined => "already_joined",
            Self::RecoveryRunning => "recovery_running",
            Self::RecoveryNotRunning => "recovery_not_running",
            Self::OperationNotFound => "operation_not_found",
            Self::NotReclaimable => "not_reclaimable",
            Self::Config(_) => "response_invalid",
            Self::Federation(error) => federation_code(error),
            Self::Undecided => "timeout",
            Self::UnderWay { .. } => "under_way",
            Self::Rejected { .. } => "rejected",
            Self::Contended => "rejected",
            Self::Shares => "response_invalid",
            Self::Store(StoreError::Unavailable(_)) => "storage_unavailable",
            Self::Store(StoreError::Full) => "storage_full",
            Self::Store(StoreError::Gone) => "storage_gone",
            Self::Store(_) => "storage_failed",
            Self::Random(_) => "no_randomness",
            Self::Internal(_) => "internal",
        }
    }

    /// Whether the same call may succeed later without anything else changing.
    pub fn retryable(&self) -> bool {
        match self {
            Self::Federation(error) => federation_code(error) != "config_mismatch",
            Self::Undecided => true,
            Self::Shares | Self::RecoveryRunning | Self::Contended => true,
            Self::Store(StoreError::ConnectionLost(_) | StoreError::Full) => true,
            _ => false,
        }
    }
}

/// What a wallet's methods give.
pub type WalletResult<T> = Result<T, Box<WalletError>>;

boxed_from!(WalletError: ConfigError, Box<FederationError>, ModuleError, RandomError, SeedError, Box<StoreError>, TokenError);

impl From<Box<FederationError>> for WalletError {
    fn from(error: Box<FederationError>) -> Self {
        Self::Federation(*error)
    }
}

impl From<Box<StoreError>> for WalletError {
    fn from(error: Box<StoreError>) -> Self {
        Self::Store(*error)
    }
}

impl WalletError {
    /// What a caller gets to see once the payment `txid` is stored.
    pub(super) fn under_way(self: Box<Self>, txid: TxId) -> Box<Self> {
        if self.retryable() { Box::new(Self::UnderWay { txid, cause: self }) } else { self }
    }
}

impl From<TokenError> for WalletError {
    fn from(_: TokenError) -> Self {
        Self::TokenInvalid
    }
}

impl From<ModuleError> for WalletError {
    fn from(error: ModuleError) -> Self {
        match error {
            ModuleError::Undecodable(error) => Self::Corrupt(error.to_string()),
            ModuleError::Slow => Self::Internal("a module takes too long"),
            ModuleError::Store(error) => Self::Store(*error),
        }
    }
}

/// What kept guardians from answering: silence, contradiction, or answers that are none.
fn federation_code(error: &FederationError) -> &'static str {
    let none_usable = |faults: &[(u16, GuardianFault)]| {
        !faults.is_empty() && faults.iter().all(|(_, fault)| fault.is_misbehaviour())
    };
    match error {
        FederationError::NoAnswer(_) if error.code() == "config_mismatch" => "config_mismatch",
        FederationError::NoAnswer(faults) if none_usable(faults) => "response_invalid",
        FederationError::NoAgreement(faults) if faults.is_empty() => "federation_undecided",
        FederationError::NoAnswer(_) | FederationError::NoAgreement(_) => "federation_unreachable",
        FederationError::TooMuch { .. } | FederationError::Random(_) => "internal",
    }
}
