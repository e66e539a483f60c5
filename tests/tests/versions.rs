//! A federation in the middle of an upgrade: one guardian speaks a version of the API that the wallet does not know.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    cell::RefCell,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::{
    channel::oneshot,
    future::{Either, select},
    pin_mut,
};
use rekindle_client::{
    recovery::RecoveryState,
    store::MemoryStore,
    wallet::{Platform, Wallet},
};
use rekindle_guardian::{
    dev::{DevFederation, DevOptions},
    forge,
};
use rekindle_tests::native::{NativeRuntime, NativeTransport};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    time::timeout,
};

const WORDS: &str = "legal winner thank year wave sausage worth useful legal winner thank yellow";
const PATIENCE: Duration = Duration::from_secs(120);

/// What a guardian says to paths of a version that it does not speak (any more).
const UNKNOWN: &str =
    r#"{"status":404,"code":"unknown_version","detail":"this guardian speaks version 2 of the API, not 1"}"#;

/// A guardian that speaks version 2 only. Gives its URL and how often it was asked.
async fn newer_guardian() -> (String, Arc<AtomicUsize>) {
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wallet_recovers_while_one_guardian_speaks_another_version() {
    let dir = tempfile::tempdir().unwrap();
    let (words, data) = (dir.path().join("words"), dir.path().join("data"));
    std::fs::write(&words, WORDS).unwrap();
    let options =
        forge::Options { sessions: 60, transactions_per_session: 3, parts: 2, seed: 5, wallet_every: 10 };
    let order = forge::Order { options, guardians: 4, wallet: words, data: data.clone() };
    let summary = forge::run(&order, |_| {}).unwrap();
    let (url, asked) = newer_guardian().await;
    let options = DevOptions {
        guardians: 4,
        data,
        port: Some(0),
        session_time: Duration::from_millis(100),
        announced: [(1, url)].into(),
        api_versions: Default::default(),
    };
    let federation = DevFederation::start(&options).await.unwrap();

    let platform = Platform {
        store: Rc::new(MemoryStore::default()),
        transport: Rc::new(NativeTransport::new()),
        runtime: Rc::new(NativeRuntime),
    };
    let wallet = Wallet::recover(platform, WORDS, &federation.description().invite).await.unwrap();
    let (ended, end) = oneshot::channel();
    let ended = RefCell::new(Some(ended));
    wallet.on_recovery(Rc::new(move |progress: rekindle_client::recovery::RecoveryProgress| {
        if matches!(progress.state, RecoveryState::Done | RecoveryState::Failed)
            && let Some(ended) = ended.take()
        {
            // Nobody listens any more if it ended twice.
            let _ = ended.send(progress);
        }
    }));
    let progress = {
        let run = wallet.run();
        pin_mut!(run);
        match timeout(PATIENCE, select(end, run)).await.expect("the recovery ends") {
            Either::Left((progress, _)) => progress.unwrap(),
            Either::Right(_) => panic!("the wallet stopped"),
        }
    };
    assert_eq!(progress.state, RecoveryState::Done, "{:?}", progress.fault);
    let balance = wallet.balance();
    assert_eq!(balance.spendable + balance.pending, summary.expected.balance_sats);
    assert!(asked.load(Ordering::Relaxed) > 0, "the guardian of the other version was asked");
    drop(wallet);
    federation.stop().await.unwrap();
}
