//! Running a guardian.

use std::{
    future::Future,
    path::PathBuf,
    pin::pin,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rekindle_protocol::{
    bytes::FederationId,
    config::UrlAnnouncement,
    invite::{InviteCode, InvitedGuardian},
};
use serde::Serialize;
use tokio::{net::TcpListener, sync::watch, task::JoinSet};
use tracing::info;

use super::{GuardianError, Home, HomeError, Membership, ServedNode, agreement::agreement};
use crate::{
    announcements::{Announcements, Save},
    api,
    backups::Backups,
    consensus::GuardianId,
    ledger::Ledger,
    network::{
        OutboxLimits,
        tcp::{PeerStatus, TcpNetwork, TcpSettings},
    },
    node::{self, NodeError, NodeHandle, NodeSetup, Settings},
    secrets::{KeyDerivation, Password},
};

/// What to run, and how.
pub struct RunOptions {
    /// The data directory.
    pub data: PathBuf,
    /// Opens its secrets.
    pub password: Password,
    /// Limits and times of the node.
    pub settings: Settings,
    /// Limits of the API.
    pub limits: api::Limits,
    /// Bytes that wallets' backups may take; with 0 they are refused.
    pub backup_bytes: u64,
    /// How the API is served.
    pub server: api::Server,
    /// What its operator proves itself with, if anything.
    pub admin: Option<api::AdminToken>,
}

/// What tools need to know: the content of the `ready` line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Description {
    /// Which guardian it is.
    pub guardian: GuardianId,
    /// Its federation.
    pub federation: FederationId,
    /// The address that it listens on for wallets.
    pub api: String,
    /// The address that it listens on for other guardians.
    pub peers: String,
    /// The federation's invite code.
    pub invite: String,
}

/// A guardian that runs.
pub struct RunningGuardian {
    node: ServedNode,
    names: Vec<String>,
    description: Description,
    peers: watch::Receiver<Vec<PeerStatus>>,
    announcements: Arc<Announcements>,
    /// Writes announcements down.
    _keeper: JoinSet<()>,
}

impl RunningGuardian {
    /// Opens a guardian's data directory and starts all of it.
    ///
    /// # Errors
    /// [`GuardianError`].
    pub async fn start(options: RunOptions) -> Result<Self, GuardianError> {
        let home = Home::at(&options.data);
        let member = {
            let (home, password) = (home.clone(), options.password.clone());
            // Deriving the key takes memory and a moment.
            tokio::task::spawn_blocking(move || home.member(&password))
                .await
                .map_err(std::io::Error::other)??
        };
        // Everything that a config can be refused for comes before anything is opened or written.
        let machine = Arc::new(Ledger::new(&member.config)?);
        let own = member.members.own;
        let save: Save = {
            let home = home.clone();
            Box::new(move |urls| home.save_urls(own, urls).map_err(std::io::Error::other))
        };
        let announcements = Arc::new(announce(&member, &save)?);
        let Membership { profile, secrets, members, config, .. } = member;
        let keys = secrets.keys.ok_or(HomeError::Mixed("the secrets hold no keys of a federation"))?;
        let config = Arc::new(config);
        let federation = config.federation_id();
        let for_peers = listen(&profile.listen).await?;
        let for_wallets = listen(&profile.api_listen).await?;
        let description = Description {
            guardian: own,
            federation,
            api: for_wallets.local_addr()?.to_string(),
            peers: for_peers.local_addr()?.to_string(),
            invite: invite(&federation, &announcements.all()),
        };
        let network = TcpSettings {
            own,
            identity: secrets.tls,
            guardians: members.addresses(),
            federation,
            config: members.config_hash(&config, &keys.consensus, &options.settings),
            limits: OutboxLimits::default(),
            announcements: announcements.clone(),
        };
        let network = TcpNetwork::start(network, for_peers)?;
        let peers = network.peers();
        let names = config.guardians.iter().map(|guardian| guardian.name.clone()).collect();
        let setup = NodeSetup { id: own, config, keys, settings: options.settings, machine };
        let backups = match options.backup_bytes {
            0 => None,
            quota => Some(Backups::open(&home.backups(), quota).map_err(NodeError::from)?),
        };
        let database = home.database();
        // Replaying a long log takes a moment.
        let started = tokio::task::spawn_blocking(move || node::start(setup, &database, network)).await;
        let node = started.map_err(std::io::Error::other)??;
        let backup: api::Backup = {
            let (home, password) = (home.clone(), options.password);
            let derivation = KeyDerivation::default();
            Box::new(move || home.backup(&password, derivation).map_err(std::io::Error::other))
        };
        let api = api::Setup {
            limits: options.limits,
            peers: Some(peers.clone()),
            admin: options.admin,
            backup: Some(backup),
            backups,
            ..api::Setup::new(announcements.clone())
        };
        let router = api::router(node.handle().clone(), api)?;
        let node = ServedNode::start(node, options.server, for_wallets, router);
        info!(guardian = own, %federation, "listening for wallets on {}", description.api);
        let mut keeper = JoinSet::new();
        keeper.spawn(announcements.clone().keep(save));
        Ok(Self { node, names, description, peers, announcements, _keeper: keeper })
    }

    /// What tools need to know.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// The node.
    pub fn handle(&self) -> &NodeHandle {
        self.node.handle()
    }

    /// Where guardians are reached.
    pub fn announcements(&self) -> &Announcements {
        &self.announcements
    }

    /// A watch on the state of the connection to each guardian, by id.
    pub fn peers(&self) -> watch::Receiver<Vec<PeerStatus>> {
        self.peers.clone()
    }

    /// Waits until the guardian has a reason to stop of its own.
    ///
    /// # Errors
    /// The reason.
    pub async fn ended(&mut self) -> Result<(), GuardianError> {
        let peers = self.peers.clone();
        let disagreement = async {
            match agreement(peers).await {
                Ok(()) => {
                    info!("guardians enough for consensus agree on the config");
                    std::future::pending().await
                }
                Err(by) => by,
            }
        };
        tokio::select! {
            ended = self.node.ended() => Ok(ended?),
            by = disagreement => Err(GuardianError::Disagreement(
                by.into_iter().map(|id| (id, self.names[usize::from(id)].clone())).collect(),
            )),
        }
    }

    /// Stops all of it, with the last writes done.
    ///
    /// # Errors
    /// What the node failed with.
    pub async fn stop(self) -> Result<(), NodeError> {
        self.node.stop().await
    }
}

/// Runs a guardian until `stop`; writes a line to `say` once it listens.
///
/// # Errors
/// [`GuardianError`] if it does not start, or stops by itself.
pub async fn run(
    options: RunOptions,
    stop: impl Future<Output = ()>,
    mut say: impl FnMut(&str),
) -> Result<(), GuardianError> {
    let mut stop = pin!(stop);
    let mut guardian = tokio::select! {
        started = RunningGuardian::start(options) => started?,
        () = &mut stop => return Ok(()),
    };
    let description = serde_json::to_string(guardian.description()).map_err(std::io::Error::other)?;
    say(&format!("ready {description}"));
    let ended = tokio::select! {
        ended = guardian.ended() => ended,
        () = stop => Ok(()),
    };
    let stopped = guardian.stop().await;
    ended.and(stopped.map_err(Into::into))
}

/// The newest announcements of all guardians. If the profile has another URL than this one announced, it announces
/// that.
fn announce(member: &Membership, save: &Save) -> Result<Announcements, GuardianError> {
    let (own, url) = (member.members.own, &member.profile.public_url);
    let announcements = Announcements::durable(Arc::new(member.config.clone()), member.urls.clone());
    let known = member.urls.iter().find(|announced| announced.guardian == own);
    if known.is_none_or(|announced| announced.url != *url) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
        announcements.announce(own, &member.secrets.identity, url, now)?;
        announcements.save(save)?;
    }
    Ok(announcements)
}

fn invite(federation: &FederationId, urls: &[UrlAnnouncement]) -> String {
    let guardians = urls
        .iter()
        .map(|announced| InvitedGuardian { id: announced.guardian, url: announced.url.clone() })
        .collect();
    InviteCode { federation: *federation, guardians }.to_string()
}

async fn listen(address: &str) -> Result<TcpListener, GuardianError> {
    TcpListener::bind(address)
        .await
        .map_err(|error| GuardianError::Listen { address: address.to_owned(), error })
}
