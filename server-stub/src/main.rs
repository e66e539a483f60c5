//! The binary `guardian`.

mod cli;

use std::{io::IsTerminal, process::ExitCode, str::FromStr};

use clap::Parser;
use tracing_subscriber::{Layer, filter::Targets, layer::SubscriberExt, util::SubscriberInitExt};

use cli::{Cli, LogFormat};
use rekindle_guardian::guardian::GuardianError;

/// Serving is many small allocations on many threads: this takes a tenth off a request. It does without huge pages: a thread
/// that needs a little memory would clear two megabytes of it, which cost more than serving did.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What is logged unless `RUST_LOG` says otherwise. The engine reports every message that comes twice, which is
/// what restarts are made of.
const DEFAULT_LOG: &str = "info,fedimint_hbbft=off";

fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = std::env::var("RUST_LOG").ok().and_then(|text| Targets::from_str(&text).ok());
    let filter = filter.unwrap_or_else(|| DEFAULT_LOG.parse().unwrap_or_default());
    let colours = std::io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt::layer().with_ansi(colours).with_writer(std::io::stderr);
    let lines = match cli.log_format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry().with(lines).with(filter).init();
    match cli.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("guardian: {error}");
            ExitCode::from(error.downcast_ref().map_or(1, GuardianError::exit_status))
        }
    }
}
