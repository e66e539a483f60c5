//! Random lives of a wallet among liars: whatever is said, its balance is right, and no payment is made twice.

use rand::{Rng, SeedableRng, rngs::StdRng};
use rekindle_protocol::{bytes::Hash, modules::deposit::DepositOutput, session::Item};

use super::{aside::is_whole, *};
use crate::{
    modules::mint::Token,
    testing::liars::{Liars, Told},
};

/// How many lives are lived; `REKINDLE_LIVES` says otherwise.
const LIVES: u64 = 12;
/// How many things happen in one.
const EVENTS: u32 = 12;
/// What happens is so far apart that whoever was caught lying before has rested, and is asked again.
const APART_MS: u64 = 120_000;
/// Everything is settled after so many milliseconds of honesty: liars rest for up to two minutes.
const SETTLED_MS: u64 = 900_000;

/// A wallet whose guardians and everything in front of them may lie, and what it must come to.
struct Life {
    world: World,
    liars: Rc<Liars>,
    rng: StdRng,
    alice: Wallet,
    /// Whom nobody lies to.
    bob: Wallet,
    /// What Alice owns, tokens that are out included.
    sats: u64,
    /// The tokens that are out.
    out: Vec<SentToken>,
    /// What Alice meant to pay to the issuer, each under a reference of its own.
    payments: Vec<(Hash, u64)>,
}

impl Life {
    async fn new(seed: u64, told: &Rc<RefCell<Told>>) -> Self {
        let world = World::new();
        if seed % 2 == 1 {
            world.guardians.keep_backups();
        }
        let liars = Liars::new(world.guardians.clone(), seed, told.clone());
        let platform = Platform { transport: liars.clone(), ..world.platform() };
        let alice = Wallet::create(platform).await.unwrap();
        alice.join(&world.invite).await.unwrap();
        world.fund(&alice, 1_000).await;
        let bob = world.funded(1_000).await;
        let rng = StdRng::seed_from_u64(seed);
        Self { world, liars, rng, alice, bob, sats: 1_000, out: Vec::new(), payments: Vec::new() }
    }

    fn below(&mut self, end: u64) -> u64 {
        self.rng.gen_range(0, end.max(1))
    }

    /// Something that happens among lies, and what it came to once they are over.
    async fn happen(&mut self) {
        self.world.runtime.sleep(APART_MS).await;
        if self.below(6) > 0 {
            self.liars.begin(self.rng.gen_range(0, 30));
        }
        let spendable = self.alice.balance().spendable;
        match self.below(8) {
            0 => {
                let address = DepositAddress::parse(&self.alice.deposit_address().unwrap()).unwrap();
                for _ in 0..=self.below(2) {
                    let sats = self.below(300) + 1;
                    let credit = self.world.guardians.with(|federation| federation.credit(&address, sats));
                    self.world.guardians.accept(credit);
                    self.sats += sats;
                }
                let _ = self.alice.claim_deposits().await;
            }
            1 | 2 => {
                let amount = Amount(self.below(spendable.min(200)) + 1);
                let known = self.alice.outstanding().len();
                let sent = self.alice.send(amount).await;
                self.settle().await;
                let out = self.alice.outstanding();
                assert!(out.len() <= known + 1, "one token became {}", out.len() - known);
                assert!(sent.is_err() || out.len() == known + 1);
                let newest =
                    out.into_iter().find(|token| self.out.iter().all(|sent| sent.txid != token.txid));
                self.out.extend(newest.map(|token| {
                    let text = token.token.unwrap();
                    let notes = Token::parse(&text).unwrap().notes;
                    self.liars.show(notes.iter().map(|note| Hash(note.nonce().unwrap().0)));
                    SentToken { txid: token.txid, sats: token.sats, token: text }
                }));
            }
            3 if !self.out.is_empty() => {
                let token = self.out.remove(0);
                self.sats -= self.bob.redeem(&token.token).await.unwrap().sats;
            }
            4 if !self.out.is_empty() => {
                let token = self.out.remove(0);
                let reclaimed = self.alice.reclaim(&token.txid).await;
                self.settle().await;
                if self.alice.outstanding().iter().any(|out| out.txid == token.txid) {
                    assert!(reclaimed.is_err());
                    self.out.push(token);
                }
            }
            5 => {
                let amount = Amount(self.below(50) + 1);
                let sent = self.bob.send(amount).await.unwrap();
                self.sats += sent.sats;
                let _ = self.alice.redeem(&sent.token).await;
            }
            6 => {
                let (amount, reference) = (self.below(spendable.min(50)) + 1, Hash(self.rng.r#gen()));
                self.payments.push((reference, amount));
                let paid = self.alice.withdraw(0, Amount(amount), reference).await;
                if paid.is_err_and(|error| matches!(*error, WalletError::Rejected { .. })) {
                    // Who is told that a payment was refused makes it again.
                    let _ = self.alice.withdraw(0, Amount(amount), reference).await;
                }
            }
            _ => {
                self.liars.plant();
                self.world.guardians.with(|federation| drop(federation.close(vec![]).clone()));
            }
        }
        self.settle().await;
    }

    /// Waits until nothing is on its way any more, among the honest, and checks that all is right.
    async fn settle(&mut self) {
        self.liars.end();
        let deadline = self.world.runtime.now() + SETTLED_MS;
        let settled = async {
            loop {
                let following = self.alice.with_live(|live| live.scanner.position.next);
                let sessions = self.world.guardians.with(|federation| federation.sessions.len() as u64);
                let is_idle =
                    self.alice.with_live(|live| live.pending.is_empty() && live.received.is_empty()).unwrap();
                if following >= Some(sessions) && is_idle && self.alice.balance().pending == 0 {
                    break;
                }
                assert!(self.world.runtime.now() < deadline, "it never settles: {:?}", self.alice.balance());
                self.world.runtime.sleep(500).await;
            }
        };
        with_background(&self.alice, settled).await;
        let balance = self.alice.balance();
        let paid: u64 = self.payments.iter().map(|(reference, _)| self.paid(reference)).sum();
        assert_eq!(balance.spendable + balance.outstanding + paid, self.sats, "{balance:?}");
    }

    /// How much history pays to the issuer under a reference.
    fn paid(&self, reference: &Hash) -> u64 {
        let outputs: Vec<_> = self.world.guardians.with(|federation| {
            let items = federation.sessions.iter().flat_map(|session| &session.items);
            items.filter_map(Item::transaction).flat_map(|transaction| transaction.outputs.clone()).collect()
        });
        let withdrawals =
            outputs.iter().filter_map(|output| match DepositOutput::from_output(output).ok()? {
                DepositOutput::Withdrawal { amount, reference: found, .. } if found == *reference => {
                    Some(amount.sats())
                }
                _ => None,
            });
        withdrawals.sum()
    }

    /// Recovers among lies, and compares with the wallet that was never lost.
    async fn recover(&mut self) {
        for (reference, amount) in &self.payments {
            let paid = self.paid(reference);
            assert!(paid == 0 || paid == *amount, "{amount} sats were paid as {paid}");
        }
        // Somebody redeems a token in the session that is not signed yet.
        let redeemed = if self.below(2) == 0 { self.out.pop() } else { None };
        if let Some(token) = &redeemed {
            self.world.guardians.keep_open();
            self.bob.redeem(&token.token).await.unwrap();
        }
        self.liars.begin(60);
        let platform = Platform { transport: self.liars.clone(), ..self.world.platform() };
        let words = self.alice.seed_words();
        let restored = loop {
            match Wallet::recover(platform.clone(), &words, &self.world.invite).await {
                Ok(restored) => break restored,
                Err(error) => assert!(error.retryable(), "{error:?}"),
            }
        };
        let deadline = self.world.runtime.now() + SETTLED_MS;
        let whole = async {
            while !is_whole(&restored) {
                assert!(self.world.runtime.now() < deadline, "{:?}", restored.recovery());
                self.world.runtime.sleep(500).await;
            }
        };
        with_background(&restored, whole).await;
        self.liars.end();
        if let Some(token) = redeemed {
            let (now, before) = (restored.balance(), self.alice.balance());
            let attested = Balance { outstanding: before.outstanding - token.sats, ..before };
            assert!(now == before || now == attested, "{now:?} instead of {before:?} or {attested:?}");
            self.world.guardians.close(|_| true);
            self.sats -= token.sats;
            self.settle().await;
            restored.catch_up().await.unwrap();
        }
        assert_eq!(restored.balance(), self.alice.balance());
        assert_eq!(undated(&restored), undated(&self.alice));
        // What is shown is there: all of it can be spent.
        let spendable = restored.balance().spendable;
        if spendable > 0 {
            let all = restored.send(Amount(spendable)).await.unwrap();
            assert_eq!(self.bob.redeem(&all.token).await.unwrap().sats, spendable);
        }
    }
}

/// A wallet's history without its dates: of a session fetched by number, a liar can date the header between the signed ones
/// around it.
fn undated(wallet: &Wallet) -> Vec<HistoryEntry> {
    let mut entries = wallet.history(100, None).unwrap();
    entries.iter_mut().for_each(|entry| entry.time = 0);
    entries.sort_by_key(|entry| entry.txid);
    entries
}

#[test]
fn lies_neither_make_nor_take_money() {
    let told = Rc::new(RefCell::new(Told::new()));
    let lives = std::env::var("REKINDLE_LIVES").ok().and_then(|lives| lives.parse().ok()).unwrap_or(LIVES);
    for seed in 0..lives {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            println!("life {seed}");
            let mut life = Life::new(seed, &told).await;
            for _ in 0..EVENTS {
                life.happen().await;
            }
            life.recover().await;
        });
    }
    let told = told.borrow();
    assert_eq!(told.len(), 17, "some lies were never told: {told:?}");
}
