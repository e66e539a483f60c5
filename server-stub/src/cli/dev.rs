//! `guardian dev`.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use clap::Args;
use rekindle_guardian::dev::{self, DevOptions};
use tokio::sync::mpsc;

use super::{Failure, block_on, stop_signal};

#[derive(Args)]
pub struct Dev {
    /// How many guardians: 1, or 4 and more.
    #[arg(long, default_value_t = 4)]
    guardians: u16,
    /// Where everything is kept; dealt on the first run, continued on later ones.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Port of guardian 0; the others and the faucet follow. 0 takes any free ports.
    #[arg(long, alias = "port", value_name = "PORT")]
    base_port: Option<u16>,
    /// How old a session with items gets before guardians vote to close it, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 500)]
    session_ms: u64,
    /// How much wallets' backups may take at each guardian, in MiB; 0 refuses them.
    #[arg(long, value_name = "MIB", default_value_t = 64)]
    backup_mib: u64,
    /// Announces guardian ID under another URL, such as that of a proxy in front of it; once per guardian.
    #[arg(long, value_name = "ID=URL", value_parser = announcement)]
    announce: Vec<(u16, String)>,
}

impl Dev {
    pub fn run(self) -> Result<(), Failure> {
        let options = DevOptions {
            guardians: self.guardians,
            data: self.data,
            port: self.base_port,
            session_time: Duration::from_millis(self.session_ms),
            backup_bytes: self.backup_mib.saturating_mul(1 << 20),
            announced: self.announce.into_iter().collect(),
            api_versions: BTreeMap::new(),
        };
        block_on(async {
            Ok(dev::run(&options, stdin_lines(), stop_signal()?, |line| println!("{line}")).await?)
        })
    }
}

fn announcement(text: &str) -> Result<(u16, String), &'static str> {
    const EXPECTED: &str = "expected a guardian's id, `=`, and a URL";
    let (id, url) = text.split_once('=').ok_or(EXPECTED)?;
    Ok((id.parse().map_err(|_| EXPECTED)?, url.to_owned()))
}

/// Lines of standard input. Reading blocks, so it has a thread of its own that ends with the process.
fn stdin_lines() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(16);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if sender.blocking_send(line).is_err() {
                break;
            }
        }
    });
    receiver
}
