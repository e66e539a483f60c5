//! How a wallet begins: created, opened, recovered, joined to a federation.

use std::rc::Rc;

use rekindle_protocol::{
    bytes::TxId,
    chain::ChainPosition,
    config::ClientConfig,
    encoding::{Canonical, Decode, Encode},
    invite::InviteCode,
    ownership::SeedWords,
};
use zeroize::Zeroizing;

use super::{
    Joined, Platform, Wallet, WalletError, WalletResult, keys,
    lane::{aside_kinds, drop_states},
    live::Live,
    restore::{begin_recovery, search},
};
use crate::{
    backup::{BackupState, SeenBefore},
    context::WalletContext,
    federation::{Evidence, FederationApi, GuardianId, download_config},
    platform::Batch,
    recovery::RecoveryRecord,
    sorted::SortedSet,
};

/// The federation that a wallet has joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FederationInfo {
    /// The federation's id in hex.
    pub federation: String,
    /// Its name for people.
    pub name: String,
    /// Names and base URLs of its guardians, by id.
    pub guardians: Vec<(String, String)>,
    /// Whether one of its issuers is a faucet, as test federations have.
    pub has_faucet: bool,
}

impl Wallet {
    /// Whether the store holds a wallet.
    ///
    /// # Errors
    /// [`WalletError::Store`].
    pub async fn exists(platform: &Platform) -> WalletResult<bool> {
        Ok(platform.store.get(keys::FORMAT.as_bytes()).await?.is_some())
    }

    /// Makes a wallet with fresh seed words.
    ///
    /// # Errors
    /// [`WalletError::WalletExists`], [`WalletError::Store`], [`WalletError::Random`].
    pub async fn create(platform: Platform) -> WalletResult<Self> {
        let mut entropy = Zeroizing::new([0; 16]);
        platform.runtime.random(&mut *entropy)?;
        let words = SeedWords::from_entropy(&entropy);
        begin(&platform, &words, Batch::new()).await?;
        Ok(Self::new(platform, words, None))
    }

    /// Makes a wallet from the words of one that was lost, and begins to recover it. [`Wallet::run`] does the work.
    ///
    /// # Errors
    /// [`WalletError::Seed`], [`WalletError::Invite`], [`WalletError::WalletExists`], [`WalletError::Federation`] if no
    /// guardian gives the config; then nothing was stored.
    pub async fn recover(platform: Platform, words: &str, invite: &str) -> WalletResult<Self> {
        let words = SeedWords::parse(words)?;
        let invite = InviteCode::parse(invite).map_err(WalletError::Invite)?;
        if Self::exists(&platform).await? {
            return Err(WalletError::WalletExists.into());
        }
        let federation = StoredFederation::download(&platform, &invite).await?;
        let mut batch = Batch::new();
        batch.put(keys::FEDERATION, federation.to_bytes());
        let (context, api) = federation.open(&platform, &words)?;
        let found = search(&context, &api).await;
        begin_recovery(&context, found, &mut batch);
        begin(&platform, &words, batch).await?;
        let joined = join(&platform, context, api).await?;
        Ok(Self::new(platform, words, Some(joined)))
    }

    /// Opens the wallet in the store, without network.
    ///
    /// # Errors
    /// [`WalletError::WalletNotFound`], [`WalletError::TooNew`], [`WalletError::Corrupt`], [`WalletError::Store`].
    pub async fn open(platform: Platform) -> WalletResult<Self> {
        let store = &platform.store;
        match store.get(keys::FORMAT.as_bytes()).await?.as_deref() {
            None => return Err(WalletError::WalletNotFound.into()),
            Some([keys::FORMAT_VERSION]) => {}
            Some([version, ..]) if *version > keys::FORMAT_VERSION => return Err(WalletError::TooNew.into()),
            Some(_) => return Err(WalletError::Corrupt("the version".into()).into()),
        }
        let entropy = store.get(keys::SEED.as_bytes()).await?.map(Zeroizing::new);
        let entropy: [u8; 16] = entropy
            .and_then(|bytes| bytes.as_slice().try_into().ok())
            .ok_or_else(|| WalletError::Corrupt("the seed".into()))?;
        let words = SeedWords::from_entropy(&Zeroizing::new(entropy));
        let joined = match store.get(keys::FEDERATION.as_bytes()).await? {
            None => None,
            Some(bytes) => {
                let federation = StoredFederation::from_bytes(&bytes)
                    .map_err(|error| WalletError::Corrupt(error.to_string()))?;
                let (context, api) = federation.open(&platform, &words)?;
                Some(join(&platform, context, api).await?)
            }
        };
        Ok(Self::new(platform, words, joined))
    }

    /// Joins the federation of an invite code. Joining the same one again does nothing.
    ///
    /// The wallet is new to the federation and follows its history from now on. If guardians show that its words were in
    /// use there before, on another device, it recovers first.
    ///
    /// # Errors
    /// [`WalletError::Invite`], [`WalletError::AlreadyJoined`], [`WalletError::Federation`], [`WalletError::Store`].
    pub async fn join(&self, invite: &str) -> WalletResult<FederationInfo> {
        let invite = InviteCode::parse(invite).map_err(WalletError::Invite)?;
        let _working = self.working().await;
        match self.context() {
            Some(context) if context.federation == invite.federation => {}
            Some(_) => return Err(WalletError::AlreadyJoined.into()),
            None => {
                let platform = self.platform();
                let federation = StoredFederation::download(platform, &invite).await?;
                let mut batch = Batch::new();
                batch.put(keys::FEDERATION, federation.to_bytes());
                let (context, api) = federation.open(platform, &self.0.words)?;
                let found = search(&context, &api).await;
                if found.seen == SeenBefore::Seen {
                    begin_recovery(&context, found, &mut batch);
                } else {
                    let start = (present(&api).await?, SortedSet::<TxId>::new());
                    batch.put(keys::POSITION, start.to_bytes());
                }
                platform.store.commit(batch).await?;
                *self.0.joined.borrow_mut() = Some(join(platform, context, api).await?);
                self.notify();
                self.wake();
            }
        }
        Ok(self.federation().ok_or(WalletError::NotJoined)?)
    }

    /// What guardians, or caches and proxies in front of them, have served that only a lie or a broken program explains:
    /// the latest of each.
    pub fn evidence(&self) -> Vec<Evidence> {
        self.api().map(|api| api.evidence()).unwrap_or_default()
    }

    /// The federation that the wallet has joined.
    pub fn federation(&self) -> Option<FederationInfo> {
        let joined = self.0.joined.borrow();
        let joined = joined.as_ref()?;
        let config = &joined.context.config;
        Some(FederationInfo {
            federation: joined.context.federation.to_string(),
            name: config.name.clone(),
            guardians: (0..)
                .zip(&config.guardians)
                .map(|(id, guardian)| (guardian.name.clone(), joined.api.url(id).unwrap_or_default()))
                .collect(),
            has_faucet: joined.context.deposit.issuers.iter().any(|issuer| issuer.faucet),
        })
    }
}

/// Writes a new wallet's first records, all at once.
async fn begin(platform: &Platform, words: &SeedWords, mut batch: Batch) -> WalletResult<()> {
    if Wallet::exists(platform).await? {
        return Err(WalletError::WalletExists.into());
    }
    batch.put(keys::FORMAT, [keys::FORMAT_VERSION]);
    batch.put(keys::SEED, words.entropy().to_vec());
    Ok(platform.store.commit(batch).await?)
}

/// A federation as the store keeps it.
#[derive(Clone, Encode, Decode)]
struct StoredFederation {
    config: ClientConfig,
    urls: Vec<(GuardianId, String)>,
}

impl StoredFederation {
    async fn download(platform: &Platform, invite: &InviteCode) -> WalletResult<Self> {
        let joined = download_config(invite, &*platform.transport, &*platform.runtime).await?;
        Ok(Self { config: joined.config, urls: joined.urls })
    }

    fn open(
        self,
        platform: &Platform,
        words: &SeedWords,
    ) -> WalletResult<(Rc<WalletContext>, FederationApi)> {
        let secret = words.wallet_secret(&self.config.federation_id());
        let context = Rc::new(WalletContext::new(self.config, secret)?);
        let (transport, runtime) = (platform.transport.clone(), platform.runtime.clone());
        let api = FederationApi::new(Rc::new(context.config.clone()), self.urls, transport, runtime)?;
        Ok((context, api))
    }
}

/// Loads everything about a federation that the store holds.
async fn join(platform: &Platform, context: Rc<WalletContext>, api: FederationApi) -> WalletResult<Joined> {
    if let Some(urls) = platform.store.get(keys::URLS.as_bytes()).await? {
        // What does not decode is learned again.
        api.know(Canonical::from_bytes(&urls).unwrap_or_default());
    }
    if let Some(evidence) = platform.store.get(keys::EVIDENCE.as_bytes()).await? {
        api.guardians.borrow_mut().read_evidence(&evidence);
    }
    let (mut live, unreadable) = Live::load(context.clone(), &*platform.store).await?;
    let recovery = platform.store.get(keys::RECOVERY.as_bytes()).await?;
    let mut recovery = recovery.map(|bytes| RecoveryRecord::read(context.federation, &bytes));
    if !unreadable.is_empty() {
        let record = recovery.get_or_insert_with(|| RecoveryRecord::whole(context.federation));
        match record.is_live() {
            true => drop_states(record, &unreadable, platform.runtime.now()),
            // Giving the recovery up must not lead back to them.
            false => record.was_whole = false,
        }
        // Before anything else is stored: the modules that begin with nothing must not be taken for whole.
        let mut batch = Batch::new();
        batch.put(keys::RECOVERY, record.write());
        platform.store.commit(batch).await?;
    }
    live.scanner.aside = recovery.as_ref().map(aside_kinds).unwrap_or_default();
    let backup = platform.store.get(keys::BACKUP.as_bytes()).await?;
    let backup = backup.map(|bytes| BackupState::read(&bytes)).unwrap_or_default();
    Ok(Joined { context, api: Rc::new(api), live, recovery: recovery.map(Rc::new), backup })
}

/// The position after the newest signed session: a wallet with fresh words has no business before it.
async fn present(api: &FederationApi) -> WalletResult<ChainPosition> {
    let count = api.session_count().await?;
    // The session before the current one may have closed without being signed yet; the one before that is.
    for index in [count.checked_sub(1), count.checked_sub(2)].into_iter().flatten() {
        match api.session(index).await {
            Ok(session) => return Ok(ChainPosition::after(api.federation(), &session.value.header)),
            Err(error) if index + 2 <= count => return Err(error.into()),
            Err(_) => {}
        }
    }
    Ok(ChainPosition::GENESIS)
}
