//! Driving a node on a thread of its own.

use std::{
    path::Path,
    sync::Arc,
    thread,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use rand::{SeedableRng, rngs::StdRng};
use rekindle_protocol::config::ClientConfig;
use tokio::{
    sync::{Semaphore, mpsc, oneshot, watch},
    time::sleep_until,
};
use tracing::error;

use super::{
    Core, GuardianKeys, NodeError, NodeHandle, Progress, Settings, StateMachine, Time,
    handle::{Request, Shared},
    status::Undecided,
};
use crate::{consensus::GuardianId, db::Db, network::PeerNetwork};

/// How many requests wait for the node before a wallet is told to come back.
const REQUESTS: usize = 1_024;

/// What a node is made of.
pub struct NodeSetup {
    /// Which guardian it is.
    pub id: GuardianId,
    /// The federation's config.
    pub config: Arc<ClientConfig>,
    /// The guardian's secrets.
    pub keys: GuardianKeys,
    /// Limits and times.
    pub settings: Settings,
    /// What judges transactions.
    pub machine: Arc<dyn StateMachine>,
}

impl NodeSetup {
    /// Opens the database at `path` and everything that the node shares with its handles.
    pub(super) fn share(self, path: &Path) -> Result<Arc<Shared>, NodeError> {
        self.config.validate()?;
        let db = Db::open(path, &self.config.federation_id(), self.id)?;
        self.share_db(db)
    }

    /// Like [`NodeSetup::share`] over a database that is open, for a config that is valid.
    pub(super) fn share_db(self, db: Db) -> Result<Arc<Shared>, NodeError> {
        let federation = self.config.federation_id();
        Ok(Arc::new(Shared {
            id: self.id,
            federation,
            db: Arc::new(db),
            config: self.config,
            keys: Arc::new(self.keys),
            settings: self.settings,
            machine: self.machine,
            undecided: Undecided::default(),
            progress: watch::Sender::new(Progress::default()),
            checks: Semaphore::new(thread::available_parallelism().map_or(1, usize::from)),
        }))
    }
}

/// A node on its thread. Dropping it stops the node; [`RunningNode::stop`] also waits until it has stopped.
pub struct RunningNode {
    handle: NodeHandle,
    stop: Option<oneshot::Sender<()>>,
    ended: Option<oneshot::Receiver<Result<(), NodeError>>>,
}

impl RunningNode {
    /// How the rest of the process talks to it.
    pub fn handle(&self) -> &NodeHandle {
        &self.handle
    }

    /// Stops the node and waits for its last write. The database closes with the last handle.
    ///
    /// # Errors
    /// What the node failed with, now or earlier.
    pub async fn stop(mut self) -> Result<(), NodeError> {
        self.stop.take();
        self.ended().await
    }

    /// Waits until the node ends by itself, which it does only upon an error. Returns at once if it was told already.
    ///
    /// # Errors
    /// What it failed with.
    pub async fn ended(&mut self) -> Result<(), NodeError> {
        let Some(ended) = &mut self.ended else { return Ok(()) };
        // A thread that ends without a word was stopped.
        let result = ended.await.unwrap_or(Ok(()));
        self.ended = None;
        result
    }
}

/// Opens the database at `path` and starts a node. Blocks while the write-ahead log is replayed.
///
/// # Errors
/// [`NodeError`].
pub fn start<N: PeerNetwork + 'static>(
    setup: NodeSetup,
    path: &Path,
    network: N,
) -> Result<RunningNode, NodeError> {
    let shared = setup.share(path)?;
    let clock = Clock(Instant::now());
    let core = Core::open(shared.clone(), network, StdRng::from_entropy(), clock.now())?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(NodeError::Thread)?;
    let (requests, received) = mpsc::channel(REQUESTS);
    let (stop, stopped) = oneshot::channel();
    let (report, ended) = oneshot::channel();
    thread::Builder::new()
        .name(format!("guardian-{}", shared.id))
        .spawn(move || {
            let result = runtime.block_on(drive(core, received, stopped, clock));
            if let Err(error) = &result {
                error!("the guardian stops: {error}");
            }
            // Whoever started the node may have gone.
            let _ = report.send(result);
        })
        .map_err(NodeError::Thread)?;
    Ok(RunningNode { handle: NodeHandle { shared, requests }, stop: Some(stop), ended: Some(ended) })
}

async fn drive<N: PeerNetwork>(
    mut core: Core<N>,
    mut received: mpsc::Receiver<Request>,
    mut stopped: oneshot::Receiver<()>,
    clock: Clock,
) -> Result<(), NodeError> {
    let mut requests = Vec::new();
    loop {
        while requests.len() < REQUESTS
            && let Ok(request) = received.try_recv()
        {
            requests.push(request);
        }
        let more = core.step(std::mem::take(&mut requests), clock.now())?;
        // Signalled or dropped: either way nobody wants the node any more.
        if !matches!(stopped.try_recv(), Err(oneshot::error::TryRecvError::Empty)) {
            return Ok(());
        }
        if more {
            continue;
        }
        let wakeup = core.next_wakeup().map(|at| clock.instant(at));
        tokio::select! {
            () = core.network_mut().changed() => {}
            () = async {
                match wakeup {
                    Some(at) => sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            } => {}
            request = received.recv(), if !received.is_closed() => requests.extend(request),
            _ = &mut stopped => return Ok(()),
        }
    }
}

/// The machine's clocks.
#[derive(Clone, Copy)]
struct Clock(Instant);

impl Clock {
    fn now(self) -> Time {
        let millis = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Time {
            wall: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, millis),
            monotonic: millis(self.0.elapsed()),
        }
    }

    fn instant(self, monotonic: u64) -> Instant {
        // The millisecond after, so that the time has come when it wakes.
        self.0 + std::time::Duration::from_millis(monotonic.saturating_add(1).min(u64::from(u32::MAX)))
    }
}
