//! Why a guardian does not run.

use std::{io, path::PathBuf};

use rekindle_protocol::{config::ConfigError, encoding::DecodeError};

use crate::{
    announcements::Unacceptable, consensus::GuardianId, ledger::LedgerError, network::tcp::TlsError,
    node::NodeError, secrets::SealError,
};

/// Why a data directory is not usable.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// Nothing is there.
    #[error("{} holds no guardian: begin with `guardian setup init`", .0.display())]
    Empty(PathBuf),
    /// Something is there already.
    #[error("{} holds a guardian already", .0.display())]
    Occupied(PathBuf),
    /// The ceremony has not been completed.
    #[error("{} holds a guardian that belongs to no federation yet: go on with `guardian setup join`", .0.display())]
    NotSetUp(PathBuf),
    /// A file does not say what it should.
    #[error("{} can't be read: {reason}", .path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The secrets stay closed.
    #[error("{}: {error}", .path.display())]
    Sealed {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: SealError,
    },
    /// Reading or writing failed.
    #[error("{}: {error}", .path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the operating system says.
        error: io::Error,
    },
    /// Files that do not belong together, such as from different backups.
    #[error("the files do not belong together: {0}")]
    Mixed(&'static str),
}

/// Why a guardian does not run, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum GuardianError {
    /// The data directory is not usable.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The config does not decode.
    #[error("the federation's config can't be read: {0}")]
    Unreadable(#[from] DecodeError),
    /// The config breaks the rules.
    #[error("the federation's config is not usable: {0}")]
    Config(#[from] ConfigError),
    /// The config asks for what this version does not have.
    #[error("the federation's config is not usable: {0}")]
    Ledger(#[from] LedgerError),
    /// The certificate is not usable.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The profile's URL is none.
    #[error("the public URL in guardian.json is not usable: {0}")]
    Url(#[from] Unacceptable),
    /// An address can't be listened on.
    #[error("{address} can't be listened on: {error}")]
    Listen {
        /// The address.
        address: String,
        /// What the operating system says.
        error: io::Error,
    },
    /// More guardians mean another federation or config than may be faulty.
    #[error(
        "{} have another config than this guardian; more disagree than can be faulty, so it is likely that this \
         guardian's files are wrong or old", name(.0)
    )]
    Disagreement(Vec<(GuardianId, String)>),
    /// The node failed.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// Anything else that the operating system refuses.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl GuardianError {
    /// The exit status that tells whatever starts the process again why it ended: 3 if it takes newer software to go
    /// on, 4 if history is in doubt, 1 for all else.
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::Node(NodeError::UpgradeRequired { .. }) => 3,
            Self::Node(
                NodeError::Fork { .. } | NodeError::Diverged { .. } | NodeError::OtherBatch { .. },
            ) => 4,
            _ => 1,
        }
    }
}

/// Guardians as people know them.
fn name(guardians: &[(GuardianId, String)]) -> String {
    let named: Vec<String> = guardians.iter().map(|(id, name)| format!("guardian {id} ({name})")).collect();
    named.join(" and ")
}
