//! The command line of `guardian`, a file for each subcommand.

mod deal;
mod dev;
mod forge;
mod restore;
mod run;
mod setup;

use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};

/// What a subcommand fails with: a sentence for the operator.
type Failure = Box<dyn std::error::Error>;

/// One guardian of a federation for e-cash.
#[derive(Parser)]
#[command(version)]
pub struct Cli {
    /// How the log is written to standard error.
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text")]
    pub log_format: LogFormat,
    #[command(subcommand)]
    command: Command,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// An object a line, for programs.
    Json,
}

#[derive(Subcommand)]
enum Command {
    /// Found a federation together with other guardians.
    Setup(setup::Setup),
    /// Run a guardian.
    Run(run::Run),
    /// Bring a guardian's data directory back from a backup.
    Restore(restore::Restore),
    /// Run a whole federation for development in one process.
    Dev(dev::Dev),
    /// Write a long signed history for tests and benches, without consensus; `guardian dev` serves it.
    Forge(forge::Forge),
    /// Deal a federation's keys in one place and write a data directory for each guardian: for tests and benches.
    #[command(hide = true)]
    Deal(deal::Deal),
}

impl Cli {
    /// Carries out the command.
    ///
    /// # Errors
    /// What went wrong, for the operator.
    pub fn run(self) -> Result<(), Failure> {
        match self.command {
            Command::Setup(command) => command.run(),
            Command::Run(command) => command.run(),
            Command::Restore(command) => command.run(),
            Command::Dev(command) => command.run(),
            Command::Forge(command) => command.run(),
            Command::Deal(command) => command.run(),
        }
    }
}

/// Runs what waits for sockets and clocks.
fn block_on(future: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(future);
    // What computes for a client that is gone need not be waited for.
    runtime.shutdown_timeout(Duration::from_secs(1));
    result
}

/// Completes when the process is asked to end: SIGINT or SIGTERM.
fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
