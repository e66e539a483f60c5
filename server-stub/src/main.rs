//! The command line of `guardian`.

use std::{io::IsTerminal, path::PathBuf, process::ExitCode, str::FromStr, time::Duration};

use clap::{Args, Parser, Subcommand};
use rekindle_guardian::{
    dev::{self, DevOptions},
    forge,
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};
use tracing_subscriber::{filter::Targets, layer::SubscriberExt, util::SubscriberInitExt};

/// One guardian of a federation for e-cash.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: CliCommand,
}

#[derive(Subcommand)]
enum CliCommand {
    /// Run a whole federation for development in one process.
    Dev(Dev),
    /// Write a long signed history for tests and benches, without consensus; `guardian dev` serves it.
    Forge(Forge),
}

#[derive(Args)]
struct Dev {
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
    /// Announces guardian ID under another URL, such as that of a proxy in front of it; once per guardian.
    #[arg(long, value_name = "ID=URL", value_parser = announcement)]
    announce: Vec<(u16, String)>,
}

#[derive(Args)]
struct Forge {
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

fn announcement(text: &str) -> Result<(u16, String), &'static str> {
    const EXPECTED: &str = "expected a guardian's id, `=`, and a URL";
    let (id, url) = text.split_once('=').ok_or(EXPECTED)?;
    Ok((id.parse().map_err(|_| EXPECTED)?, url.to_owned()))
}

/// What is logged unless `RUST_LOG` says otherwise. The engine reports every message that comes twice, which is
/// what restarts are made of.
const DEFAULT_LOG: &str = "info,fedimint_hbbft=off";

fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = std::env::var("RUST_LOG").ok().and_then(|text| Targets::from_str(&text).ok());
    let filter = filter.unwrap_or_else(|| DEFAULT_LOG.parse().unwrap_or_default());
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::registry()
        .with(tracing_subscriber::fmt::layer().with_ansi(colours).with_writer(std::io::stderr))
        .with(filter)
        .init();
    let result = match cli.command {
        CliCommand::Dev(options) => run_dev(options),
        CliCommand::Forge(options) => run_forge(options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("guardian: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run_dev(options: Dev) -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(async {
        let options = DevOptions {
            guardians: options.guardians,
            data: options.data,
            port: options.base_port,
            session_time: Duration::from_millis(options.session_ms),
            announced: options.announce.into_iter().collect(),
        };
        let (mut interrupt, mut terminate) =
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let stop = async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        };
        dev::run(&options, stdin_lines(), stop, |line| println!("{line}")).await?;
        Ok::<_, Box<dyn std::error::Error>>(())
    });
    // What computes for a client that is gone need not be waited for.
    runtime.shutdown_timeout(Duration::from_secs(1));
    result
}

fn run_forge(options: Forge) -> Result<(), Box<dyn std::error::Error>> {
    let order = forge::Order {
        options: forge::Options {
            sessions: options.sessions,
            transactions_per_session: options.tx_per_session,
            parts: options.parts,
            seed: options.seed,
            wallet_every: options.wallet_every,
        },
        guardians: options.guardians,
        wallet: options.wallet,
        data: options.data,
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
