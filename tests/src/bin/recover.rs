//! Recovers a wallet from a forged history over HTTP and prints what it took as one line of JSON.
//!
//! `recover FORM DATA WORDS-FILE`: FORM is `index` or `sessions`, DATA is the data directory that `guardian forge` wrote and `guardian dev` is serving now.
//! A wallet that does not come back as DATA/forge.json says is an error, so a wrong recovery is never measured.

use std::{cell::RefCell, env, error::Error, fs, path::Path, rc::Rc, time::Instant};

use futures::{
    channel::oneshot,
    future::{Either, select},
    pin_mut,
};
use rekindle_client::{
    recovery::{RecoveryProgress, RecoveryState},
    store::MemoryStore,
    wallet::{Platform, Wallet},
};
use rekindle_guardian::forge::{Expected, Summary};
use rekindle_tests::native::{NativeRuntime, NativeTransport};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct DevJson {
    invite: String,
}

/// What is printed. Speeds are those of reading history: from the start to the last snapshot.
#[derive(Serialize)]
struct Report {
    sessions_per_s: f64,
    tx_per_s: f64,
    mb_per_s: f64,
    bytes_per_tx: f64,
    /// Two for each signature that was checked on the way.
    pairings: u64,
    snapshots: u64,
    /// What part of the time snapshots took, in percent.
    snapshots_percent: f64,
    /// Seconds from the start to the last snapshot.
    seconds: f64,
    /// Seconds from there until every note had its signature.
    finalize_s: f64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [form, data, words] = arguments.as_slice() else {
        return Err("usage: recover index|sessions DATA WORDS-FILE".into());
    };
    let every_session = form == "sessions";
    let data = Path::new(data);
    let dev: DevJson = serde_json::from_slice(&fs::read(data.join("dev.json"))?)?;
    let summary: Summary = serde_json::from_slice(&fs::read(data.join("forge.json"))?)?;
    let words = fs::read_to_string(words)?;
    // Connections are served by a thread of their own while the wallet computes on this one, as in a browser.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let report = runtime.block_on(recover(&words, &dev.invite, every_session, &summary))?;
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}

async fn recover(
    words: &str,
    invite: &str,
    every_session: bool,
    summary: &Summary,
) -> Result<Report, Box<dyn Error>> {
    let platform = Platform {
        store: Rc::new(MemoryStore::default()),
        transport: Rc::new(NativeTransport::new()),
        runtime: Rc::new(NativeRuntime),
    };
    let started = Instant::now();
    let wallet = Wallet::recover(platform, words, invite).await?;
    if every_session {
        wallet.read_every_session();
    }
    let read_at = Rc::new(RefCell::new(None));
    let (ended, end) = oneshot::channel();
    let ended = RefCell::new(Some(ended));
    wallet.on_recovery(Rc::new({
        let read_at = read_at.clone();
        move |progress: RecoveryProgress| {
            if matches!(progress.state, RecoveryState::Finalizing | RecoveryState::Done) {
                read_at.borrow_mut().get_or_insert_with(Instant::now);
            }
            if matches!(progress.state, RecoveryState::Done | RecoveryState::Failed)
                && let Some(ended) = ended.take()
            {
                // Nobody listens any more if it ended twice.
                let _ = ended.send(progress);
            }
        }
    }));
    let progress = {
        let run = wallet.run();
        pin_mut!(run);
        match select(end, run).await {
            Either::Left((progress, _)) => progress?,
            Either::Right(_) => return Err("the wallet stopped".into()),
        }
    };
    if progress.state != RecoveryState::Done {
        return Err(format!("the recovery failed: {:?}", progress.fault).into());
    }
    let found = found(&wallet)?;
    if found != summary.expected {
        return Err(format!("found {found:?} instead of {:?}", summary.expected).into());
    }
    let read_at = read_at.take().ok_or("history was never read")?;
    let seconds = (read_at - started).as_secs_f64();
    Ok(Report {
        sessions_per_s: summary.sessions as f64 / seconds,
        tx_per_s: summary.transactions as f64 / seconds,
        mb_per_s: progress.bytes as f64 / 1e6 / seconds,
        bytes_per_tx: progress.bytes as f64 / summary.transactions as f64,
        pairings: 2 * progress.verifications,
        snapshots: progress.snapshots,
        snapshots_percent: wallet.snapshot_ms() as f64 / 10.0 / seconds,
        seconds,
        finalize_s: read_at.elapsed().as_secs_f64(),
    })
}

/// What the wallet holds, in the words of the forger.
fn found(wallet: &Wallet) -> Result<Expected, Box<dyn Error>> {
    let balance = wallet.balance();
    let outstanding = wallet.outstanding();
    let notes = wallet.recovery().ok_or("there is no recovery")?.found.notes;
    Ok(Expected {
        balance_sats: balance.spendable + balance.pending,
        unspent_notes: usize::try_from(notes)?,
        outstanding_tokens: outstanding.len(),
        outstanding_sats: balance.outstanding,
        operations: wallet.history(usize::MAX, None)?.len(),
    })
}
