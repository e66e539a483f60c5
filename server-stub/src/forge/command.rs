//! `guardian forge`: a data directory that `guardian dev` serves, with a history to recover from.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use rekindle_protocol::ownership::{SeedError, SeedWords};
use serde::Serialize;
use zeroize::Zeroizing;

use super::{ForgeError, Options, Summary, dealer_seed, forge, share};
use crate::{
    dealer::Deal,
    dev::{DataDir, DataError},
};

/// What to forge, for whom, and where.
#[derive(Clone, Debug)]
pub struct Order {
    /// The history.
    pub options: Options,
    /// How many guardians: 1, or 4 and more.
    pub guardians: u16,
    /// A file with the wallet's twelve words.
    pub wallet: PathBuf,
    /// The data directory; it must not hold a federation yet.
    pub data: PathBuf,
}

/// Why an order could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// Neither 1 nor at least 4 guardians, or a directory that can't be used.
    #[error(transparent)]
    Data(#[from] DataError),
    /// There is a federation already.
    #[error("{path} holds a federation already", path = .0.display())]
    Taken(PathBuf),
    /// No session, no transaction or no input.
    #[error("a forged history needs sessions, transactions and inputs, within the protocol's limits")]
    Nothing,
    /// A file could not be read or written.
    #[error("{path}: {1}", path = .0.display())]
    File(PathBuf, io::Error),
    /// The words file does not hold twelve words.
    #[error("{path}: {1}", path = .0.display())]
    Words(PathBuf, SeedError),
    /// The history could not be forged.
    #[error(transparent)]
    Forge(#[from] ForgeError),
}

/// Carries out an order and writes its summary to `forge.json` in the data directory, last of all. `progress` is
/// called with the number of sessions written so far.
///
/// # Errors
/// [`OrderError`].
pub fn run(order: &Order, progress: impl FnMut(u64)) -> Result<Summary, OrderError> {
    check(&order.options)?;
    if order.guardians != 1 && order.guardians < 4 {
        return Err(DataError::Guardians.into());
    }
    let text = fs::read_to_string(&order.wallet).map(Zeroizing::new);
    let text = text.map_err(|error| OrderError::File(order.wallet.clone(), error))?;
    let words = SeedWords::parse(&text).map_err(|error| OrderError::Words(order.wallet.clone(), error))?;
    if DataDir::open(&order.data)?.is_some() {
        return Err(OrderError::Taken(order.data.clone()));
    }
    let deal = || Deal::new(order.guardians, String::new()).deal(&dealer_seed(order.options.seed));
    let dealt = deal();
    let dir = DataDir::create(&order.data, deal())?;
    let summary = forge(&dealt, &words, &order.options, &dir.database(0), progress)?;
    share(&dealt.config, |id| dir.database(id))?;
    write_json(&order.data.join("forge.json"), &summary)?;
    Ok(summary)
}

fn check(options: &Options) -> Result<(), OrderError> {
    use rekindle_protocol::{session::MAX_SESSION_ITEMS, transaction::MAX_INPUTS};
    let possible = options.sessions > 0
        && (1..=MAX_SESSION_ITEMS).contains(&options.transactions_per_session)
        && (1..=MAX_INPUTS).contains(&options.parts)
        // A part takes 400 bytes or less with its signature.
        && options.transactions_per_session * (options.parts * 400 + 200) < rekindle_protocol::session::MAX_SESSION_BYTES;
    if possible { Ok(()) } else { Err(OrderError::Nothing) }
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<(), OrderError> {
    let failed = |error: io::Error| OrderError::File(path.to_owned(), error);
    let text = serde_json::to_string_pretty(value).map_err(|error| failed(error.into()))?;
    fs::write(path, text + "\n").map_err(failed)
}
