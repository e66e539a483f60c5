//! A thousand clients at once, most of them up to no good: ordering goes on, memory is bounded, stopping is quick.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use rekindle_guardian::{
    dev::{Credits, DevFederation, DevOptions},
    node::{NodeHandle, SubmitError},
};
use rekindle_protocol::{
    api::{TransactionStatus, paths},
    encoding::Canonical,
    transaction::Transaction,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    sync::Barrier,
    task::JoinSet,
    time::timeout,
};

const CLIENTS: u16 = 1_000;
/// Of these, one in five floods with transactions that are valid.
const KINDS: u16 = 5;
/// What an honest issuer wants to have ordered meanwhile.
const HONEST: u64 = 20;
/// How long that may take on a machine that is busy with the flood.
const PATIENCE: Duration = Duration::from_secs(60);
/// How much the memory of all guardians and clients may grow.
const MEMORY: u64 = 300 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_clients_do_not_stop_consensus() {
    let dir = tempfile::tempdir().unwrap();
    let options = DevOptions {
        guardians: 4,
        data: dir.path().into(),
        port: Some(0),
        session_time: Duration::from_millis(200),
        announced: Default::default(),
        api_versions: Default::default(),
        backup_bytes: 1 << 20,
    };
    let federation = DevFederation::start(&options).await.unwrap();
    let credits = Credits::of(dir.path()).unwrap();
    let ports: Vec<u16> = federation
        .description()
        .guardians
        .iter()
        .map(|url| url.rsplit(':').next().unwrap().parse().unwrap())
        .collect();
    let before = resident_bytes();

    let flood = Arc::new(Flood {
        credits: credits.clone(),
        numbers: AtomicU64::new(HONEST),
        connected: Barrier::new(usize::from(CLIENTS) + 1),
        statuses: Mutex::default(),
    });
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        let port = ports[usize::from(number / KINDS) % ports.len()];
        clients.spawn(flood.clone().client(number, port));
    }
    timeout(PATIENCE, flood.connected.wait()).await.expect("everybody is served");

    let guardian = federation.guardian(0).unwrap();
    let epoch = guardian.epoch();
    let started = Instant::now();
    for number in 0..HONEST {
        let txid = timeout(PATIENCE, submit(guardian, credits.credit(number))).await.expect("taken up");
        let status = guardian.wait_transaction(&txid, PATIENCE).await.unwrap();
        assert!(matches!(status, TransactionStatus::Accepted { .. }), "{status:?}");
        for id in 0..4 {
            let pending = federation.guardian(id).unwrap().pending_count();
            assert!(pending <= 1_000, "{pending} transactions wait");
        }
    }
    assert!(guardian.epoch() > epoch);
    let grown = resident_bytes().saturating_sub(before);
    println!("{HONEST} credits took {:?}, memory grew by {} MiB", started.elapsed(), grown >> 20);
    assert!(grown < MEMORY, "memory grew by {grown} bytes");
    let statuses = flood.statuses.lock().unwrap().clone();
    assert!(statuses.contains(&200), "{statuses:?}");
    assert!(statuses.is_subset(&BTreeSet::from([200, 429, 503])), "{statuses:?}");

    let stopping = Instant::now();
    federation.stop().await.unwrap();
    assert!(stopping.elapsed() < Duration::from_secs(10), "stopping took {:?}", stopping.elapsed());
    clients.shutdown().await;
}

/// Submits as a wallet does: comes back when it is told to.
async fn submit(guardian: &NodeHandle, transaction: Transaction) -> rekindle_protocol::bytes::TxId {
    loop {
        match guardian.submit(transaction.clone()).await {
            Ok(txid) => return txid,
            Err(SubmitError::Busy) => tokio::time::sleep(Duration::from_millis(20)).await,
            Err(error) => panic!("{error}"),
        }
    }
}

struct Flood {
    credits: Credits,
    numbers: AtomicU64,
    connected: Barrier,
    statuses: Mutex<BTreeSet<u16>>,
}

impl Flood {
    async fn client(self: Arc<Self>, number: u16, port: u16) {
        let address = [127, 0, 0, u8::try_from(number % 100).unwrap() + 1];
        let mut stream = connect(address, port).await;
        // Everybody is served once, so that all are connected at the same time.
        let first = exchange(&mut stream, &get(paths::SESSION_COUNT)).await;
        assert!(matches!(first, Some(200 | 429)), "{first:?}");
        self.connected.wait().await;
        match number % KINDS {
            // Half a request, then nothing.
            0 => {
                stream.write_all(b"GET /v1/status HTTP/1.1\r\nHost: gua").await.unwrap();
                let _ = stream.read(&mut [0; 64]).await;
            }
            // Much is asked for, nothing is read.
            1 => {
                let request = get(&format!("{}?from=0&max_bytes=16777216", paths::SESSIONS));
                while stream.write_all(request.as_bytes()).await.is_ok() {}
            }
            2 => {
                self.repeat(stream, address, port, |_| {
                    get(&format!("{}?wait=60", paths::session(1_000_000))).into()
                })
                .await
            }
            3 => self.repeat(stream, address, port, |_| get(paths::STATUS).into()).await,
            _ => self.repeat(stream, address, port, |flood| flood.submission()).await,
        }
    }

    /// Asks as fast as it is answered, again and again.
    async fn repeat(
        &self,
        mut stream: TcpStream,
        address: [u8; 4],
        port: u16,
        request: impl Fn(&Self) -> Vec<u8>,
    ) {
        loop {
            match exchange_bytes(&mut stream, &request(self)).await {
                Some(status) => _ = self.statuses.lock().unwrap().insert(status),
                None => stream = connect(address, port).await,
            }
        }
    }

    fn submission(&self) -> Vec<u8> {
        let body = self.credits.credit(self.numbers.fetch_add(1, Ordering::Relaxed)).to_bytes();
        let head = format!(
            "POST {} HTTP/1.1\r\nHost: guardian\r\nContent-Length: {}\r\n\r\n",
            paths::TRANSACTIONS,
            body.len()
        );
        [head.as_bytes(), &body].concat()
    }
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: guardian\r\n\r\n")
}

async fn connect(from: [u8; 4], port: u16) -> TcpStream {
    loop {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((from, 0).into()).unwrap();
        match socket.connect(([127, 0, 0, 1], port).into()).await {
            Ok(stream) => return stream,
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn exchange(stream: &mut TcpStream, request: &str) -> Option<u16> {
    exchange_bytes(stream, request.as_bytes()).await
}

/// Sends a request and reads the answer, whose body must have a length; `None` once the guardian hangs up.
async fn exchange_bytes(stream: &mut TcpStream, request: &[u8]) -> Option<u16> {
    stream.write_all(request).await.ok()?;
    let mut answer = Vec::new();
    loop {
        let mut chunk = [0; 4096];
        let count = stream.read(&mut chunk).await.ok().filter(|count| *count > 0)?;
        answer.extend_from_slice(&chunk[..count]);
        let Some(head) = answer.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let text = String::from_utf8_lossy(&answer[..head]).to_ascii_lowercase();
        let length = text.split("content-length: ").nth(1)?.split("\r\n").next()?.parse::<usize>().ok()?;
        if answer.len() >= head + 4 + length {
            return text.split(' ').nth(1)?.parse().ok();
        }
    }
}

/// Memory of this process.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap() << 10
}
