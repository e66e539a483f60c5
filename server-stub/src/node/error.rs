//! Why a guardian stops.

use rekindle_protocol::{bytes::Hash, config::ConfigError};

use crate::{consensus::KeyError, db::DbError};

/// Why a guardian can't start or go on. Nothing that a peer or wallet sends causes one, but for a fork.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The config is unusable.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The keys are not this guardian's.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The identity or a threshold share does not belong to the config.
    #[error("the guardian's keys do not belong to this config")]
    ForeignKeys,
    /// The federation signed something else than this guardian computed.
    #[error(
        "FORK: the federation signed another session {session} ({signed}) than this guardian computed ({own}). \
         It stops so as not to serve wrong history. Its software or database differs from the other guardians'."
    )]
    Fork {
        /// Which session.
        session: u64,
        /// Hash of the header that was signed.
        signed: Hash,
        /// Hash of the header computed here.
        own: Hash,
    },
    /// Signed history can't be executed here.
    #[error(
        "FORK: the federation signed session {session}, which this guardian can't execute: {reason}. It stops so \
         as not to serve wrong history. Its software or database differs from the other guardians'."
    )]
    Diverged {
        /// Which session.
        session: u64,
        /// What is wrong.
        reason: String,
    },
    /// f+1 guardians signed another batch than this guardian's engine gave.
    #[error(
        "FORK: guardians signed another batch of epoch {epoch} ({signed}) than this guardian has. It stops so as \
         not to serve wrong history."
    )]
    OtherBatch {
        /// Which epoch.
        epoch: u64,
        /// Hash of the batch that was signed.
        signed: Hash,
    },
    /// The federation has decided to go on with newer software.
    #[error(
        "UPGRADE: the federation has finished session {session} and goes on with version {version} of its rules. \
         Start the software that has it."
    )]
    UpgradeRequired {
        /// The version of the rules.
        version: u32,
        /// The last session under the old ones.
        session: u64,
    },
    /// The thread could not be started.
    #[error("the guardian's thread could not be started: {0}")]
    Thread(std::io::Error),
}
