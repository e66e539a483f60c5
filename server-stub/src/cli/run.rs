//! `guardian run`.

use std::{net::IpAddr, path::PathBuf, time::Duration};

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
    /// How much wallets' backups may take, in MiB; 0 refuses them.
    #[arg(long, value_name = "MIB", default_value_t = 1_024)]
    backup_mib: u64,
    /// A file with the operator's token, at least 22 characters; without it nobody may ask for what is the operator's.
    #[arg(long, value_name = "FILE")]
    admin_token_file: Option<PathBuf>,
    /// The certificate chain for wallets, in PEM form: serves HTTPS. Without it, put a proxy in front.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The certificate's key, in PEM form.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// The address of a proxy in front, whose `X-Forwarded-For` tells clients apart; once for each.
    #[arg(long, value_name = "ADDRESS")]
    trusted_proxy: Vec<IpAddr>,
}

impl Run {
    pub fn run(self) -> Result<(), Failure> {
        let password = PasswordSource { file: self.password_file }.get()?;
        let tls = match (&self.tls_cert, &self.tls_key) {
            (Some(certificates), Some(key)) => Some(api::tls_from_files(certificates, key)?),
            _ => None,
        };
        let admin = self.admin_token_file.as_deref().map(api::AdminToken::read).transpose()?;
        let options = RunOptions {
            data: self.data,
            password,
            settings: Settings {
                session_time: Duration::from_millis(self.session_ms),
                ..Settings::default()
            },
            limits: api::Limits::default(),
            backup_bytes: self.backup_mib.saturating_mul(1 << 20),
            server: api::Server { tls, proxies: self.trusted_proxy, ..api::Server::default() },
            admin,
        };
        block_on(async { Ok(guardian::run(options, stop_signal()?, |line| println!("{line}")).await?) })
    }
}
