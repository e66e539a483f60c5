//! Modules that fail: the others go on, and each comes back by itself.

use rekindle_protocol::{
    bytes::{Hash, Memo},
    chain::ChainPosition,
    ownership::{MemoContent, OperationKind},
    session::{HashedItems, HashedSession, SignedSession},
    transaction::{Output, Transaction},
};

use super::*;
use crate::{
    modules::{mint::Mint, operations::Operations},
    recovery::{KINDS, ModuleError, RUNNING_PREFIX, RecoveryFromHistory, Spent},
};

/// Whether every module is where it belongs.
pub(super) fn is_whole(wallet: &Wallet) -> bool {
    !wallet.is_recovering() && wallet.recovery().is_none_or(|progress| progress.failing.is_empty())
}

/// Waits until every module is where it belongs.
pub(super) async fn whole(wallet: &Wallet) {
    let whole = async {
        while !is_whole(wallet) {
            wallet.0.platform.runtime.sleep(50).await;
        }
    };
    with_background(wallet, whole).await;
}

/// A history of Alice's, long enough for a recovery to be interrupted in its middle.
pub(super) async fn history(world: &World) -> Wallet {
    let alice = world.funded(1_000).await;
    alice.send(Amount(123)).await.unwrap();
    world.guardians.with(|federation| (0..200).for_each(|_| drop(federation.close(vec![]).clone())));
    world.fund(&alice, 50).await;
    alice.catch_up().await.unwrap();
    alice
}

fn hashed(session: SignedSession) -> HashedSession {
    let content = HashedItems::new(session.items);
    HashedSession { header: session.header, signature: Some(session.signature), content }
}

/// A platform whose store holds a recovery with a snapshot in the middle of history.
pub(super) async fn interrupted(world: &World, alice: &Wallet) -> Platform {
    let platform = world.platform();
    let restored = Wallet::recover(platform.clone(), &alice.seed_words(), &world.invite).await.unwrap();
    let context = restored.context().unwrap();
    let mut scanner = restored.with_live(|live| live.scanner.clone()).unwrap();
    let sessions = world.guardians.with(|federation| federation.sessions[..100].to_vec());
    for session in sessions {
        scanner.position = ChainPosition::after(&context.federation, &session.header);
        scanner.take(&[hashed(session)], &mut Spent::default(), &|| 0);
    }
    let mut batch = Batch::new();
    scanner.fed().for_each(|module| module.store(&mut batch));
    let position = scanner.position;
    restored.commit_record(batch, &|record| record.position = position).await.unwrap();
    platform
}

pub(super) async fn put(platform: &Platform, key: &str, value: &[u8]) {
    let mut batch = Batch::new();
    batch.put(key, value);
    platform.store.commit(batch).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_module_that_lost_its_snapshot_begins_again_and_the_others_go_on() {
    let world = World::new();
    let alice = history(&world).await;
    for kind in KINDS {
        let platform = interrupted(&world, &alice).await;
        put(&platform, &format!("{RUNNING_PREFIX}{kind}"), &[99, 1]).await;
        let transport = crate::testing::meddler::Meddler::new(platform.transport.clone(), |_| None);
        let restored = Wallet::open(Platform { transport: transport.clone(), ..platform }).await.unwrap();
        finish(&restored).await;
        let progress = restored.recovery().unwrap();
        assert!(
            progress.dropped.as_ref().is_some_and(|reason| reason.contains("newer version")),
            "{progress:?}"
        );
        // The others did not begin again.
        let first = transport.log().iter().find(|request| request.url.contains("/recovery?")).cloned();
        assert!(!first.unwrap().url.contains("from=0&"));
        whole(&restored).await;
        assert_eq!(overview(&restored), overview(&alice), "{kind}");
        assert_eq!(restored.recovery().unwrap().failing, []);
    }
}

#[tokio::test(start_paused = true)]
async fn a_live_module_that_cannot_be_read_comes_back_from_history() {
    let world = World::new();
    let alice = history(&world).await;
    for kind in KINDS {
        let platform = world.platform();
        let restored = Wallet::recover(platform.clone(), &alice.seed_words(), &world.invite).await.unwrap();
        finish(&restored).await;
        put(&platform, &format!("module/{kind}"), &[99, 1]).await;
        // What it finds out is stored at once: it may be closed before it does anything else.
        drop(Wallet::open(platform.clone()).await.unwrap());
        let restored = Wallet::open(platform).await.unwrap();
        assert_eq!(restored.recovery().unwrap().failing[0].module, kind);
        let ready = restored.ready().is_ok();
        assert_eq!(ready, kind != Mint::KIND, "only without the mint no money can be moved");
        whole(&restored).await;
        assert_eq!(overview(&restored), overview(&alice), "{kind}");
    }
}

/// A transaction of the wallet's own that its mint can't read.
pub(super) fn unreadable(wallet: &Wallet) -> Transaction {
    let context = wallet.context().unwrap();
    let tweak = wallet.fresh_tweak().unwrap();
    let mut transaction = Transaction {
        tweak,
        tag: context.secret.tag(&tweak),
        memo: Memo([0; Memo::LEN]),
        fee: Amount(0),
        inputs: vec![],
        outputs: vec![Output { module: context.mint_id, body: vec![1, 2, 3] }],
        signatures: vec![],
    };
    let memo = MemoContent {
        kind: OperationKind::Redeem,
        amount: Amount(1),
        token_outputs: 0,
        reference: Hash([0; 32]),
    };
    memo.seal(&context.secret, &context.federation, &mut transaction);
    transaction
}

#[tokio::test(start_paused = true)]
async fn a_module_that_fails_rests_ever_longer_and_keeps_nobody_waiting() {
    let world = World::new();
    let alice = history(&world).await;
    let expected = overview(&alice);
    world.guardians.accept(unreadable(&alice));
    world.guardians.with(|federation| (0..10).for_each(|_| drop(federation.close(vec![]).clone())));

    let platform = world.platform();
    let restored = Wallet::recover(platform.clone(), &alice.seed_words(), &world.invite).await.unwrap();
    finish(&restored).await;
    // Operations and deposits are all there; one line of history is the transaction that the mint can't read.
    assert_eq!(restored.history(100, None).unwrap().len(), expected.1.len() + 1);
    assert_eq!(restored.send(Amount(1)).await.err(), Some(WalletError::RecoveryRunning.into()));
    let hours = async {
        let before = world.guardians.requests();
        world.runtime.sleep(24 * 3_600_000).await;
        world.guardians.requests() - before
    };
    let requests = with_background(&restored, hours).await;
    // Following history takes three questions to four guardians every thirty seconds.
    assert!(requests < 24 * 120 * 12, "{requests}");
    let progress = restored.recovery().unwrap();
    assert_eq!(progress.state, RecoveryState::Waiting);
    assert_eq!(progress.fault.unwrap().code, "module_failed");
    let record = restored.record().unwrap();
    assert!((10..40).contains(&record.aside[0].failures), "{record:?}");

    // It is remembered, and what happens meanwhile is not missed by the others.
    drop(restored);
    let reopened = Wallet::open(platform).await.unwrap();
    assert_eq!(reopened.record().unwrap().aside, record.aside);
    let address = DepositAddress::parse(&alice.deposit_address().unwrap()).unwrap();
    world.guardians.accept(world.guardians.with(|federation| federation.credit(&address, 5)));
    let seen = async {
        while reopened.balance().pending < 5 {
            world.runtime.sleep(100).await;
        }
    };
    with_background(&reopened, seen).await;
}

#[tokio::test(start_paused = true)]
async fn a_module_that_fails_in_a_recovery_stays_at_its_snapshot() {
    let world = World::new();
    let alice = history(&world).await;
    let platform = interrupted(&world, &alice).await;
    world.guardians.accept(unreadable(&alice));
    let restored = Wallet::open(platform).await.unwrap();
    finish(&restored).await;
    let aside = &restored.record().unwrap().aside;
    assert_eq!((aside.len(), aside[0].position.next), (1, 100));
}

#[tokio::test(start_paused = true)]
async fn a_live_module_that_fails_goes_on_from_where_it_was() {
    let world = World::new();
    let alice = history(&world).await;
    let before = alice.balance();
    let position = alice.with_live(|live| live.scanner.position).unwrap();
    world.guardians.accept(unreadable(&alice));
    alice.catch_up().await.unwrap();
    let aside = &alice.record().unwrap().aside;
    assert_eq!((aside.len(), &*aside[0].module, aside[0].position), (1, Mint::KIND, position));
    let saved = alice.platform().store.get(format!("{RUNNING_PREFIX}{}", Mint::KIND).as_bytes()).await;
    assert!(saved == Ok(alice.with_live(|live| live.scanner.modules.mint.snapshot())), "its state is saved");
    assert_eq!(alice.balance(), before);
    assert!(alice.with_live(|live| live.scanner.position.next).unwrap() > position.next);
    assert_eq!(alice.send(Amount(1)).await.err(), Some(WalletError::RecoveryRunning.into()));
}

#[tokio::test(start_paused = true)]
async fn a_slow_module_is_left_behind_and_follows() {
    let world = World::new();
    let alice = history(&world).await;
    let restored = Wallet::recover(world.platform(), &alice.seed_words(), &world.invite).await.unwrap();
    let mut scanner = restored.with_live(|live| live.scanner.clone()).unwrap();
    let sessions: Vec<_> = world.guardians.with(|federation| federation.sessions.clone());
    let sessions: Vec<_> = sessions.into_iter().map(hashed).collect();
    // The clock is looked at before and after each module's turn: it moves in the first's.
    let (looks, time) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
    let clock = || {
        looks.set(looks.get() + 1);
        if looks.get() % 6 == 2 && time.get() < 6_000 {
            time.set(time.get() + 100);
        }
        time.get()
    };
    let failures = scanner.take(&sessions, &mut Spent::default(), &clock);
    assert_eq!(failures, [crate::recovery::ModuleFailure { kind: Mint::KIND, error: ModuleError::Slow }]);
    let operations = scanner.modules.operations.iter().count();
    assert_eq!(operations, overview(&alice).1.len(), "the others saw everything");
}

#[tokio::test(start_paused = true)]
async fn what_was_decided_without_the_history_of_operations_is_not_paid_twice() {
    let world = World::new();
    let alice = history(&world).await;
    let transaction = unreadable(&alice).id();
    // Whatever is not pending any more and was not seen to be impossible was accepted.
    assert_eq!(alice.submit(&transaction).await.unwrap(), super::submit::Outcome::Accepted);
}

/// Guardians who take long to answer questions for history from a session on.
pub(super) struct Late {
    pub inner: TestGuardians,
    pub from: u64,
    pub milliseconds: u64,
    pub runtime: Rc<dyn Runtime>,
}

#[async_trait::async_trait(?Send)]
impl Transport for Late {
    async fn request(
        &self,
        request: crate::platform::Request,
    ) -> Result<crate::platform::Response, crate::platform::TransportError> {
        let range = request.url.split_once("/recovery?from=").map(|(_, range)| range.to_owned());
        let from = range.and_then(|range| range.split('&').next()?.parse::<u64>().ok());
        if from.is_some_and(|from| from >= self.from) {
            self.runtime.sleep(self.milliseconds).await;
        }
        self.inner.request(request).await
    }
}

/// A restored wallet that has lost its mint's live state, so that its mint is aside.
async fn without_mint(world: &World, alice: &Wallet) -> Platform {
    let platform = world.platform();
    drop(world.recover_on(platform.clone(), &alice.seed_words()).await);
    put(&platform, &format!("module/{}", Mint::KIND), &[99, 1]).await;
    platform
}

#[tokio::test(start_paused = true)]
async fn a_module_joins_nobody_who_is_reading_on_without_it() {
    let world = World::new();
    let (alice, bob) = (world.funded(1_000).await, world.wallet().await);
    let sent = alice.send(Amount(123)).await.unwrap();
    let platform = without_mint(&world, &alice).await;
    // What the mint has to see next is a stranger's transaction, which nobody else watches for.
    let from = world.guardians.with(|federation| federation.sessions.len() as u64);
    bob.redeem(&sent.token).await.unwrap();
    let (inner, runtime) = (world.guardians.clone(), world.runtime.clone());
    let late = Rc::new(Late { inner, from, milliseconds: 4_000, runtime });
    let restored = Wallet::open(Platform { transport: late, ..platform }).await.unwrap();
    whole(&restored).await;
    with_background(&restored, world.runtime.sleep(60_000)).await;
    alice.catch_up().await.unwrap();
    assert_eq!(overview(&restored), overview(&alice));
}

#[tokio::test(start_paused = true)]
async fn a_module_on_its_way_back_is_not_interrupted_by_whatever_else_happens() {
    let world = World::new();
    let alice = history(&world).await;
    let platform = without_mint(&world, &alice).await;
    let (inner, runtime) = (world.guardians.clone(), world.runtime.clone());
    let late = Rc::new(Late { inner, from: 0, milliseconds: 300, runtime });
    let restored = Wallet::open(Platform { transport: late, ..platform }).await.unwrap();
    let back = async {
        while !is_whole(&restored) {
            restored.wake();
            restored.0.platform.runtime.sleep(50).await;
        }
    };
    let deadline = world.runtime.sleep(60_000);
    pin_mut!(back, deadline);
    let outcome = with_background(&restored, select(back, deadline)).await;
    assert!(matches!(outcome, Either::Left(_)), "{:?}", restored.record());
    let found = restored.recovery().unwrap().found;
    assert_eq!(found, alice.with_live(|live| live.scanner.modules.findings()).unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_module_does_not_join_before_it_has_seen_what_was_applied_ahead() {
    let world = World::new();
    let alice = world.funded(1_000).await;
    let platform = world.platform();
    drop(world.recover_on(platform.clone(), &alice.seed_words()).await);
    put(&platform, &format!("module/{}", Operations::KIND), &[99, 1]).await;
    let restored = Wallet::open(platform).await.unwrap();
    restored.send(Amount(7)).await.unwrap();
    let tend = Box::pin(restored.tend_aside(Operations::KIND, &restored.0.wakers[3]));
    drop(select(tend, Box::pin(world.runtime.sleep(60_000))).await);
    assert_eq!(restored.record().unwrap().aside.len(), 1);
    whole(&restored).await;
    alice.catch_up().await.unwrap();
    alice.complete_notes(None).await.unwrap();
    assert_eq!(overview(&restored), overview(&alice));
}

#[tokio::test(start_paused = true)]
async fn modules_that_have_all_lost_their_snapshots_begin_again_together() {
    let world = World::new();
    let alice = history(&world).await;
    let platform = interrupted(&world, &alice).await;
    for kind in KINDS {
        put(&platform, &format!("{RUNNING_PREFIX}{kind}"), &[99, 1]).await;
    }
    let restored = Wallet::open(platform).await.unwrap();
    let begun = async {
        while restored.recovery().unwrap().dropped.is_none() {
            restored.breathe().await;
        }
    };
    with_background(&restored, begun).await;
    let progress = restored.recovery().unwrap();
    assert!(progress.dropped.is_some_and(|reason| reason.contains("newer version")));
    assert_eq!((progress.sessions_done, progress.failing), (0, vec![]));
    whole(&restored).await;
    assert_eq!(overview(&restored), overview(&alice));
}
