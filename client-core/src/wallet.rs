//! A wallet: one seed, one federation, one store.
//!
//! [`Wallet`] is a handle that can be cloned; all clones are one wallet. Its operations ([`Wallet::send`],
//! [`Wallet::redeem`] and the rest) may overlap. [`Wallet::run`] is the wallet's background: the platform polls it for
//! as long as the wallet is open, and it recovers, resumes what a crash interrupted, follows history and claims
//! deposits. Dropping any of these futures at any point is safe: what matters is stored before it is done.

mod attested;
mod background;
mod backup;
mod collect;
mod complete;
mod draft;
mod error;
mod follow;
pub(crate) mod keys;
mod lane;
mod live;
mod overview;
mod pending;
mod progress;
mod recover;
mod restore;
mod setup;
mod spend;
mod steer;
mod submit;
#[cfg(test)]
mod tests;
mod update;
mod verify;
mod waker;

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use futures::lock::{Mutex, MutexGuard};
use rekindle_protocol::{bytes::Tweak, ownership::SeedWords};

use crate::{
    backup::BackupState,
    context::WalletContext,
    federation::FederationApi,
    modules::mint::Mint,
    platform::{Runtime, Store, Transport},
    recovery::{KINDS, RecoveryProgress, RecoveryRecord, Scanner},
    stream::Form,
};

use live::Live;
use progress::Running;
use waker::Waker;

pub use collect::Received;
pub use error::{WalletError, WalletResult};
pub use overview::{Balance, HistoryEntry, OperationStatus, OutstandingToken};
pub use setup::FederationInfo;
pub use spend::SentToken;
pub use steer::Steer;

/// The outside world, as a wallet needs it.
#[derive(Clone)]
pub struct Platform {
    /// Where the wallet's records lie. Nothing else may write to it.
    pub store: Rc<dyn Store>,
    /// The way to guardians.
    pub transport: Rc<dyn Transport>,
    /// Time and randomness.
    pub runtime: Rc<dyn Runtime>,
}

/// A wallet. Clones are handles to the same one.
#[derive(Clone)]
pub struct Wallet(Rc<Inner>);

struct Inner {
    platform: Platform,
    words: SeedWords,
    joined: RefCell<Option<Joined>>,
    /// Held while a batch is computed and committed, so that memory and store change together.
    committing: Mutex<()>,
    /// Held by whatever makes or settles transactions.
    working: Mutex<()>,
    /// Held by whatever moves the position in history.
    following: Mutex<()>,
    /// Held by whatever drives or changes the recovery.
    recovering: Mutex<()>,
    running: RefCell<Running>,
    every_session: Cell<bool>,
    /// What snapshots have cost, in milliseconds.
    snapshot_ms: Cell<u64>,
    /// When guardians were asked last where they are reached, in milliseconds since 1970.
    urls_asked_at: Cell<u64>,
    /// For the background and for each module that may be aside.
    wakers: [Waker; 1 + KINDS.len()],
    change_listener: RefCell<Option<Rc<dyn Fn()>>>,
    recovery_listener: RefCell<Option<RecoveryListener>>,
}

type RecoveryListener = Rc<dyn Fn(RecoveryProgress)>;

/// What there is once a federation is joined.
struct Joined {
    context: Rc<WalletContext>,
    api: Rc<FederationApi>,
    live: Live,
    /// The stored record of the recovery; `None` in a wallet that was created and has always been whole.
    recovery: Option<Rc<RecoveryRecord>>,
    /// The stored record of the backup at the guardians.
    backup: BackupState,
}

impl Wallet {
    fn new(platform: Platform, words: SeedWords, joined: Option<Joined>) -> Self {
        Self(Rc::new(Inner {
            platform,
            words,
            joined: RefCell::new(joined),
            committing: Mutex::new(()),
            working: Mutex::new(()),
            following: Mutex::new(()),
            recovering: Mutex::new(()),
            running: RefCell::default(),
            every_session: Cell::new(false),
            snapshot_ms: Cell::new(0),
            urls_asked_at: Cell::new(0),
            wakers: Default::default(),
            change_listener: RefCell::new(None),
            recovery_listener: RefCell::new(None),
        }))
    }

    /// The twelve seed words, to be shown to the wallet's owner.
    pub fn seed_words(&self) -> zeroize::Zeroizing<String> {
        self.0.words.reveal()
    }

    /// Calls `listener` after every change of what the wallet shows. There is one listener; a new one replaces it.
    pub fn on_change(&self, listener: Rc<dyn Fn()>) {
        *self.0.change_listener.borrow_mut() = Some(listener);
    }

    /// Reads whole sessions from now on instead of the recovery index: many times the bytes, for the same result.
    pub fn read_every_session(&self) {
        self.0.every_session.set(true);
    }

    /// The form of history that the wallet reads: the index, if that is enough for every module.
    fn form(&self, scanner: &Scanner) -> Form {
        let every_session = self.0.every_session.get() || scanner.needs_every_session();
        if every_session { Form::Sessions } else { Form::Index }
    }

    fn platform(&self) -> &Platform {
        &self.0.platform
    }

    fn context(&self) -> Option<Rc<WalletContext>> {
        self.0.joined.borrow().as_ref().map(|joined| joined.context.clone())
    }

    fn api(&self) -> WalletResult<Rc<FederationApi>> {
        Ok(self.0.joined.borrow().as_ref().map(|joined| joined.api.clone()).ok_or(WalletError::NotJoined)?)
    }

    fn joined(&self) -> WalletResult<Rc<WalletContext>> {
        Ok(self.context().ok_or(WalletError::NotJoined)?)
    }

    /// The context, if money can be moved: a federation is joined, and what the wallet owns is known.
    fn ready(&self) -> WalletResult<Rc<WalletContext>> {
        let context = self.joined()?;
        let is_known = |record: Rc<RecoveryRecord>| record.is_live() && record.aside(Mint::KIND).is_none();
        if self.record().is_none_or(is_known) {
            Ok(context)
        } else {
            Err(WalletError::RecoveryRunning.into())
        }
    }

    fn with_live<R>(&self, read: impl FnOnce(&Live) -> R) -> Option<R> {
        self.0.joined.borrow().as_ref().map(|joined| read(&joined.live))
    }

    async fn working(&self) -> MutexGuard<'_, ()> {
        self.0.working.lock().await
    }

    fn notify(&self) {
        let listener = self.0.change_listener.borrow().clone();
        if let Some(listener) = listener {
            listener();
        }
    }

    fn fresh_tweak(&self) -> WalletResult<Tweak> {
        let mut tweak = Tweak([0; Tweak::LEN]);
        self.platform().runtime.random(&mut tweak.0)?;
        Ok(tweak)
    }

    /// Lets others run: a browser's worker has one thread for everything.
    async fn breathe(&self) {
        self.platform().runtime.sleep(0).await;
    }
}
