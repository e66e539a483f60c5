//! Wallets that pay as fast as a federation lets them, to measure it.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, StatusCode, header};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use rekindle_guardian::{
    dealer::Dealt,
    dev::DataDir,
    forge::{Author, Draft, FederationSecrets, Place, Spendable, plain_memo},
};
use rekindle_protocol::{
    amount::Amount,
    api::{MAX_WAIT_SECONDS, TransactionStatus, paths},
    bytes::Tweak,
    config::max_faulty,
    encoding::Canonical,
    modules::mint::Denomination,
    ownership::{OperationKind, SeedWords},
    transaction::Transaction,
};

type Error = Box<dyn std::error::Error + Send + Sync>;

/// A payment turns two notes into two others, as most do.
const NOTES: [Denomination; 2] = [Denomination(3), Denomination(5)];
/// How long a client waits that was told to come back.
const PAUSE: Duration = Duration::from_millis(100);

/// Writes `count` payments of notes that nobody has spent. The secrets of all guardians sign the notes.
///
/// # Errors
/// If `data` holds no development federation.
pub fn payments(data: &Path, count: usize) -> Result<Vec<Transaction>, Error> {
    let data = DataDir::open(data)?.ok_or("there is no federation")?;
    let config = data.config().clone();
    let ids = 0..u16::try_from(config.guardian_count())?;
    let guardians = ids.map(|id| data.keys(id)).collect::<Result<_, _>>()?;
    let place = Place::of(&config)?;
    let dealt = Dealt { config, guardians, issuer: data.issuer()? };
    let secrets = FederationSecrets::of(&dealt).ok_or("the guardians' keys do not belong together")?;
    let wallet = SeedWords::from_entropy(&[1; 16]).wallet_secret(&place.federation);
    let author = Author { place, wallet: &wallet, secrets: &secrets };
    let numbers: Vec<u64> = (0..count as u64).collect();
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let written = thread::scope(|scope| {
        let parts = numbers.chunks(count.div_ceil(threads).max(1));
        let workers: Vec<_> = parts
            .map(|part| {
                scope.spawn(|| part.iter().map(|number| payment(&author, *number)).collect::<Vec<_>>())
            })
            .collect();
        workers.into_iter().map(thread::ScopedJoinHandle::join).collect::<Result<Vec<_>, _>>()
    });
    Ok(written.map_err(|_| "a payment could not be written")?.concat())
}

fn payment(author: &Author<'_>, number: u64) -> Transaction {
    let tweak = |side: u8| {
        let mut tweak = Tweak([side; 16]);
        tweak.0[..8].copy_from_slice(&number.to_le_bytes());
        tweak
    };
    let spent = tweak(1);
    let inputs = author.notes(&spent, &NOTES).map(Spendable::Note).collect();
    let amount = NOTES.iter().filter_map(|note| note.amount()).map(|amount| amount.0).sum();
    let memo = plain_memo(OperationKind::Redeem, Amount(amount));
    author.write(tweak(2), Draft { inputs, notes: NOTES.to_vec(), withdrawal: None, fee: Amount::ZERO, memo })
}

/// A federation over HTTP.
#[derive(Clone)]
pub struct Federation {
    urls: Arc<Vec<String>>,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// What a guardian's `/metrics` says; all guardians of a development federation share a process.
#[derive(Clone, Debug)]
pub struct Reading(BTreeMap<String, f64>);

impl Reading {
    /// How much a metric has grown since an earlier reading.
    pub fn since(&self, earlier: &Self, name: &str) -> f64 {
        let of = |reading: &Self| reading.0.get(name).copied().unwrap_or(0.0);
        of(self) - of(earlier)
    }
}

impl Federation {
    /// The federation whose guardians have these URLs.
    pub fn new(urls: Vec<String>) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Self { urls: Arc::new(urls), client: Client::builder(TokioExecutor::new()).build(connector) }
    }

    async fn call(
        &self,
        guardian: usize,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<(StatusCode, Bytes), Error> {
        let url = format!("{}{path}", self.urls[guardian % self.urls.len()]);
        let request = Request::builder().method(method).uri(url);
        let request = request.header(header::ACCEPT, "application/octet-stream");
        let response = self.client.request(request.body(Full::new(body.into()))?).await?;
        Ok((response.status(), response.into_body().collect().await?.to_bytes()))
    }

    /// Reads the metrics.
    ///
    /// # Errors
    /// If the guardian does not answer.
    pub async fn read(&self) -> Result<Reading, Error> {
        let (_, text) = self.call(0, Method::GET, paths::METRICS, Vec::new()).await?;
        let text = str::from_utf8(&text)?;
        let lines = text.lines().filter_map(|line| line.rsplit_once(' '));
        Ok(Reading(lines.filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?))).collect()))
    }

    /// Pays as a wallet does: the same bytes to f+1 guardians, then waits until it is accepted.
    async fn pay(&self, first: usize, payment: &Transaction) -> Result<(), Error> {
        let bytes = payment.to_bytes();
        let submit = |guardian| {
            let bytes = &bytes;
            async move {
                loop {
                    let answer =
                        self.call(guardian, Method::POST, paths::TRANSACTIONS, bytes.clone()).await?;
                    match answer.0 {
                        StatusCode::OK => return Ok::<_, Error>(()),
                        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
                            tokio::time::sleep(PAUSE).await;
                        }
                        _ => return Err(String::from_utf8_lossy(&answer.1).into_owned().into()),
                    }
                }
            }
        };
        let enough = max_faulty(self.urls.len()) + 1;
        futures::future::try_join_all((first..first + enough).map(submit)).await?;
        let path = format!("{}?wait={MAX_WAIT_SECONDS}", paths::transaction(&payment.id()));
        loop {
            let (_, answer) = self.call(first, Method::GET, &path, Vec::new()).await?;
            match TransactionStatus::from_bytes(&answer)? {
                TransactionStatus::Accepted { .. } => return Ok(()),
                TransactionStatus::Rejected(rejection) => return Err(rejection.detail.into()),
                TransactionStatus::Pending | TransactionStatus::Unknown => {}
            }
        }
    }

    /// Lets `clients` pay for `warm_up` and then for `time`, which is what counts.
    ///
    /// # Errors
    /// If a payment fails, or `payments` run out.
    pub async fn run(
        &self,
        payments: Vec<Transaction>,
        clients: usize,
        warm_up: Duration,
        time: Duration,
    ) -> Result<Measured, Error> {
        let work = Arc::new(Work {
            payments,
            next: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
            paid: Mutex::default(),
        });
        let tasks: Vec<_> = (0..clients)
            .map(|client| {
                let (federation, work) = (self.clone(), work.clone());
                tokio::spawn(async move { work.client(&federation, client).await })
            })
            .collect();
        tokio::time::sleep(warm_up).await;
        let (start, before) = (Instant::now(), self.read().await?);
        tokio::time::sleep(time).await;
        let (end, after) = (Instant::now(), self.read().await?);
        work.stop.store(true, Ordering::Relaxed);
        for task in tasks {
            task.await??;
        }
        let paid = work.paid.lock().unwrap_or_else(PoisonError::into_inner);
        let counted = paid.iter().filter(|(at, _)| (start..end).contains(at));
        let mut latencies: Vec<Duration> = counted.map(|(_, latency)| *latency).collect();
        latencies.sort_unstable();
        Ok(Measured { latencies, time: end - start, before, after })
    }
}

struct Work {
    payments: Vec<Transaction>,
    next: AtomicUsize,
    stop: AtomicBool,
    /// When each was accepted, and how long that took.
    paid: Mutex<Vec<(Instant, Duration)>>,
}

impl Work {
    async fn client(&self, federation: &Federation, number: usize) -> Result<(), Error> {
        while !self.stop.load(Ordering::Relaxed) {
            let next = self.next.fetch_add(1, Ordering::Relaxed);
            let payment =
                self.payments.get(next).ok_or("too few payments were written for so fast a federation")?;
            let started = Instant::now();
            federation.pay(number, payment).await?;
            let now = Instant::now();
            self.paid.lock().unwrap_or_else(PoisonError::into_inner).push((now, now - started));
        }
        Ok(())
    }
}

/// What a run gave.
pub struct Measured {
    /// From submission to acceptance, of what was accepted in the time that counts, sorted.
    pub latencies: Vec<Duration>,
    /// That time.
    pub time: Duration,
    /// Metrics at its beginning.
    pub before: Reading,
    /// Metrics at its end.
    pub after: Reading,
}

impl Measured {
    /// The latency that a share of payments stays below, in milliseconds.
    pub fn latency_ms(&self, share: f64) -> f64 {
        let last = self.latencies.len().saturating_sub(1);
        let at = (last as f64 * share).round() as usize;
        self.latencies.get(at).map_or(0.0, |latency| latency.as_secs_f64() * 1e3)
    }
}
