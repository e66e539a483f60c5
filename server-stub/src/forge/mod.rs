//! Forging: long, signed histories for tests and benches, written without consensus by whoever holds all keys.
//!
//! # How it works
//!
//! Sessions are chained by hashes first and signed afterwards, on all cores (`chain`), with the federation's whole
//! secret (`secrets`), which only a dealer has. One wallet lives in the history (`activity`): its transactions are
//! valid in every part, and the ledger's tables hold their effects, so that after recovery it goes on spending.
//! All others are `strangers`, whose points and signatures come from a small pool. [`Expected`] says what the
//! wallet must find.
//!
//! A seed decides everything: the same one gives the same history, byte for byte.

mod activity;
mod author;
mod chain;
mod command;
mod secrets;
mod store;
mod strangers;
mod stream;

#[cfg(test)]
mod tests;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rekindle_protocol::{
    api::Rejection,
    config::{ClientConfig, ConfigError},
    ownership::SeedWords,
    session::Item,
    transaction::Transaction,
};
use serde::{Deserialize, Serialize};

pub use activity::Expected;
pub use author::{Author, Draft, OwnedNote, Place, Spendable, plain_memo, sign, split};
pub use chain::{Chain, ForgedSession};
pub use command::{Order, OrderError, run};
pub use secrets::FederationSecrets;
pub use store::share;

use activity::{Activity, LONGEST_CHAIN};
use store::Store;
use strangers::Strangers;
use stream::Stream;

use crate::{db::DbError, dealer::Dealt, ledger::LedgerError};

/// How many sessions are signed and stored at a time.
const CHUNK: usize = 1_000;

/// The dealt seed of a forged federation is no secret: it derives from the history's seed.
pub fn dealer_seed(seed: u64) -> [u8; 32] {
    Stream::new(seed, "dealer").bytes()
}

/// What to forge.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How many sessions.
    pub sessions: u64,
    /// How many transactions each has.
    pub transactions_per_session: usize,
    /// How many inputs and outputs a stranger's transaction has.
    pub parts: usize,
    /// Decides everything.
    pub seed: u64,
    /// One in so many transactions has to do with the wallet; more of them if there would be too few to matter.
    pub wallet_every: usize,
    /// About how many notes the wallet holds in the end, where it has to do with enough transactions.
    pub wallet_notes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            sessions: 1_000,
            transactions_per_session: 4,
            parts: 5,
            seed: 1,
            wallet_every: 200,
            wallet_notes: 50,
        }
    }
}

/// A forged history in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// How many sessions.
    pub sessions: u64,
    /// How many transactions.
    pub transactions: u64,
    /// Bytes of all encoded sessions.
    pub bytes: u64,
    /// What the wallet must find.
    #[serde(flatten)]
    pub expected: Expected,
}

/// Why a history could not be forged.
#[derive(Debug, thiserror::Error)]
pub enum ForgeError {
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The config gives no ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The config lacks a module.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The shares do not belong together.
    #[error("the guardians' shares are not of one key")]
    Shares,
    /// A file that would be overwritten.
    #[error("{0} exists already")]
    Exists(PathBuf),
    /// A copy for another guardian could not be made.
    #[error("{0} could not be written: {1}")]
    Copy(PathBuf, std::io::Error),
    /// The forger and the ledger disagree about what is valid.
    #[error("the ledger refuses a forged transaction: {}", .0.detail)]
    Rejected(Rejection),
}

/// Writes a history into a new database of guardian 0 at `path`; [`share`] gives it to the others. `progress` is
/// called with the number of sessions written so far.
///
/// # Errors
/// [`ForgeError`].
pub fn forge(
    dealt: &Dealt,
    words: &SeedWords,
    options: &Options,
    path: &Path,
    mut progress: impl FnMut(u64),
) -> Result<Summary, ForgeError> {
    let config: Arc<ClientConfig> = Arc::new(dealt.config.clone());
    let place = Place::of(&config)?;
    let secrets = FederationSecrets::of(dealt).ok_or(ForgeError::Shares)?;
    let wallet = words.wallet_secret(&place.federation);
    let other =
        SeedWords::from_entropy(&Stream::new(options.seed, "other").bytes()).wallet_secret(&place.federation);
    let author = |wallet| Author { place, wallet, secrets: &secrets };
    let store = Store::create(path, &config)?;
    let mut script = Script::new(options, Activity::new(options, author(&wallet), author(&other)));
    let mut strangers = Strangers::new(options.seed, place.mint, options.parts, &secrets);
    let mut chain = Chain::new(place.federation);
    let mut valid = Vec::new();
    let mut bytes = 0;
    while chain.next() < options.sessions {
        let items = (0..options.transactions_per_session)
            .map(|_| match script.next() {
                Some(transaction) => {
                    valid.push((chain.next(), transaction.clone()));
                    Item::Transaction(transaction)
                }
                None => Item::Transaction(strangers.transaction()),
            })
            .collect();
        chain.append(items);
        if (chain.unsigned() == CHUNK || chain.next() == options.sessions)
            && let Some(last) = chain.last().copied()
        {
            let sessions = chain.sign(&secrets.session);
            bytes += sessions.iter().map(|session| session.session.len() as u64).sum::<u64>();
            store.append(&sessions, &std::mem::take(&mut valid), &last)?;
            progress(chain.next());
        }
    }
    Ok(Summary {
        sessions: options.sessions,
        transactions: script.total as u64,
        bytes,
        expected: script.activity.expected(),
    })
}

/// Which transactions are the wallet's.
struct Script<'a> {
    activity: Activity<'a>,
    every: usize,
    at: usize,
    total: usize,
}

impl<'a> Script<'a> {
    fn new(options: &Options, activity: Activity<'a>) -> Self {
        let sessions = usize::try_from(options.sessions).unwrap_or(usize::MAX);
        let total = sessions.saturating_mul(options.transactions_per_session);
        // At least twenty of them, where there is room.
        let every = options.wallet_every.min(total / 20).max(1);
        Self { activity, every, at: 0, total }
    }

    /// The next transaction, if it is not a stranger's.
    fn next(&mut self) -> Option<Transaction> {
        let at = self.at;
        self.at += 1;
        if at % self.every != self.every / 2 {
            return None;
        }
        let left = (self.total - at) / self.every;
        self.activity.next(left > LONGEST_CHAIN)
    }
}
