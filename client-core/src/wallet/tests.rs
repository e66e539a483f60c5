//! A wallet against guardians in memory, on virtual time.

mod aside;
mod attested;
mod backups;
mod dying;
mod evidence;
mod forms;
mod lies;
mod moving;
mod outage;
mod payments;
mod progress;
mod recovery;
mod steering;

use std::{future::Future, rc::Rc};

use futures::{
    future::{Either, select},
    pin_mut,
};
use rekindle_protocol::{
    amount::Amount,
    invite::{InviteCode, InvitedGuardian},
    modules::deposit::DepositAddress,
    ownership::{MemoContent, OperationKind},
};

use super::*;
use crate::{
    platform::Batch,
    recovery::{RecoveryFromHistory, RecoveryRecord, RecoveryState},
    store::MemoryStore,
    testing::{
        clock::VirtualRuntime,
        federation::TestFederation,
        guardians::{Behaviour, TestGuardians},
    },
};

struct World {
    guardians: TestGuardians,
    runtime: Rc<dyn Runtime>,
    invite: String,
}

impl World {
    fn new() -> Self {
        let runtime: Rc<dyn Runtime> = Rc::new(VirtualRuntime::new(1));
        let federation = TestFederation::new(1, 4);
        let guardians =
            (0..4).map(|id| InvitedGuardian { id, url: format!("http://guardian-{id}") }).collect();
        let invite = InviteCode { federation: federation.id(), guardians }.to_string();
        Self { guardians: TestGuardians::new(federation, runtime.clone()), runtime, invite }
    }

    fn platform(&self) -> Platform {
        Platform {
            store: Rc::new(MemoryStore::new()),
            transport: Rc::new(self.guardians.clone()),
            runtime: self.runtime.clone(),
        }
    }

    async fn wallet(&self) -> Wallet {
        let wallet = Wallet::create(self.platform()).await.unwrap();
        wallet.join(&self.invite).await.unwrap();
        wallet
    }

    /// A wallet with money.
    async fn funded(&self, sats: u64) -> Wallet {
        let wallet = self.wallet().await;
        self.fund(&wallet, sats).await;
        wallet
    }

    async fn fund(&self, wallet: &Wallet, sats: u64) {
        let address = DepositAddress::parse(&wallet.deposit_address().unwrap()).unwrap();
        let credit = self.guardians.with(|federation| federation.credit(&address, sats));
        self.guardians.accept(credit);
        wallet.claim_deposits().await.unwrap();
    }

    /// Recovers from words in a fresh store and waits until it is done.
    async fn recover(&self, words: &str) -> Wallet {
        self.recover_on(self.platform(), words).await
    }

    async fn recover_on(&self, platform: Platform, words: &str) -> Wallet {
        let wallet = Wallet::recover(platform, words, &self.invite).await.unwrap();
        finish(&wallet).await;
        wallet
    }
}

/// Runs a wallet's background until its recovery is done.
async fn finish(wallet: &Wallet) {
    let done = async {
        while wallet.is_recovering() {
            wallet.breathe().await;
        }
    };
    with_background(wallet, done).await;
}

async fn with_background<R>(wallet: &Wallet, work: impl Future<Output = R>) -> R {
    let background = wallet.run();
    pin_mut!(background, work);
    match select(work, background).await {
        Either::Left((result, _)) => result,
        Either::Right(((), _)) => unreachable!("the background never ends"),
    }
}

fn spendable(wallet: &Wallet) -> u64 {
    wallet.balance().spendable
}

/// What must be the same before and after a recovery.
fn overview(wallet: &Wallet) -> (Balance, Vec<HistoryEntry>) {
    (wallet.balance(), wallet.history(100, None).unwrap())
}
