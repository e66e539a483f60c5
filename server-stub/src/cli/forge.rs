//! `guardian forge`.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use rekindle_guardian::forge;

use super::Failure;

#[derive(Args)]
pub struct Forge {
    /// How many sessions.
    #[arg(long, default_value_t = 1_000)]
    sessions: u64,
    /// How many transactions each session has.
    #[arg(long, value_name = "N", default_value_t = 4)]
    tx_per_session: usize,
    /// How many inputs and as many outputs a stranger's transaction has.
    #[arg(long, value_name = "N", default_value_t = 5)]
    parts: usize,
    /// Decides everything but the wallet.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// One in so many transactions has to do with the wallet, more in short histories.
    #[arg(long, value_name = "N", default_value_t = 200)]
    wallet_every: usize,
    /// About how many notes the wallet holds in the end.
    #[arg(long, value_name = "N", default_value_t = 50)]
    wallet_notes: usize,
    /// A file with the twelve words of the wallet that lives in the history.
    #[arg(long, value_name = "WORDS-FILE")]
    wallet: PathBuf,
    /// Where to write; must not hold a federation yet. What the wallet must find goes to DIR/forge.json.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// How many guardians: 1, or 4 and more.
    #[arg(long, default_value_t = 4)]
    guardians: u16,
}

impl Forge {
    pub fn run(self) -> Result<(), Failure> {
        let order = forge::Order {
            options: forge::Options {
                sessions: self.sessions,
                transactions_per_session: self.tx_per_session,
                parts: self.parts,
                seed: self.seed,
                wallet_every: self.wallet_every,
                wallet_notes: self.wallet_notes,
            },
            guardians: self.guardians,
            wallet: self.wallet,
            data: self.data,
        };
        let mut shown = std::time::Instant::now();
        let summary = forge::run(&order, |done| {
            if shown.elapsed() >= Duration::from_secs(2) || done == order.options.sessions {
                shown = std::time::Instant::now();
                eprintln!("{done} of {} sessions", order.options.sessions);
            }
        })?;
        println!("{}", serde_json::to_string_pretty(&summary)?);
        Ok(())
    }
}
