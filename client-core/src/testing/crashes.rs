//! The crash matrix: a recovery whose store dies before and after every single write, on any kind of store.

use std::{future::Future, rc::Rc};

use futures::{
    future::{Either, select},
    pin_mut,
};
use rekindle_protocol::{
    amount::Amount,
    invite::{InviteCode, InvitedGuardian},
    modules::deposit::DepositAddress,
};

use super::{
    dying::{DyingStore, put_by},
    federation::TestFederation,
    guardians::TestGuardians,
    store::StoreFixture,
};
use crate::{
    platform::{Batch, Runtime, Scan, Store},
    recovery::{KINDS, RUNNING_PREFIX, RecoveryRecord},
    store::MemoryStore,
    wallet::{Balance, HistoryEntry, Platform, Wallet, keys},
};

/// How many sessions a guardian serves at a time, and so how many a snapshot covers.
const SESSIONS_AT_ONCE: usize = 3;

/// A crash at one write, and what it cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crash {
    /// The number of the write, from 1.
    pub write: usize,
    /// Whether it had been written.
    pub after: bool,
    /// How many sessions were read and have to be read again.
    pub lost: u64,
}

/// Lets a recovery die before and after each of its writes, in a store of its own each time, and go on in the store
/// opened again. Gives all the crashes.
///
/// # Panics
/// Unless every one ends with the same balance and history, every module finalized once, and nothing left behind; or if
/// one loses more than the work since the snapshot before.
pub async fn recovery_survives_every_crash(
    stores: &dyn StoreFixture,
    runtime: Rc<dyn Runtime>,
) -> Vec<Crash> {
    let history = History::new(runtime).await;
    let mut crashes = Vec::new();
    for after in [false, true] {
        for write in 1.. {
            let name = format!("write {write} {}", if after { "after" } else { "before" });
            let Some(lost) = history.crash(stores, &name, write, after).await else {
                assert!(write > 2 * KINDS.len(), "a recovery has more than {write} writes");
                break;
            };
            crashes.push(Crash { write, after, lost });
        }
    }
    crashes
}

/// A federation, and the wallet that a history in it belongs to.
struct History {
    guardians: TestGuardians,
    runtime: Rc<dyn Runtime>,
    invite: String,
    alice: Wallet,
}

impl History {
    async fn new(runtime: Rc<dyn Runtime>) -> Self {
        let federation = TestFederation::new(1, 4);
        let invited = (0..4).map(|id| InvitedGuardian { id, url: format!("http://guardian-{id}") });
        let invite = InviteCode { federation: federation.id(), guardians: invited.collect() }.to_string();
        let guardians = TestGuardians::new(federation, runtime.clone());
        guardians.serve_at_most(SESSIONS_AT_ONCE);
        let platform = Platform {
            store: Rc::new(MemoryStore::new()),
            transport: Rc::new(guardians.clone()),
            runtime: runtime.clone(),
        };
        let alice = Wallet::create(platform).await.expect("there is none");
        alice.join(&invite).await.expect("guardians are well");
        let history = Self { guardians, runtime, invite, alice };
        history.fund(40).await;
        history.alice.send(Amount(9)).await.expect("there is enough");
        for _ in 0..SESSIONS_AT_ONCE {
            history.guardians.with(|federation| drop(federation.close(Vec::new()).clone()));
        }
        history.fund(3).await;
        // Reads up to the present, so that it knows the times of what it did last.
        history.alice.claim_deposits().await.expect("guardians are well");
        history
    }

    async fn fund(&self, sats: u64) {
        let address = self.alice.deposit_address().expect("it has joined");
        let address = DepositAddress::parse(&address).expect("it has just been made");
        self.guardians.accept(self.guardians.with(|federation| federation.credit(&address, sats)));
        self.alice.claim_deposits().await.expect("guardians are well");
    }

    fn platform(&self, store: Rc<dyn Store>) -> Platform {
        Platform { store, transport: Rc::new(self.guardians.clone()), runtime: self.runtime.clone() }
    }

    async fn recover(&self, store: Rc<dyn Store>) -> Result<Wallet, Box<crate::wallet::WalletError>> {
        Wallet::recover(self.platform(store), &self.alice.seed_words(), &self.invite).await
    }

    /// Dies at a write, goes on, and gives how many sessions that cost; `None` if there is no such write.
    async fn crash(&self, stores: &dyn StoreFixture, name: &str, write: usize, after: bool) -> Option<u64> {
        let dying = DyingStore::new(stores.open(name).await, write, after);
        if let Ok(wallet) = self.recover(dying.clone()).await {
            self.run_until(&wallet, || dying.is_dead() || is_whole(&wallet)).await;
        }
        if !dying.is_dead() {
            return None;
        }
        let lasting = DyingStore::immortal(stores.open(name).await);
        let wallet = match Wallet::open(self.platform(lasting.clone())).await {
            Ok(wallet) => wallet,
            // It died before there was a wallet.
            Err(_) => self.recover(lasting.clone()).await.expect("there is still none"),
        };
        let begins_at = wallet.recovery().expect("it recovers").sessions_done;
        let lost = dying.refused().map_or(0, |batch| self.position(&batch).saturating_sub(begins_at));
        assert!(lost <= SESSIONS_AT_ONCE as u64, "{name}: {lost} sessions are lost");
        assert_eq!(begins_at, dying.written().iter().map(|batch| self.position(batch)).max().unwrap_or(0));

        self.run_until(&wallet, || is_whole(&wallet)).await;
        assert!(overview(&wallet) == overview(&self.alice), "{name}: {:?}", overview(&wallet));
        drop(wallet);
        let reopened = stores.open(name).await;
        let left = reopened.scan(&Scan::prefix(RUNNING_PREFIX)).await.expect("the store works");
        assert_eq!(left, [], "{name}");
        let wallet = Wallet::open(self.platform(reopened)).await.expect("it is still there");
        assert!(overview(&wallet) == overview(&self.alice), "{name}: {:?}", overview(&wallet));
        for kind in KINDS {
            let mark = format!("recovery/finalized/{kind}");
            let written = [dying.written(), lasting.written()].concat();
            let times = written.iter().filter(|batch| put_by(batch, &mark).is_some()).count();
            assert_eq!(times, 1, "{name}: how often {kind} was finalized");
        }
        Some(lost)
    }

    /// Where a batch says that the recovery is.
    fn position(&self, batch: &Batch) -> u64 {
        let federation = self.guardians.with(|federation| federation.id());
        put_by(batch, keys::RECOVERY)
            .map_or(0, |record| RecoveryRecord::read(federation, record).position.next)
    }

    /// Runs a wallet's background, saving at every chance, until something is so.
    async fn run_until(&self, wallet: &Wallet, is_so: impl Fn() -> bool) {
        let waiting = async {
            while !is_so() {
                wallet.save_soon();
                self.runtime.sleep(0).await;
            }
        };
        beside(wallet.run(), waiting).await;
    }
}

async fn beside(background: impl Future<Output = ()>, work: impl Future<Output = ()>) {
    pin_mut!(background, work);
    if let Either::Right(_) = select(work, background).await {
        unreachable!("a wallet's background never ends");
    }
}

fn is_whole(wallet: &Wallet) -> bool {
    !wallet.is_recovering() && wallet.recovery().is_none_or(|progress| progress.failing.is_empty())
}

/// What must be the same in the end.
fn overview(wallet: &Wallet) -> (Balance, Vec<HistoryEntry>) {
    (wallet.balance(), wallet.history(100, None).expect("it has joined"))
}
