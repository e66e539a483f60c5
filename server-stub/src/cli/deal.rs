//! `guardian deal`.

use std::path::PathBuf;

use clap::Args;
use rekindle_guardian::{
    guardian::deal,
    secrets::{KeyDerivation, PasswordSource},
};
use rekindle_protocol::modules::mint::MintConfig;

use super::Failure;

#[derive(Args)]
pub struct Deal {
    /// How many guardians: 1, or 4 and more.
    #[arg(long, default_value_t = 4)]
    guardians: u16,
    /// How many denominations of notes.
    #[arg(long, value_name = "N", default_value_t = MintConfig::MAX_DENOMINATIONS)]
    denominations: usize,
    /// Where to write the folders `guardian-0`, `guardian-1` and so on, and the issuer's key `issuer.key`.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// A file whose first line is the password of all guardians; else GUARDIAN_PASSWORD, else it is asked for.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

impl Deal {
    pub fn run(self) -> Result<(), Failure> {
        let deal = deal::Deal {
            guardians: self.guardians,
            denominations: self.denominations,
            data: self.data,
            password: PasswordSource { file: self.password_file }.choose()?,
            // One process knew all of these keys: they protect nothing.
            derivation: KeyDerivation::CHEAPEST,
        };
        Ok(deal.run().map(drop)?)
    }
}
