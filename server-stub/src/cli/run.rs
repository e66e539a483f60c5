//! `guardian run`.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use rekindle_guardian::{
    api,
    guardian::{self, RunOptions},
    node::Settings,
    secrets::PasswordSource,
};

use super::{Failure, block_on, stop_signal};

#[derive(Args)]
pub struct Run {
    /// The guardian's data directory, made by `guardian setup`.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// A file whose first line is the password of the guardian's secrets; else GUARDIAN_PASSWORD, else it is asked for.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// How old a session with items gets before this guardian votes to close it, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 500)]
    session_ms: u64,
}

impl Run {
    pub fn run(self) -> Result<(), Failure> {
        let password = PasswordSource { file: self.password_file }.get()?;
        let options = RunOptions {
            data: self.data,
            password,
            settings: Settings {
                session_time: Duration::from_millis(self.session_ms),
                ..Settings::default()
            },
            limits: api::Limits::default(),
            server: api::Server::default(),
        };
        block_on(async { Ok(guardian::run(options, stop_signal()?, |line| println!("{line}")).await?) })
    }
}
