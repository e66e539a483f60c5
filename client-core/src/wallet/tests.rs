//! A wallet against guardians in memory, on virtual time.

mod aside;
mod attested;
mod dying;
mod forms;
mod moving;
mod outage;
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

#[tokio::test(start_paused = true)]
async fn money_comes_in_moves_and_comes_back() {
    let world = World::new();
    let (alice, bob) = (world.funded(1_000).await, world.wallet().await);
    assert_eq!(spendable(&alice), 1_000);

    let sent = alice.send(Amount(300)).await.unwrap();
    assert_eq!(alice.balance(), Balance { spendable: 700, pending: 0, outstanding: 300 });
    assert_eq!(bob.redeem(&sent.token).await.unwrap().sats, 300);
    assert_eq!(spendable(&bob), 300);
    assert_eq!(bob.redeem(&sent.token).await.unwrap_err(), WalletError::TokenSpent);

    let kept = alice.send(Amount(50)).await.unwrap();
    alice.catch_up().await.unwrap();
    assert_eq!(alice.balance(), Balance { spendable: 650, pending: 0, outstanding: 50 });

    // The words alone bring all of it back: balance, what is out, history.
    let restored = world.recover(&alice.seed_words()).await;
    assert_eq!(overview(&restored), overview(&alice));
    assert_eq!(restored.outstanding()[0].token, Some(kept.token.clone()));
    assert_eq!(restored.reclaim(&kept.txid).await.unwrap().sats, 50);
    assert_eq!(restored.balance(), Balance { spendable: 700, pending: 0, outstanding: 0 });
    assert_eq!(bob.redeem(&kept.token).await.unwrap_err(), WalletError::TokenSpent);

    // The first device finds out by following history.
    alice.catch_up().await.unwrap();
    alice.complete_notes(None).await.unwrap();
    assert_eq!(alice.balance(), restored.balance());
}

#[tokio::test(start_paused = true)]
async fn bad_input_gets_a_code_and_costs_nothing() {
    let world = World::new();
    let wallet = world.funded(100).await;
    let code = |result: Result<SentToken, WalletError>| result.err().map(|error| error.code());
    assert_eq!(code(wallet.send(Amount(0)).await), Some("amount_invalid"));
    assert_eq!(code(wallet.send(Amount(101)).await), Some("insufficient_balance"));
    assert_eq!(code(wallet.send(Amount(u64::MAX)).await), Some("amount_too_large"));
    assert_eq!(wallet.redeem("hello").await.unwrap_err().code(), "token_invalid");
    assert_eq!(wallet.redeem(&world.invite).await.unwrap_err().code(), "token_invalid");
    assert_eq!(wallet.join("rekindle1nonsense").await.unwrap_err().code(), "invite_invalid");

    let elsewhere = World {
        guardians: TestGuardians::new(TestFederation::new(2, 4), world.runtime.clone()),
        ..World::new()
    };
    let other = elsewhere.guardians.with(|federation| federation.id());
    let invite = InviteCode { federation: other, ..InviteCode::parse(&world.invite).unwrap() }.to_string();
    assert_eq!(wallet.join(&invite).await.unwrap_err().code(), "already_joined");
    let fresh = Wallet::create(world.platform()).await.unwrap();
    assert_eq!(fresh.join(&invite).await.unwrap_err().code(), "config_mismatch");
    assert_eq!(fresh.deposit_address().unwrap_err().code(), "not_joined");

    let words = wallet.seed_words();
    for (words, code) in [("one two", "words_count"), (&*words.replacen(' ', " zzz", 1), "words_unknown")] {
        let result = Wallet::recover(world.platform(), words, &world.invite).await;
        assert_eq!(result.err().map(|error| error.code()), Some(code));
    }
    assert_eq!(wallet.balance(), Balance { spendable: 100, pending: 0, outstanding: 0 });
}

#[tokio::test(start_paused = true)]
async fn a_token_of_which_a_note_is_spent_brings_in_the_rest() {
    let world = World::new();
    let (alice, bob) = (world.funded(1_000).await, world.wallet().await);
    let sent = alice.send(Amount(0b101)).await.unwrap();
    let mut part = crate::modules::mint::Token::parse(&sent.token).unwrap();
    part.notes.truncate(1);
    // Notes come in the order of their nonces.
    let first = part.notes[0].denomination.amount().unwrap().sats();
    assert_eq!(bob.redeem(&part.to_text()).await.unwrap().sats, first);
    assert_eq!(bob.redeem(&sent.token).await.unwrap().sats, 0b101 - first);
    assert_eq!(spendable(&bob), 5);
}

#[tokio::test(start_paused = true)]
async fn what_a_crash_interrupted_goes_on() {
    let world = World::new();
    let (alice, platform) = (world.funded(1_000).await, world.platform());
    let bob = Wallet::create(platform.clone()).await.unwrap();
    bob.join(&world.invite).await.unwrap();
    let sent = alice.send(Amount(77)).await.unwrap();

    for guardian in 0..4 {
        world.guardians.set(guardian, Behaviour::Down);
    }
    assert_eq!(bob.redeem(&sent.token).await.unwrap_err().code(), "federation_unreachable");
    assert_eq!(bob.balance(), Balance { spendable: 0, pending: 77, outstanding: 0 });
    drop(bob);
    for guardian in 0..4 {
        world.guardians.set(guardian, Behaviour::Honest);
    }
    let bob = Wallet::open(platform).await.unwrap();
    assert_eq!(bob.balance().pending, 77);
    let redeemed = async {
        while spendable(&bob) < 77 {
            bob.breathe().await;
        }
    };
    with_background(&bob, redeemed).await;
    assert_eq!(bob.balance(), Balance { spendable: 77, pending: 0, outstanding: 0 });
}

#[tokio::test(start_paused = true)]
async fn progress_rises_in_steps_to_exactly_what_there_is() {
    let world = World::new();
    let alice = world.funded(1_000).await;
    world.guardians.with(|federation| (0..2_000).for_each(|_| drop(federation.close(vec![]).clone())));
    world.fund(&alice, 10).await;
    let sessions = world.guardians.with(|federation| federation.sessions.len() as u64);
    // Each answer takes so long that a recovery of so many ranges takes seconds.
    let slow = Rc::new(Slow { inner: world.guardians.clone(), runtime: world.runtime.clone() });
    let platform = Platform { transport: slow, ..world.platform() };
    let restored = Wallet::recover(platform, &alice.seed_words(), &world.invite).await.unwrap();
    restored.read_every_session();
    let told = Rc::new(RefCell::new(Vec::new()));
    let listener = told.clone();
    restored.on_recovery(Rc::new(move |progress| listener.borrow_mut().push(progress)));
    finish(&restored).await;
    let told = told.borrow();
    let done: Vec<u64> = told.iter().map(|progress| progress.sessions_done).collect();
    assert!(done.is_sorted() && told.is_sorted_by_key(|progress| progress.bytes), "{done:?}");
    let between = done.iter().filter(|done| (1..sessions).contains(done)).count();
    assert!(between >= 1, "no step on the way: {done:?}");
    let last = told.last().unwrap();
    assert_eq!(
        (last.state, last.sessions_done, last.sessions_total),
        (RecoveryState::Done, sessions, sessions)
    );
}

/// Guardians far away.
struct Slow {
    inner: TestGuardians,
    runtime: Rc<dyn Runtime>,
}

#[async_trait::async_trait(?Send)]
impl Transport for Slow {
    async fn request(
        &self,
        request: crate::platform::Request,
    ) -> Result<crate::platform::Response, crate::platform::TransportError> {
        self.runtime.sleep(300).await;
        self.inner.request(request).await
    }
}

#[tokio::test(start_paused = true)]
async fn one_guardian_cannot_reject_and_two_can() {
    let world = World::new();
    let alice = world.funded(1_000).await;
    world.guardians.set(0, Behaviour::Refuse);
    alice.send(Amount(10)).await.unwrap();
    for guardian in 0..4 {
        world.guardians.set(guardian, Behaviour::Refuse);
    }
    assert_eq!(alice.send(Amount(10)).await.err().map(|error| error.code()), Some("rejected"));
    // It is kept, and goes on when they think better of it.
    for guardian in 0..4 {
        world.guardians.set(guardian, Behaviour::Honest);
    }
    assert_eq!(alice.resume().await, Ok(()));
    assert_eq!(alice.balance(), Balance { spendable: 980, pending: 0, outstanding: 20 });
}

#[tokio::test(start_paused = true)]
async fn recovery_survives_one_bad_guardian_of_any_kind() {
    let world = World::new();
    let alice = world.funded(1_000).await;
    for _ in 0..20 {
        world.fund(&alice, 10).await;
    }
    alice.send(Amount(123)).await.unwrap();
    alice.catch_up().await.unwrap();
    let expected = overview(&alice);
    for behaviour in
        [Behaviour::Down, Behaviour::Silent, Behaviour::WebPage, Behaviour::Corrupt, Behaviour::Forge]
    {
        for guardian in [0, 3] {
            world.guardians.set(guardian, behaviour);
            let restored = world.recover(&alice.seed_words()).await;
            assert_eq!(overview(&restored), expected, "guardian {guardian}: {behaviour:?}");
            let evidence = restored.evidence();
            let named: Vec<_> = evidence.iter().map(|of| (of.guardian, of.code)).collect();
            assert!(named.iter().all(|(named, _)| *named == guardian), "{evidence:?}");
            match behaviour {
                // It is asked first.
                Behaviour::Forge if guardian == 0 => assert_eq!(named, [(0, "history_invalid")]),
                Behaviour::Down | Behaviour::Silent => assert_eq!(named, []),
                _ => {}
            }
            world.guardians.set(guardian, Behaviour::Honest);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn recovery_waits_while_everything_is_down_and_goes_on_by_itself() {
    let world = World::new();
    let alice = world.funded(1_000).await;
    let restored = Wallet::recover(world.platform(), &alice.seed_words(), &world.invite).await.unwrap();
    for guardian in 0..4 {
        world.guardians.set(guardian, Behaviour::Down);
    }
    let before = world.guardians.requests();
    let hour = world.runtime.sleep(3_600_000);
    with_background(&restored, hour).await;
    let requests = world.guardians.requests() - before;
    assert!(requests < 1_000, "{requests} requests in an hour are a storm");
    let progress = restored.recovery().unwrap();
    assert_eq!(progress.state, RecoveryState::Waiting);
    assert!(progress.next_attempt.is_some());
    for guardian in 0..4 {
        world.guardians.set(guardian, Behaviour::Honest);
    }
}

#[tokio::test(start_paused = true)]
async fn money_moves_while_the_last_notes_are_being_completed() {
    let world = World::new();
    let alice = world.funded(1_000).await;
    for _ in 0..16 {
        world.fund(&alice, 1_023).await;
    }
    let newest = world.guardians.with(|federation| federation.sessions.len() - 1);
    let shares = format!("/sessions/{newest}/signatures");
    let held = crate::testing::meddler::Meddler::new(Rc::new(world.guardians.clone()), move |request| {
        let body = Box::pin(futures::stream::pending());
        let response =
            || crate::platform::Response { body, ..crate::testing::meddler::binary(200, Vec::new()) };
        request.url.contains(&shares).then(response)
    });
    let platform = Platform { transport: held, ..world.platform() };
    let restored = Wallet::recover(platform, &alice.seed_words(), &world.invite).await.unwrap();
    let sent = async {
        while spendable(&restored) < 1_000 {
            restored.breathe().await;
        }
        restored.send(Amount(1_000)).await
    };
    let sent = with_background(&restored, sent).await;
    assert_eq!(sent.map(|sent| sent.sats), Ok(1_000));
    assert_eq!(restored.recovery().unwrap().state, RecoveryState::Finalizing);
}

#[tokio::test(start_paused = true)]
async fn progress_that_cannot_be_used_is_dropped_with_its_reason() {
    let world = World::new();
    let alice = world.funded(1_000).await;
    let sent = alice.send(Amount(40)).await.unwrap();
    alice.redeem(&sent.token).await.unwrap();
    alice.catch_up().await.unwrap();
    // Modules as they were in the middle: some of these notes are spent since.
    let (stale, position) =
        alice.with_live(|live| (live.scanner.modules.clone(), live.scanner.position)).unwrap();
    alice.send(Amount(500)).await.unwrap();
    alice.catch_up().await.unwrap();
    let elsewhere = RecoveryRecord::new(TestFederation::new(2, 4).id()).write();
    let federation = alice.context().unwrap().federation;
    let unreadable = RecoveryRecord { position, ..RecoveryRecord::new(federation) };
    for (stored, module, why) in [
        (vec![99, 1, 2], stale.mint.snapshot(), "version 99"),
        (elsewhere, stale.mint.snapshot(), "another federation"),
        (unreadable.write(), vec![98, 1, 2], "version 98"),
    ] {
        let platform = world.platform();
        drop(Wallet::recover(platform.clone(), &alice.seed_words(), &world.invite).await.unwrap());
        let mut batch = Batch::new();
        stale.each().iter().for_each(|module| module.store(&mut batch));
        batch.put(format!("{}mint", crate::recovery::RUNNING_PREFIX), module);
        batch.put(keys::RECOVERY, stored);
        platform.store.commit(batch).await.unwrap();
        let restored = Wallet::open(platform).await.unwrap();
        let tell = Rc::new(RefCell::new(Vec::new()));
        let told = tell.clone();
        restored.on_recovery(Rc::new(move |progress| tell.borrow_mut().push(progress.found.sats)));
        aside::whole(&restored).await;
        assert_eq!(overview(&restored), overview(&alice));
        assert_eq!(told.borrow().first(), Some(&0), "what was dropped is not counted");
        assert!(restored.recovery().unwrap().dropped.is_some_and(|reason| reason.contains(why)));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_pending_any_more_was_accepted_unless_it_was_seen_to_be_impossible() {
    let world = World::new();
    let alice = world.funded(1_000).await;
    let restored = world.recover(&alice.seed_words()).await;
    // Both devices spend the same notes; one of them finds out by a signed session.
    let first = alice.send(Amount(600)).await.unwrap();
    let tweak = restored.fresh_tweak().unwrap();
    let spent = restored
        .with_live(|live| live.spendable().map(|(_, note)| note.clone()).collect::<Vec<_>>())
        .unwrap();
    let context = restored.context().unwrap();
    let mut update = restored.update().await.unwrap();
    let mut spends = draft::Spends::default();
    for note in &spent {
        spends.note(&context, note).unwrap();
    }
    let memo = MemoContent {
        kind: OperationKind::Send,
        amount: Amount(1_000),
        token_outputs: 0,
        reference: rekindle_protocol::bytes::Hash([0; 32]),
    };
    let transaction = draft::build(&context, tweak, spends, &[], None, Amount(1_000), &memo).unwrap();
    let (kind, amount, incoming) = (memo.kind, memo.amount, Amount(0));
    let pending = pending::Pending { transaction, kind, amount, incoming, time: 0, received: None };
    let impossible = update.live.add_pending(pending, &mut update.batch);
    update.commit().await.unwrap();
    restored.catch_up().await.unwrap();
    assert_eq!(restored.submit(&impossible).await, Ok(submit::Outcome::Conflict));
    assert_eq!(restored.submit(&first.txid).await, Ok(submit::Outcome::Accepted));
    // Without a history of operations nothing is paid again.
    let mut update = restored.update().await.unwrap();
    update.live.scanner.modules.operations = crate::modules::operations::Operations::default();
    update.live.store_scanner(&mut update.batch);
    update.commit().await.unwrap();
    assert_eq!(restored.submit(&first.txid).await, Ok(submit::Outcome::Accepted));
}

#[tokio::test(start_paused = true)]
async fn a_wrong_share_among_many_names_its_guardian_and_nobody_else() {
    let mut found = 0;
    for liar in 0..4 {
        let world = World::new();
        let alice = world.wallet().await;
        for sats in [1_023, 511, 77] {
            world.fund(&alice, sats).await;
        }
        world.guardians.set(liar, Behaviour::WrongShares);
        let restored = world.recover(&alice.seed_words()).await;
        assert_eq!(restored.balance(), alice.balance());
        // Whoever was ever blamed had to rest.
        let api = restored.api().unwrap();
        let guardians = api.guardians.borrow();
        let blamed: Vec<_> = (0..4).filter(|id| guardians.ready_at(*id).unwrap() > 0).collect();
        assert!(blamed.iter().all(|id| *id == liar), "{blamed:?} instead of {liar}");
        found += blamed.len();
    }
    // Two honest guardians may be faster; not in all four cases.
    assert!(found > 0);
}
