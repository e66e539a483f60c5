//! Two devices on one seed, used at once: whatever each does, they never use a nonce twice and come to the same.
//!
//! Guardians are in memory and time is virtual, but what is valid a guardian's real ledger says.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
};

use async_trait::async_trait;
use futures::future::{join, join3};
use proptest::{collection::vec, prelude::*};
use rand::{Rng, RngCore, SeedableRng, rngs::StdRng};
use redb::{Database, ReadableDatabase, backends::InMemoryBackend};
use rekindle_client::{
    platform::{RandomError, Request, Response, Runtime, Store, Transport, TransportError},
    testing::{federation::TestFederation, guardians::TestGuardians},
    wallet::{Balance, HistoryEntry},
};
use rekindle_guardian::{
    ledger::{Audit, Ledger},
    node::{Proposals, StateMachine},
};
use rekindle_protocol::{
    amount::Amount,
    encoding::Canonical,
    invite::{InviteCode, InvitedGuardian},
    modules::{deposit::DepositAddress, mint::MintOutput},
    transaction::Transaction,
};

use super::*;

/// Somebody else's words.
const STRANGER: &str =
    "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about";

/// Tokio's paused clock, with randomness from a seed.
struct Virtual {
    start: tokio::time::Instant,
    rng: RefCell<StdRng>,
}

#[async_trait(?Send)]
impl Runtime for Virtual {
    fn now(&self) -> u64 {
        1_795_000_000_000 + u64::try_from(self.start.elapsed().as_millis()).unwrap()
    }

    async fn sleep(&self, milliseconds: u64) {
        // Virtual time stands still while anything is ready to run.
        tokio::time::sleep(Duration::from_millis(milliseconds.max(1))).await;
    }

    fn random(&self, buffer: &mut [u8]) -> Result<(), RandomError> {
        self.rng.borrow_mut().fill_bytes(buffer);
        Ok(())
    }
}

/// A device's way to the guardians: slow by chance, and sometimes there is none.
struct Line {
    guardians: TestGuardians,
    runtime: Rc<Virtual>,
    is_offline: Cell<bool>,
}

#[async_trait(?Send)]
impl Transport for Line {
    async fn request(&self, request: Request) -> Result<Response, TransportError> {
        let wait = || self.runtime.rng.borrow_mut().gen_range(1..200);
        let (there, back) = (wait(), wait());
        self.runtime.sleep(there).await;
        if self.is_offline.get() {
            return Err(TransportError::Unreachable("offline".into()));
        }
        let answer = self.guardians.request(request).await;
        // An answer can be lost after the question has had its effect.
        self.runtime.sleep(back).await;
        if self.is_offline.get() { Err(TransportError::Unreachable("offline".into())) } else { answer }
    }
}

/// A guardian's ledger.
struct Judge {
    ledger: Ledger,
    database: Database,
}

impl Judge {
    fn new(federation: &TestFederation) -> Self {
        let database = Database::builder().create_with_backend(InMemoryBackend::new()).unwrap();
        let ledger = Ledger::new(&federation.document.config).unwrap();
        let txn = database.begin_write().unwrap();
        ledger.create_tables(&txn).unwrap();
        txn.commit().unwrap();
        Self { ledger, database }
    }

    fn apply(
        &self,
        session: u64,
        transaction: &Transaction,
    ) -> Result<(), rekindle_protocol::api::Rejection> {
        let txn = self.database.begin_write().unwrap();
        let verdict = self.ledger.apply(&txn, session, &Proposals::new(), transaction).unwrap();
        txn.commit().unwrap();
        verdict
    }
}

struct World {
    guardians: TestGuardians,
    judge: Rc<Judge>,
    runtime: Rc<Virtual>,
    invite: String,
    /// Sats that came in.
    credited: Cell<u64>,
}

impl World {
    fn new(seed: u64) -> Self {
        let rng = RefCell::new(StdRng::seed_from_u64(seed));
        let runtime = Rc::new(Virtual { start: tokio::time::Instant::now(), rng });
        let federation = TestFederation::new(1, 4);
        let invited = (0..4).map(|id| InvitedGuardian { id, url: format!("http://guardian-{id}") });
        let invite = InviteCode { federation: federation.id(), guardians: invited.collect() }.to_string();
        let judge = Rc::new(Judge::new(&federation));
        let guardians = TestGuardians::new(federation, runtime.clone());
        let judging = judge.clone();
        guardians.judge_by(Rc::new(move |session, transaction| judging.apply(session, transaction)));
        guardians.keep_backups();
        Self { guardians, judge, runtime, invite, credited: Cell::new(0) }
    }

    fn line(&self) -> Rc<Line> {
        let (guardians, runtime) = (self.guardians.clone(), self.runtime.clone());
        Rc::new(Line { guardians, runtime, is_offline: Cell::new(false) })
    }

    async fn recover(&self, words: &str) -> Device {
        let (line, store) = (self.line(), Rc::new(MemoryStore::default()) as Rc<dyn Store>);
        let platform = Platform { store, transport: line.clone(), runtime: self.runtime.clone() };
        let wallet = Wallet::recover(platform.clone(), words, &self.invite).await.unwrap();
        Device { platform, line, wallet: RefCell::new(wallet) }
    }

    /// An issuer credits an address of the wallet's.
    fn pay_in(&self, wallet: &Wallet, sats: u64) {
        let address = DepositAddress::parse(&wallet.deposit_address().unwrap()).unwrap();
        let credit = self.guardians.with(|federation| federation.credit(&address, sats));
        self.guardians.accept(credit);
        self.credited.set(self.credited.get() + sats);
    }
}

struct Device {
    platform: Platform,
    line: Rc<Line>,
    wallet: RefCell<Wallet>,
}

impl Device {
    fn wallet(&self) -> Wallet {
        self.wallet.borrow().clone()
    }

    /// Recovers to the end.
    async fn done(&self, world: &World) {
        let wallet = self.wallet();
        let done = async {
            while wallet.is_recovering() {
                world.runtime.sleep(50).await;
            }
        };
        run_until(&wallet, done).await;
    }

    /// What it shows once it stands still: in another order where times are the same.
    fn overview(&self) -> (Balance, BTreeSet<String>) {
        let line = |entry: HistoryEntry| format!("{entry:?}");
        let history = self.wallet().history(1_000, None).unwrap();
        (self.wallet().balance(), history.into_iter().map(line).collect())
    }

    /// Does what the step says beside the wallet's background. What it makes is left in `tokens`.
    async fn act(&self, world: &World, step: &Step, tokens: &RefCell<Vec<String>>) {
        self.line.is_offline.set(step.is_offline);
        let wallet = self.wallet();
        let work = async {
            match step.act {
                Act::Send(sats) => {
                    if let Ok(sent) = wallet.send(Amount(sats)).await {
                        tokens.borrow_mut().push(sent.token.to_string());
                    }
                }
                Act::Receive(sats) => world.pay_in(&wallet, sats),
                Act::Reclaim => {
                    if let Some(out) = wallet.outstanding().last() {
                        let _ = wallet.reclaim(&out.txid).await;
                    }
                }
                Act::Redeem => {
                    let token = tokens.borrow().last().cloned();
                    if let Some(token) = token {
                        let _ = wallet.redeem(&token).await;
                    }
                }
                Act::Rest => {}
            }
            world.runtime.sleep(500).await;
        };
        let end = async {
            match step.crash_after {
                Some(milliseconds) => {
                    drop(select(Box::pin(work), Box::pin(world.runtime.sleep(milliseconds))).await)
                }
                None => work.await,
            }
        };
        run_until(&wallet, end).await;
        if step.crash_after.is_some() {
            self.wallet.replace(Wallet::open(self.platform.clone()).await.unwrap());
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Act {
    Send(u64),
    Receive(u64),
    Reclaim,
    /// Redeems the newest token that was made: often the device's own seed's, which another redeems at the same time.
    Redeem,
    Rest,
}

/// What one device does while the other does something else.
#[derive(Debug, Clone, Copy)]
struct Step {
    act: Act,
    is_offline: bool,
    /// The process is killed after so many milliseconds, wherever it is.
    crash_after: Option<u64>,
}

fn any_step() -> impl Strategy<Value = Step> {
    let act = prop_oneof![
        (1u64..300).prop_map(Act::Send),
        (1u64..300).prop_map(Act::Send),
        (1u64..300).prop_map(Act::Receive),
        Just(Act::Reclaim),
        Just(Act::Redeem),
        Just(Act::Rest),
    ];
    (act, prop::bool::weighted(0.3), prop::option::weighted(0.3, 1u64..1_500))
        .prop_map(|(act, is_offline, crash_after)| Step { act, is_offline, crash_after })
}

/// No tweak and no blinded nonce is in history twice.
fn assert_fresh(world: &World) {
    let (mut tweaks, mut nonces) = (BTreeSet::new(), BTreeSet::new());
    world.guardians.with(|federation| {
        for item in federation.sessions.iter().flat_map(|session| &session.items) {
            let transaction = item.transaction().unwrap();
            assert!(tweaks.insert(transaction.tweak.0), "a tweak twice");
            for output in transaction.outputs.iter().filter(|output| output.module == 0) {
                let note = MintOutput::from_bytes(&output.body).unwrap();
                assert!(nonces.insert(note.blinded_nonce.0), "a blinded nonce twice");
            }
        }
    });
}

async fn play(seed: u64, steps: Vec<(Step, Step, bool)>) {
    let world = World::new(seed);
    let first = world.recover(WORDS).await;
    let stranger = world.recover(STRANGER).await;
    let second = world.recover(WORDS).await;
    for device in [&first, &stranger, &second] {
        device.done(&world).await;
    }
    world.pay_in(&first.wallet(), 1_000);
    let tokens = RefCell::new(Vec::new());
    for (one, other, pays) in &steps {
        join(first.act(&world, one, &tokens), second.act(&world, other, &tokens)).await;
        let token = tokens.borrow().first().cloned().filter(|_| *pays);
        if let Some(token) = token {
            tokens.borrow_mut().remove(0);
            // Whoever made it may have taken it back.
            let _ = run_until(&stranger.wallet(), stranger.wallet().redeem(&token)).await;
        }
    }
    // Everybody is online again, for as long as it takes.
    [&first, &second].iter().for_each(|device| device.line.is_offline.set(false));
    let third = world.recover(WORDS).await;
    let devices = [&first, &second, &third];
    let settled = async {
        let is_settled = || {
            let is_still = |device: &&Device| device.wallet().balance().pending == 0;
            devices.iter().all(is_still)
                && !third.wallet().is_recovering()
                && first.overview() == second.overview()
                && first.overview() == third.overview()
        };
        let began = world.runtime.now();
        while !is_settled() {
            assert!(
                world.runtime.now() - began < 30 * 60_000,
                "{:?}\n{:?}\n{:?}",
                first.overview(),
                second.overview(),
                third.overview()
            );
            world.runtime.sleep(1_000).await;
        }
    };
    let [a, b, c] = devices.map(Device::wallet);
    let all = join3(a.run(), b.run(), c.run());
    drop(select(Box::pin(settled), Box::pin(all)).await);

    assert_fresh(&world);
    let audit = Audit::read(&world.judge.database.begin_read().unwrap()).unwrap();
    assert!(audit.is_balanced());
    let all = |balance: Balance| balance.spendable + balance.pending + balance.outstanding;
    let held = all(first.wallet().balance()) + all(stranger.wallet().balance());
    assert_eq!(held, world.credited.get(), "money was made or lost");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, max_shrink_iters: 20, ..ProptestConfig::default() })]

    #[test]
    fn two_devices_come_to_the_same(
        seed in any::<u64>(), steps in vec((any_step(), any_step(), any::<bool>()), 4..12),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(play(seed, steps));
    }
}
