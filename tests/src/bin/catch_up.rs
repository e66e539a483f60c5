//! Brings a guardian with an empty database back from a forged history and prints how fast as one line of JSON.
//!
//! `catch_up DATA`: DATA is the data directory that `guardian forge` wrote. Guardians 0 and up serve from it; the last
//! one starts with its keys alone, downloads all sessions over links within the process, verifies and executes them.

use std::{
    env,
    error::Error,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use rekindle_guardian::{
    dev::DataDir,
    ledger::Ledger,
    network::{Hub, OutboxLimits},
    node::{self, NodeSetup, RunningNode, Settings},
};
use serde::Serialize;

/// Without progress for so long it is over.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is printed.
#[derive(Serialize)]
struct Report {
    sessions_per_s: f64,
    mb_per_s: f64,
    sessions: u64,
    seconds: f64,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [data] = arguments.as_slice() else { return Err("usage: catch_up DATA".into()) };
    let data = DataDir::open(Path::new(data))?.ok_or("there is no federation in DATA")?;
    let config = Arc::new(data.config().clone());
    let guardians = u16::try_from(config.guardian_count())?;
    let Some(last) = guardians.checked_sub(1).filter(|last| *last > 0) else {
        return Err("a federation of one has nobody to ask".into());
    };
    let hub = Hub::new(guardians, OutboxLimits::default());
    let scratch = tempfile::tempdir()?;
    let start = |id: u16, path: &Path| -> Result<RunningNode, Box<dyn Error>> {
        let setup = NodeSetup {
            id,
            config: config.clone(),
            keys: data.keys(id)?,
            settings: Settings::default(),
            machine: Arc::new(Ledger::new(&config)?),
        };
        Ok(node::start(setup, path, hub.connect(id).ok_or("no such guardian")?)?)
    };
    let mut servers = Vec::new();
    for id in 0..last {
        servers.push(start(id, &data.database(id))?);
    }
    let source = servers.first().ok_or("nobody serves")?.handle().clone();
    let sessions = source.signed_count();
    let started = Instant::now();
    let returning = start(last, &scratch.path().join("guardian.redb"))?;
    let mut progress = returning.handle().progress();
    while progress.borrow_and_update().signed_count < sessions {
        tokio::time::timeout(PATIENCE, progress.changed()).await.map_err(|_| "it does not come back")??;
    }
    let seconds = started.elapsed().as_secs_f64();
    let mut bytes = 0;
    for index in 0..sessions {
        let (own, theirs) = (returning.handle().session(index)?, source.session(index)?);
        let node::SessionState::Complete(session) = own else { return Err("a session is missing".into()) };
        bytes += session.len();
        if node::SessionState::Complete(session) != theirs {
            return Err("it came back with another history".into());
        }
    }
    let report = Report {
        sessions_per_s: sessions as f64 / seconds,
        mb_per_s: bytes as f64 / 1e6 / seconds,
        sessions,
        seconds,
    };
    println!("{}", serde_json::to_string(&report)?);
    returning.stop().await?;
    for server in servers {
        server.stop().await?;
    }
    Ok(())
}
