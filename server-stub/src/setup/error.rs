//! Why a ceremony ends without a federation.

use rekindle_protocol::{config::ConfigError, text::TextError};

use super::{Who, participants::ParticipantsError};
use crate::{guardian::HomeError, ledger::LedgerError, network::tcp::TlsError};

/// Why a ceremony ends without a federation. Whoever is to blame is named.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The data directory is not usable.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// A connection info can't be read.
    #[error("the connection info number {number} can't be read: {error}")]
    Info {
        /// Which, from 1.
        number: usize,
        /// Why.
        error: TextError,
    },
    /// These participants make no federation.
    #[error(transparent)]
    Participants(#[from] ParticipantsError),
    /// The address can't be listened on.
    #[error("{address} can't be listened on: {error}")]
    Listen {
        /// The address.
        address: String,
        /// What the operating system says.
        error: std::io::Error,
    },
    /// The certificate is not usable.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Not everybody came in time.
    #[error("not connected in time: {}", list(.0))]
    NotConnected(Vec<(Who, Option<String>)>),
    /// A participant was given other connection infos.
    #[error("{0} was given other connection infos than this guardian: compare them and begin again")]
    OtherParticipants(Who),
    /// A participant runs another version.
    #[error("{0} runs another version of this software")]
    OtherVersion(Who),
    /// A participant lost its part of the ceremony and began again.
    #[error("{0} began again while the ceremony was under way: begin again with all others")]
    BeganAgain(Who),
    /// Participants did not say in time what they had to.
    #[error("no answer in time from {}, at the step `{step}`", list(.who))]
    Silent {
        /// Who.
        who: Vec<(Who, Option<String>)>,
        /// Which step.
        step: &'static str,
    },
    /// A participant broke the rules.
    #[error("{who} sent {what}, at the step `{step}`")]
    Misbehaved {
        /// Who.
        who: Who,
        /// What it sent.
        what: String,
        /// Which step.
        step: &'static str,
    },
    /// A participant gave up.
    #[error("{who} gave up: {reason}")]
    GaveUp {
        /// Who.
        who: Who,
        /// What it says. Nothing proves it.
        reason: String,
    },
    /// Nobody has said what the federation is to be.
    #[error("nobody proposed the federation's terms: one guardian must name it with --federation-name")]
    NoTerms,
    /// Participants want different federations.
    #[error("{0} and {1} propose different terms")]
    DifferentTerms(Who, Who),
    /// No federation can have these terms.
    #[error("no federation can have the terms that {0} proposes")]
    ImpossibleTerms(Who),
    /// The config that came about breaks the rules.
    #[error("the federation's config is not usable: {0}")]
    Config(#[from] ConfigError),
    /// The config that came about is not one for this version.
    #[error("the federation's config is not usable: {0}")]
    Ledger(#[from] LedgerError),
    /// The library failed.
    #[error("the keys could not be generated")]
    KeyGeneration,
    /// Anything else that the operating system refuses.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// Participants with what is known about each.
fn list(who: &[(Who, Option<String>)]) -> String {
    let each: Vec<String> = who
        .iter()
        .map(|(who, why)| match why {
            Some(why) => format!("{who}: {why}"),
            None => who.to_string(),
        })
        .collect();
    each.join("; ")
}
