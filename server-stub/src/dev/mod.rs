//! A development federation: all guardians in one process, dealt by a trusted dealer.
//!
//! # How it works
//!
//! [`DataDir`] holds the config and each guardian's keys and database; it is dealt on the first run and continued
//! on later ones. Each guardian is a node with its session API on a port of its own and can be stopped and started
//! by itself; a [`Hub`](crate::network::Hub) connects them. A faucet, the one issuer, gives to anyone who asks.
//!
//! The process is driven over stdin and stdout, a line at a time: it writes `ready JSON` once everything listens,
//! takes `stop N` and `start N`, and answers `stopped N`, `started N` or `error TEXT`.

mod command;
mod credits;
mod data;
mod federation;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, ops::RangeInclusive, path::PathBuf, time::Duration};

use crate::node::NodeError;

pub use command::Command;
pub use credits::Credits;
pub use data::{DataDir, DataError};
pub use federation::{DevFederation, run};

/// The port of guardian 0 where none was asked for and none was used before.
pub const DEFAULT_PORT: u16 = 28_170;

/// What to run.
#[derive(Clone, Debug)]
pub struct DevOptions {
    /// How many guardians: 1, or 4 and more.
    pub guardians: u16,
    /// Where everything is kept.
    pub data: PathBuf,
    /// The port of guardian 0; the others and the faucet follow. 0 takes any free ports. `None` takes those of the
    /// run before, else [`DEFAULT_PORT`] and following, else any free ones.
    pub port: Option<u16>,
    /// How old a session with items gets before guardians vote to close it.
    pub session_time: Duration,
    /// URLs that guardians announce in place of their own, by id: those of proxies in front of them.
    pub announced: BTreeMap<u16, String>,
    /// The versions of the API that guardians speak, by id; others speak all that there are.
    pub api_versions: BTreeMap<u16, RangeInclusive<u32>>,
    /// Bytes that wallets' backups may take at each guardian; with 0 they are refused.
    pub backup_bytes: u64,
}

/// Why a development federation does not run.
#[derive(Debug, thiserror::Error)]
pub enum DevError {
    /// The data directory is not usable.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A port is not free.
    #[error("port {port} can't be listened on: {error}")]
    Port {
        /// The port.
        port: u16,
        /// What the operating system says.
        error: std::io::Error,
    },
    /// A guardian does not start or failed.
    #[error("guardian {id}: {error}")]
    Guardian {
        /// Which one.
        id: u16,
        /// Why.
        error: NodeError,
    },
    /// The config has no place for a module or asks for one that does not exist.
    #[error("the federation's config is not usable: {0}")]
    Config(String),
    /// A command for a guardian that is not there, or is already in that state.
    #[error("guardian {0} {1}")]
    Command(u16, &'static str),
    /// Anything else that the operating system refuses.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}
