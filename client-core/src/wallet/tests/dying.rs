//! Stores that die: whatever was under way goes on from what they hold.

use super::{
    aside::{history, interrupted, put, whole},
    *,
};
use crate::{
    modules::mint::Mint,
    platform::{KeyValue, Operation, Scan, StoreError},
    recovery::{KINDS, RUNNING_PREFIX},
};

/// A store that dies at a commit: before it is written, or after it is, but before anybody learns that.
struct DyingStore {
    store: Rc<dyn Store>,
    commits_left: Cell<usize>,
    dies_after_writing: bool,
    /// What was committed.
    batches: RefCell<Vec<Batch>>,
}

impl DyingStore {
    fn new(platform: &Platform, commits_left: usize, dies_after_writing: bool) -> Rc<Self> {
        let (store, batches) = (platform.store.clone(), RefCell::default());
        Rc::new(Self { store, commits_left: commits_left.into(), dies_after_writing, batches })
    }

    fn is_dead(&self) -> bool {
        self.commits_left.get() == 0
    }
}

#[async_trait::async_trait(?Send)]
impl Store for DyingStore {
    async fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.store.get(key).await
    }

    async fn scan(&self, scan: &Scan) -> Result<Vec<KeyValue>, StoreError> {
        self.store.scan(scan).await
    }

    async fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        let died = || StoreError::ConnectionLost("the process died".into());
        match self.commits_left.get() {
            0 => return Err(died()),
            1 if !self.dies_after_writing => {
                self.commits_left.set(0);
                return Err(died());
            }
            left => self.commits_left.set(left - 1),
        }
        self.batches.borrow_mut().push(batch.clone());
        self.store.commit(batch).await?;
        if self.is_dead() { Err(died()) } else { Ok(()) }
    }
}

/// Runs a wallet's background until everything is back, saving at every chance, or until its store is dead.
async fn run_until_dead(wallet: &Wallet, dying: &DyingStore) {
    let dead = async {
        while !dying.is_dead() && !aside::is_whole(wallet) {
            wallet.save_soon();
            wallet.breathe().await;
        }
    };
    with_background(wallet, dead).await;
}

#[tokio::test(start_paused = true)]
async fn recovery_ends_the_same_wherever_it_dies() {
    recovery_ends_the_same(World::new()).await;
}

#[tokio::test(start_paused = true)]
async fn recovery_from_a_backup_ends_the_same_wherever_it_dies() {
    let world = World::new();
    world.guardians.keep_backups();
    recovery_ends_the_same(world).await;
}

/// A recovery that dies at any of its commits goes on and ends as it should.
async fn recovery_ends_the_same(world: World) {
    let alice = world.funded(1_000).await;
    alice.send(Amount(123)).await.unwrap();
    alice.catch_up().await.unwrap();
    let has_backup = alice.write_backup().await.is_ok_and(|written| written.is_some());
    world.fund(&alice, 20).await;
    alice.catch_up().await.unwrap();
    let words = alice.seed_words();
    for dies_after_writing in [false, true] {
        for commit in 1.. {
            let platform = world.platform();
            let dying = DyingStore::new(&platform, commit, dies_after_writing);
            let on_it = Platform { store: dying.clone(), ..platform.clone() };
            if let Ok(wallet) = Wallet::recover(on_it, &words, &world.invite).await {
                run_until_dead(&wallet, &dying).await;
            }
            if !dying.is_dead() {
                assert!(commit > 4, "a recovery has more commits than {commit}");
                assert_eq!(restored(&platform).await.is_some(), has_backup);
                break;
            }
            let wallet = match Wallet::open(platform.clone()).await {
                Ok(wallet) => wallet,
                // It died before there was a wallet.
                Err(_) => Wallet::recover(platform, &words, &world.invite).await.unwrap(),
            };
            whole(&wallet).await;
            assert_eq!(
                overview(&wallet),
                overview(&alice),
                "commit {commit}, after writing: {dies_after_writing}"
            );
        }
    }
}

/// How many sessions a backup spared the recovery in a store.
async fn restored(platform: &Platform) -> Option<u64> {
    Wallet::open(platform.clone()).await.unwrap().recovery().unwrap().restored
}

/// A store on which a recovery was interrupted in its middle, and the mint lost its snapshot there: it begins again by
/// itself while the others go on.
async fn two_lanes(world: &World, alice: &Wallet) -> Platform {
    let platform = interrupted(world, alice).await;
    put(&platform, &format!("{RUNNING_PREFIX}{}", Mint::KIND), &[99, 1]).await;
    platform
}

#[tokio::test(start_paused = true)]
async fn lanes_end_the_same_wherever_they_die() {
    let world = World::new();
    let alice = history(&world).await;
    for dies_after_writing in [false, true] {
        for commit in 1.. {
            let platform = two_lanes(&world, &alice).await;
            let dying = DyingStore::new(&platform, commit, dies_after_writing);
            let on_it = Platform { store: dying.clone(), ..platform.clone() };
            if let Ok(wallet) = Wallet::open(on_it).await {
                run_until_dead(&wallet, &dying).await;
            }
            if !dying.is_dead() {
                assert!(commit > 8, "two lanes have more commits than {commit}");
                break;
            }
            let wallet = Wallet::open(platform.clone()).await.unwrap();
            whole(&wallet).await;
            let at = format!("commit {commit}, after writing: {dies_after_writing}");
            assert_eq!(overview(&wallet), overview(&alice), "{at}");
            let left = platform.store.scan(&Scan::prefix(RUNNING_PREFIX)).await.unwrap();
            assert!(left.is_empty(), "{at}: {left:?}");
        }
    }
}

/// What a batch puts under a key.
fn put_by<'a>(batch: &'a Batch, key: &str) -> Option<&'a [u8]> {
    batch.operations().iter().find_map(|operation| match operation {
        Operation::Put { key: found, value } if found == key.as_bytes() => Some(&**value),
        _ => None,
    })
}

#[tokio::test(start_paused = true)]
async fn each_lane_saves_and_finalizes_in_one_batch_and_once() {
    let world = World::new();
    let alice = history(&world).await;
    let platform = two_lanes(&world, &alice).await;
    let federation = alice.context().unwrap().federation;
    let stored = platform.store.get(keys::RECOVERY.as_bytes()).await.unwrap().unwrap();
    let mut before = RecoveryRecord::read(federation, &stored);
    let recorder = DyingStore::new(&platform, usize::MAX, false);
    let wallet = Wallet::open(Platform { store: recorder.clone(), ..platform }).await.unwrap();
    run_until_dead(&wallet, &recorder).await;

    let (mut saved, mut finalized) = ([0; KINDS.len()], [0; KINDS.len()]);
    for batch in recorder.batches.borrow().iter() {
        let Some(record) = put_by(batch, keys::RECOVERY) else {
            assert!(!batch.operations().iter().any(|operation| is_under(operation, "recovery/")));
            continue;
        };
        let record = RecoveryRecord::read(federation, record);
        for (number, kind) in KINDS.into_iter().enumerate() {
            // A module is saved together with its lane's position, and only then does that move.
            let at = |record: &RecoveryRecord| {
                record.aside(kind).map_or(record.position.next, |aside| aside.position.next)
            };
            let has_moved =
                before.aside(kind).is_some() == record.aside(kind).is_some() && at(&record) != at(&before);
            assert_eq!(put_by(batch, &format!("{RUNNING_PREFIX}{kind}")).is_some(), has_moved, "{kind}");
            saved[number] += usize::from(has_moved);
            if put_by(batch, &format!("recovery/finalized/{kind}")).is_some() {
                finalized[number] += 1;
                assert!(put_by(batch, &format!("module/{kind}")).is_some());
                let running = format!("{RUNNING_PREFIX}{kind}").into_bytes();
                assert!(batch.operations().contains(&Operation::Delete { key: running }));
                assert!(record.is_live() && record.aside(kind).is_none());
            }
        }
        before = record;
    }
    assert!(saved.iter().all(|times| *times > 1), "{saved:?}");
    assert_eq!(finalized, [1; KINDS.len()]);
}

fn is_under(operation: &Operation, prefix: &str) -> bool {
    let (Operation::Put { key, .. } | Operation::Delete { key } | Operation::DeletePrefix { prefix: key }) =
        operation;
    key.starts_with(prefix.as_bytes())
}

#[tokio::test(start_paused = true)]
async fn a_payment_is_made_once_wherever_it_dies() {
    let world = World::new();
    let alice = world.funded(1_000).await;
    for dies_after_writing in [false, true] {
        for commit in 1..12 {
            let sent = alice.send(Amount(7)).await.unwrap();
            let store = Rc::new(MemoryStore::new());
            let bob = Wallet::create(Platform { store: store.clone(), ..world.platform() }).await.unwrap();
            bob.join(&world.invite).await.unwrap();
            let platform = Platform { store: store.clone(), ..world.platform() };
            let platform =
                Platform { store: DyingStore::new(&platform, commit, dies_after_writing), ..platform };
            let redeemed = Wallet::open(platform).await.unwrap().redeem(&sent.token).await;
            let bob = Wallet::open(Platform { store, ..world.platform() }).await.unwrap();
            if redeemed.is_err() && bob.balance() == Balance::default() {
                // It died before the token was stored, and said so: its owner tries again.
                bob.redeem(&sent.token).await.unwrap();
            }
            let settled = async {
                while spendable(&bob) < 7 {
                    bob.breathe().await;
                }
            };
            with_background(&bob, settled).await;
            assert_eq!(bob.balance(), Balance { spendable: 7, ..Balance::default() });
            assert_eq!(bob.history(10, None).unwrap().len(), 1);
        }
    }
}
