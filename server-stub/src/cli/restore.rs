//! `guardian restore`.

use std::path::PathBuf;

use clap::Args;
use rekindle_guardian::{guardian::Home, secrets::PasswordSource};

use super::Failure;

#[derive(Args)]
pub struct Restore {
    /// The backup, from `GET /v1/admin/backup`.
    #[arg(long, value_name = "FILE")]
    backup: PathBuf,
    /// Where to write; must not hold a guardian yet.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// A file whose first line is the password of the guardian's secrets; else GUARDIAN_PASSWORD, else it is asked for.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

impl Restore {
    pub fn run(self) -> Result<(), Failure> {
        let backup = std::fs::read(&self.backup)
            .map_err(|error| format!("{} can't be read: {error}", self.backup.display()))?;
        let password = PasswordSource { file: self.password_file }.get()?;
        Ok(Home::at(&self.data).restore(&backup, &password)?)
    }
}
