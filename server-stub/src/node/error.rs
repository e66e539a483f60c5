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
    /// The thread could not be started.
    #[error("the guardian's thread could not be started: {0}")]
    Thread(std::io::Error),
}
