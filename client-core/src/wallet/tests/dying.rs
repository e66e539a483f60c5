//! Stores that die: whatever was under way goes on from what they hold.

use super::{
    aside::{history, interrupted, put, whole},
    *,
};
use crate::{
    modules::mint::Mint,
    platform::{Operation, Scan},
    recovery::{KINDS, RUNNING_PREFIX},
    testing::{
        crashes::recovery_survives_every_crash,
        dying::{DyingStore, put_by},
        store::MemoryStores,
    },
};

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
async fn the_crash_matrix_holds_in_memory() {
    let crashes = recovery_survives_every_crash(&MemoryStores::default(), World::new().runtime).await;
    let lost = crashes.iter().map(|crash| crash.lost);
    assert!(lost.clone().filter(|lost| *lost > 0).count() >= 3, "{crashes:?}");
}

#[tokio::test(start_paused = true)]
async fn a_crash_at_any_moment_costs_about_a_second() {
    let world = World::new();
    let alice = world.funded(1_000).await;
    world.guardians.with(|federation| (0..300).for_each(|_| drop(federation.close(vec![]).clone())));
    world.guardians.serve_at_most(2);
    let (inner, runtime) = (world.guardians.clone(), world.runtime.clone());
    let slow = Rc::new(aside::Late { inner, from: 0, milliseconds: 600, runtime });
    for moment in (0..).map(|number| 370 * number) {
        let platform = Platform { transport: slow.clone(), ..world.platform() };
        let wallet = Wallet::recover(platform.clone(), &alice.seed_words(), &world.invite).await.unwrap();
        let read = Rc::new(RefCell::new(Vec::new()));
        let (reading, clock) = (read.clone(), world.runtime.clone());
        wallet.on_recovery(Rc::new(move |progress| {
            reading.borrow_mut().push((clock.now(), progress.sessions_done));
        }));
        with_background(&wallet, world.runtime.sleep(moment)).await;
        if !wallet.is_recovering() {
            assert!(moment > 4_000, "there was no time to die in {moment} ms");
            break;
        }
        drop(wallet);
        let saved = Wallet::open(platform).await.unwrap().recovery().unwrap().sessions_done;
        let now = world.runtime.now();
        let lost_since = read.borrow().iter().find(|(_, done)| *done > saved).map_or(now, |(time, _)| *time);
        assert!(now - lost_since <= 1_300, "after {moment} ms the work of {} ms was lost", now - lost_since);
    }
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
            let dying = DyingStore::new(platform.store.clone(), commit, dies_after_writing);
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
            let dying = DyingStore::new(platform.store.clone(), commit, dies_after_writing);
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

#[tokio::test(start_paused = true)]
async fn each_lane_saves_and_finalizes_in_one_batch_and_once() {
    let world = World::new();
    let alice = history(&world).await;
    let platform = two_lanes(&world, &alice).await;
    let federation = alice.context().unwrap().federation;
    let stored = platform.store.get(keys::RECOVERY.as_bytes()).await.unwrap().unwrap();
    let mut before = RecoveryRecord::read(federation, &stored);
    let recorder = DyingStore::immortal(platform.store.clone());
    let wallet = Wallet::open(Platform { store: recorder.clone(), ..platform }).await.unwrap();
    run_until_dead(&wallet, &recorder).await;

    let (mut saved, mut finalized) = ([0; KINDS.len()], [0; KINDS.len()]);
    for batch in &recorder.written() {
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
            let platform = Platform {
                store: DyingStore::new(platform.store.clone(), commit, dies_after_writing),
                ..platform
            };
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
