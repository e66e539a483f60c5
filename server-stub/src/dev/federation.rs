//! All guardians and the faucet.

use std::{
    collections::BTreeMap,
    future::Future,
    ops::RangeInclusive,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rekindle_protocol::{
    config::{ClientConfig, UrlAnnouncement},
    invite::{InviteCode, InvitedGuardian},
};
use serde::Serialize;
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
    task::JoinHandle,
};
use tracing::info;

use super::{Command, DEFAULT_PORT, DataDir, DevError, DevOptions};
use crate::{
    announcements::Announcements,
    api,
    backups::Backups,
    faucet::{self, Faucet},
    guardian::ServedNode,
    ledger::Ledger,
    network::{Hub, OutboxLimits},
    node::{self, NodeHandle, NodeSetup, Settings},
};

/// The handles of the guardians that run at the moment.
type Handles = Arc<Mutex<BTreeMap<u16, NodeHandle>>>;

/// A development federation that runs.
pub struct DevFederation {
    data: DataDir,
    config: Arc<ClientConfig>,
    settings: Settings,
    hub: Hub,
    ports: Vec<u16>,
    announcements: Arc<Announcements>,
    api_versions: BTreeMap<u16, RangeInclusive<u32>>,
    backup_bytes: u64,
    guardians: BTreeMap<u16, ServedNode>,
    handles: Handles,
    faucet: (oneshot::Sender<()>, JoinHandle<()>),
}

/// What tools need to know: the content of `dev.json` and of the `ready` line.
#[derive(Clone, Debug, Serialize)]
pub struct Description {
    /// The invite code.
    pub invite: String,
    /// The guardians' URLs, by id.
    pub guardians: Vec<String>,
    /// Where the faucet takes requests.
    pub faucet: String,
}

impl DevFederation {
    /// Deals or continues a federation and starts all of it.
    ///
    /// # Errors
    /// [`DevError`].
    pub async fn start(options: &DevOptions) -> Result<Self, DevError> {
        let mut listeners = listeners(options).await?;
        let ports = listeners
            .iter()
            .map(|listener| Ok(listener.local_addr()?.port()))
            .collect::<Result<Vec<_>, std::io::Error>>()?;
        let faucet_url = ports.last().map(|port| faucet_url(*port)).unwrap_or_default();
        let data = DataDir::open_or_deal(&options.data, options.guardians, &faucet_url)?;
        data.save_ports(&ports)?;
        let config = Arc::new(data.config().clone());
        let urls = announce(&data, &config, &ports, &options.announced)?;
        // What one guardian of the process learns, all know.
        let announcements = Arc::new(Announcements::in_memory(config.clone(), urls));
        let handles = Handles::default();
        let faucet_listener = listeners.pop().ok_or(DevError::Command(0, "has no port"))?;
        let faucet = serve_faucet(&data, &config, handles.clone(), faucet_listener)?;
        let settings = Settings { session_time: options.session_time, ..Settings::default() };
        let hub = Hub::new(options.guardians, OutboxLimits::default());
        let (guardians, api_versions) = (BTreeMap::new(), options.api_versions.clone());
        let mut federation = Self {
            data,
            config,
            settings,
            hub,
            ports,
            announcements,
            api_versions,
            backup_bytes: options.backup_bytes,
            guardians,
            handles,
            faucet,
        };
        for (id, listener) in (0..).zip(listeners) {
            federation.start_guardian(id, listener).await?;
        }
        federation.write_dev_json()?;
        Ok(federation)
    }

    /// What tools need to know.
    pub fn description(&self) -> Description {
        let guardians: Vec<String> =
            self.announcements.all().into_iter().map(|announced| announced.url).collect();
        let invite = InviteCode {
            federation: self.config.federation_id(),
            guardians: (0..)
                .zip(&guardians)
                .map(|(id, url)| InvitedGuardian { id, url: url.clone() })
                .collect(),
        };
        let faucet = self.ports.last().map(|port| faucet_url(*port)).unwrap_or_default();
        Description { invite: invite.to_string(), guardians, faucet }
    }

    /// A guardian that runs.
    pub fn guardian(&self, id: u16) -> Option<&NodeHandle> {
        self.guardians.get(&id).map(ServedNode::handle)
    }

    /// Carries out a command.
    ///
    /// # Errors
    /// [`DevError`]; the federation goes on.
    pub async fn command(&mut self, command: Command) -> Result<(), DevError> {
        match command {
            Command::Stop(id) => self.stop_guardian(id).await,
            Command::Start(id) => {
                if self.guardians.contains_key(&id) {
                    return Err(DevError::Command(id, "runs already"));
                }
                let port = self.ports.get(usize::from(id)).filter(|_| id < self.guardian_count());
                let port = *port.ok_or(DevError::Command(id, "does not exist"))?;
                let listener = listen(port).await?;
                self.start_guardian(id, listener).await
            }
        }
    }

    /// Stops everything, with the last writes done.
    ///
    /// # Errors
    /// The first failure of a guardian; all are stopped nevertheless.
    pub async fn stop(mut self) -> Result<(), DevError> {
        let (stop, task) = self.faucet;
        // Both say no more than that the faucet has ended.
        let _ = stop.send(());
        let _ = task.await;
        lock(&self.handles).clear();
        let mut result = Ok(());
        let stopping: Vec<_> = std::mem::take(&mut self.guardians)
            .into_iter()
            .map(|(id, guardian)| (id, tokio::spawn(guardian.stop())))
            .collect();
        for (id, guardian) in stopping {
            let stopped = guardian.await.unwrap_or(Ok(()));
            result = result.and(stopped.map_err(|error| DevError::Guardian { id, error }));
        }
        result
    }

    async fn start_guardian(&mut self, id: u16, listener: TcpListener) -> Result<(), DevError> {
        let machine = Ledger::new(&self.config).map_err(|error| DevError::Config(error.to_string()))?;
        let setup = NodeSetup {
            id,
            config: self.config.clone(),
            keys: self.data.keys(id)?,
            settings: self.settings,
            machine: Arc::new(machine),
        };
        let end = self.hub.connect(id).ok_or(DevError::Command(id, "does not exist"))?;
        let path = self.data.database(id);
        let failed = |error| DevError::Guardian { id, error };
        // Replaying a long log takes a moment.
        let started = tokio::task::spawn_blocking(move || node::start(setup, &path, end)).await;
        let node = started.map_err(std::io::Error::other)?.map_err(failed)?;
        let backups = match self.backup_bytes {
            0 => None,
            quota => {
                Some(Backups::open(&self.data.backups(id), quota).map_err(|error| failed(error.into()))?)
            }
        };
        let mut setup = api::Setup { backups, ..api::Setup::new(self.announcements.clone()) };
        if let Some(versions) = self.api_versions.get(&id) {
            setup.versions = versions.clone();
        }
        let router =
            api::router(node.handle().clone(), setup).map_err(|error| DevError::Config(error.to_string()))?;
        lock(&self.handles).insert(id, node.handle().clone());
        self.guardians.insert(id, ServedNode::start(node, api::Server::default(), listener, router));
        info!(guardian = id, "started");
        Ok(())
    }

    async fn stop_guardian(&mut self, id: u16) -> Result<(), DevError> {
        lock(&self.handles).remove(&id);
        let guardian = self.guardians.remove(&id).ok_or(DevError::Command(id, "does not run"))?;
        guardian.stop().await.map_err(|error| DevError::Guardian { id, error })?;
        info!(guardian = id, "stopped");
        Ok(())
    }

    fn guardian_count(&self) -> u16 {
        // The data directory was opened for so many.
        u16::try_from(self.config.guardian_count()).unwrap_or(u16::MAX)
    }

    fn write_dev_json(&self) -> Result<(), DevError> {
        let text = serde_json::to_string_pretty(&self.description()).map_err(std::io::Error::other)?;
        Ok(std::fs::write(self.data.dev_json(), text)?)
    }
}

/// Runs a federation until `stop`: writes a line for each event to `say`, carries out the lines that come in.
///
/// # Errors
/// [`DevError`] if it does not start, or a guardian fails while it stops.
pub async fn run(
    options: &DevOptions,
    mut lines: mpsc::Receiver<String>,
    stop: impl Future<Output = ()>,
    mut say: impl FnMut(&str),
) -> Result<(), DevError> {
    let mut federation = DevFederation::start(options).await?;
    let description = serde_json::to_string(&federation.description()).map_err(std::io::Error::other)?;
    say(&format!("ready {description}"));
    let mut stop = std::pin::pin!(stop);
    loop {
        let line = tokio::select! {
            () = &mut stop => break,
            // Without an input there are just no commands.
            Some(line) = lines.recv() => line,
        };
        match line.parse() {
            Ok(command) => match (federation.command(command).await, command) {
                (Ok(()), Command::Stop(id)) => say(&format!("stopped {id}")),
                (Ok(()), Command::Start(id)) => say(&format!("started {id}")),
                (Err(error), _) => say(&format!("error {error}")),
            },
            Err(error) => say(&format!("error {error}")),
        }
    }
    federation.stop().await
}

fn lock(handles: &Handles) -> std::sync::MutexGuard<'_, BTreeMap<u16, NodeHandle>> {
    // Nothing that holds the lock panics.
    handles.lock().unwrap_or_else(PoisonError::into_inner)
}

fn faucet_url(port: u16) -> String {
    format!("http://127.0.0.1:{port}{}", faucet::PATH)
}

fn serve_faucet(
    data: &DataDir,
    config: &ClientConfig,
    handles: Handles,
    listener: TcpListener,
) -> Result<(oneshot::Sender<()>, JoinHandle<()>), DevError> {
    let (deposit, _) = config.deposit().map_err(|error| DevError::Config(error.to_string()))?;
    let router = faucet::router(Faucet {
        federation: config.federation_id(),
        deposit,
        key: data.issuer()?,
        guardians: Box::new(move || lock(&handles).values().cloned().collect()),
    });
    let (stop, stopped) = oneshot::channel::<()>();
    let stopped = async {
        // Told or dropped: nobody wants it any more.
        let _ = stopped.await;
    };
    Ok((stop, tokio::spawn(api::serve(listener, router, stopped))))
}

/// Each guardian's announcement of its URL: `others`, or its own port. The number is the time, so that a later run's
/// counts.
fn announce(
    data: &DataDir,
    config: &ClientConfig,
    ports: &[u16],
    others: &BTreeMap<u16, String>,
) -> Result<Vec<UrlAnnouncement>, DevError> {
    let federation = config.federation_id();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |duration| duration.as_secs());
    (0..)
        .zip(ports)
        .take(config.guardian_count())
        .map(|(id, port)| {
            let url = others.get(&id).cloned().unwrap_or_else(|| format!("http://127.0.0.1:{port}"));
            Ok(UrlAnnouncement::sign(&federation, id, now, url, &data.keys(id)?.identity))
        })
        .collect()
}

/// A listener for each guardian and, last, one for the faucet.
async fn listeners(options: &DevOptions) -> Result<Vec<TcpListener>, DevError> {
    let count = options.guardians.saturating_add(1);
    let from = |port: u16| -> Vec<u16> { (0..count).map(|offset| port.saturating_add(offset)).collect() };
    match options.port {
        Some(0) => listen_on(&vec![0; usize::from(count)]).await,
        Some(port) => listen_on(&from(port)).await,
        None => {
            let before = DataDir::last_ports(Path::new(&options.data));
            if before.len() == usize::from(count) {
                // A federation's URLs are known to wallets: others would be no help.
                return listen_patiently(&before).await;
            }
            match listen_on(&from(DEFAULT_PORT)).await {
                Ok(listeners) => Ok(listeners),
                Err(_) => listen_on(&vec![0; usize::from(count)]).await,
            }
        }
    }
}

/// The ports of the run before, which may be about to end.
async fn listen_patiently(ports: &[u16]) -> Result<Vec<TcpListener>, DevError> {
    const TRIES: u32 = 20;
    for _ in 1..TRIES {
        if let Ok(listeners) = listen_on(ports).await {
            return Ok(listeners);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    listen_on(ports).await
}

async fn listen_on(ports: &[u16]) -> Result<Vec<TcpListener>, DevError> {
    let mut listeners = Vec::with_capacity(ports.len());
    for port in ports {
        listeners.push(listen(*port).await?);
    }
    Ok(listeners)
}

async fn listen(port: u16) -> Result<TcpListener, DevError> {
    TcpListener::bind(("127.0.0.1", port)).await.map_err(|error| DevError::Port { port, error })
}
