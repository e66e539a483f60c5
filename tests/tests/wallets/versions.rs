//! Federations in the middle of an upgrade: their guardians speak different versions of the API.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    ops::RangeInclusive,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::channel::oneshot;
use rekindle_client::{
    recovery::{RecoveryProgress, RecoveryState},
    wallet::Wallet,
};
use rekindle_guardian::{
    dev::{DevFederation, DevOptions},
    forge,
};
use rekindle_protocol::api::{API_VERSION, PREVIOUS_API_VERSION};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::*;

/// What a guardian says to paths of versions that it does not speak (any more).
const UNKNOWN: &str =
    r#"{"status":404,"code":"unknown_version","detail":"this guardian speaks version 9 of the API"}"#;

/// A guardian that speaks version 9 only. Gives its URL and how often it was asked.
async fn guardian_of_the_future() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let count = count.clone();
            tokio::spawn(async move {
                let mut request = [0; 4096];
                while stream.read(&mut request).await.is_ok_and(|bytes| bytes > 0) {
                    count.fetch_add(1, Ordering::Relaxed);
                    let answer = format!(
                        "HTTP/1.1 404 Not Found\r\nContent-Type: application/problem+json\r\nContent-Length: {}\r\n\r\n{UNKNOWN}",
                        UNKNOWN.len()
                    );
                    if stream.write_all(answer.as_bytes()).await.is_err() {
                        break;
                    }
                }
            });
        }
    });
    (url, asked)
}

/// A history of a wallet with [`WORDS`], and the federation to serve it.
pub struct Forged {
    data: PathBuf,
    pub balance_sats: u64,
    _dir: tempfile::TempDir,
}

impl Forged {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (words, data) = (dir.path().join("words"), dir.path().join("data"));
        std::fs::write(&words, WORDS).unwrap();
        let options = forge::Options {
            sessions: 60,
            transactions_per_session: 3,
            parts: 2,
            seed: 5,
            wallet_every: 10,
            ..forge::Options::default()
        };
        let order = forge::Order { options, guardians: 4, wallet: words, data: data.clone() };
        let balance_sats = forge::run(&order, |_| {}).unwrap().expected.balance_sats;
        Self { data, balance_sats, _dir: dir }
    }

    pub async fn serve(
        &self,
        announced: BTreeMap<u16, String>,
        api_versions: BTreeMap<u16, RangeInclusive<u32>>,
    ) -> DevFederation {
        let options = DevOptions {
            guardians: 4,
            data: self.data.clone(),
            port: Some(0),
            session_time: Duration::from_millis(100),
            announced,
            api_versions,
            // The same wallet is recovered again and again, always from the beginning.
            backup_bytes: 0,
        };
        DevFederation::start(&options).await.unwrap()
    }

    /// Recovers a wallet and checks that all money is back.
    async fn recover(&self, invite: &str) {
        let wallet = Wallet::recover(platform(), WORDS, invite).await.unwrap();
        let (ended, end) = oneshot::channel();
        let ended = RefCell::new(Some(ended));
        wallet.on_recovery(Rc::new(move |progress: RecoveryProgress| {
            if matches!(progress.state, RecoveryState::Done | RecoveryState::Failed)
                && let Some(ended) = ended.take()
            {
                // Nobody listens any more if it ended twice.
                let _ = ended.send(progress);
            }
        }));
        let progress = run_until(&wallet, end).await.unwrap();
        assert_eq!(progress.state, RecoveryState::Done, "{:?}", progress.fault);
        let balance = wallet.balance();
        assert_eq!(balance.spendable + balance.pending, self.balance_sats);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wallet_recovers_while_one_guardian_speaks_a_version_that_it_does_not() {
    let forged = Forged::new();
    let (url, asked) = guardian_of_the_future().await;
    let federation = forged.serve([(1, url)].into(), BTreeMap::new()).await;
    forged.recover(&federation.description().invite).await;
    assert!(asked.load(Ordering::Relaxed) > 0, "the guardian of the other version was asked");
    federation.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wallet_recovers_from_guardians_of_two_versions() {
    let forged = Forged::new();
    let (old, new) = (PREVIOUS_API_VERSION..=PREVIOUS_API_VERSION, API_VERSION..=API_VERSION);
    // One is down, so that nothing goes without both versions.
    let versions = [(0, old.clone()), (1, old), (2, new)].into();
    let mut federation = forged.serve(BTreeMap::new(), versions).await;
    federation.command("stop 3".parse().unwrap()).await.unwrap();
    forged.recover(&federation.description().invite).await;
    federation.stop().await.unwrap();
}
