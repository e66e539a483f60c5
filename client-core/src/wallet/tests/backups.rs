//! Backups at the guardians: recovery begins with them, and ends as if there were none.

mod seen_before;
mod writing;

use proptest::{collection::vec, prelude::*};
use rekindle_protocol::{
    backup::{Backup, SIZES},
    bytes::{FederationId, Hash, SchnorrKey},
};

use super::{
    aside::put,
    forms::{Event, any_event, play},
    *,
};
use crate::{
    backup::{SeenBefore, Snapshot},
    modules::versioned,
    platform::Method,
    testing::meddler::Meddler,
};

/// A world whose guardians keep backups.
fn world() -> World {
    let world = World::new();
    world.guardians.keep_backups();
    world
}

fn key(wallet: &Wallet) -> SchnorrKey {
    wallet.context().unwrap().secret.backup_key().public_key()
}

/// Has a wallet take in what has happened, and write a backup of it.
async fn back_up(wallet: &Wallet) {
    wallet.catch_up().await.unwrap();
    wallet.complete_notes(None).await.unwrap();
    assert!(wallet.write_backup().await.unwrap().is_some());
}

/// What a guardian keeps for a wallet.
fn kept(world: &World, guardian: usize, wallet: &Wallet) -> Backup {
    world.guardians.with_backups(|kept| kept[guardian][&key(wallet)].clone())
}

/// Has a guardian keep this for a wallet.
fn replace(world: &World, guardian: usize, wallet: &Wallet, backup: Option<Backup>) {
    world.guardians.with_backups(|kept| match backup {
        Some(backup) => kept[guardian].insert(key(wallet), backup),
        None => kept[guardian].remove(&key(wallet)),
    });
}

/// A whole wallet in every detail that a recovery brings back.
fn everything(wallet: &Wallet) -> (Balance, Vec<HistoryEntry>, Vec<u8>) {
    let notes = wallet.with_live(|live| live.scanner.modules.mint.snapshot()).unwrap();
    let (balance, history) = overview(wallet);
    (balance, history, notes)
}

fn restored(wallet: &Wallet) -> Option<u64> {
    wallet.recovery().unwrap().restored
}

/// A recovery that gets no backups.
async fn recover_without(world: &World, words: &str) -> Wallet {
    let transport = Meddler::new(Rc::new(world.guardians.clone()), |request| {
        request.url.contains("/backups/").then(|| crate::testing::meddler::binary(404, Vec::new()))
    });
    let wallet = world.recover_on(Platform { transport, ..world.platform() }, words).await;
    assert_eq!(restored(&wallet), None);
    wallet
}

/// What a guardian does with a backup.
#[derive(Debug, Clone, Copy)]
enum Trick {
    Honest,
    /// It says that it has none.
    Withhold,
    /// It serves the one before.
    Replay,
    /// It flips a bit.
    Damage(usize),
    /// It serves what the same seed has sealed for another federation.
    Elsewhere,
    /// It serves a newer one, of a newer version of the program.
    Newer,
    /// It serves a newer one, which stands on sessions that nobody has signed yet.
    Ahead,
    /// It serves a newer one, which stands on another history.
    Fork,
}

fn any_trick() -> impl Strategy<Value = Trick> {
    prop_oneof![
        Just(Trick::Honest),
        Just(Trick::Honest),
        Just(Trick::Withhold),
        Just(Trick::Replay),
        any::<usize>().prop_map(Trick::Damage),
        Just(Trick::Elsewhere),
        Just(Trick::Newer),
        Just(Trick::Ahead),
        Just(Trick::Fork),
    ]
}

/// The backup as the trick has it.
fn tricked(world: &World, alice: &Wallet, trick: Trick, before: &Backup, newest: &Backup) -> Option<Backup> {
    let context = alice.context().unwrap();
    let (id, secret) = (&context.federation, &context.secret);
    let snapshot = || Snapshot::open(&context, newest).unwrap_or_else(|error| panic!("{error}"));
    let sessions = world.guardians.with(|federation| federation.sessions.len() as u64);
    let standing_on = |next| {
        let mut snapshot = snapshot();
        snapshot.position.next = next;
        snapshot.seal(&context, [1; 16])
    };
    match trick {
        Trick::Honest => Some(newest.clone()),
        Trick::Withhold => None,
        Trick::Replay => Some(before.clone()),
        Trick::Damage(at) => {
            let mut damaged = newest.clone();
            let at = at % damaged.sealed.len();
            damaged.sealed[at] ^= 1;
            Some(damaged)
        }
        Trick::Elsewhere => {
            let elsewhere = FederationId([9; 32]);
            let content = secret.open_backup(id, newest)?;
            let words = SeedWords::parse(&alice.seed_words()).ok()?;
            words.wallet_secret(&elsewhere).seal_backup(&elsewhere, newest.version + 1, [1; 16], &content)
        }
        Trick::Newer => secret.seal_backup(id, sessions, [1; 16], &versioned::write(99, &7u64)),
        Trick::Ahead => standing_on(sessions + 5),
        Trick::Fork => standing_on(sessions),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn whatever_guardians_do_with_it_the_wallet_comes_back_as_without_it(
        before in vec(any_event(), 0..5), between in vec(any_event(), 0..4), after in vec(any_event(), 0..4),
        tricks in vec(any_trick(), 4),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let world = world();
            let alice = play(&world, before).await;
            back_up(&alice).await;
            let first = kept(&world, 0, &alice);
            happen(&world, &alice, between).await;
            back_up(&alice).await;
            let second = kept(&world, 0, &alice);
            happen(&world, &alice, after).await;
            for (guardian, trick) in tricks.into_iter().enumerate() {
                replace(&world, guardian, &alice, tricked(&world, &alice, trick, &first, &second));
            }
            let words = alice.seed_words();
            let with = world.recover(&words).await;
            let without = recover_without(&world, &words).await;
            prop_assert!(everything(&with) == everything(&without), "{:?}", with.recovery());
            alice.catch_up().await.unwrap();
            alice.complete_notes(None).await.unwrap();
            prop_assert!(everything(&with) == everything(&alice));
            Ok(())
        })?;
    }
}

/// Plays further events on a wallet.
async fn happen(world: &World, alice: &Wallet, events: Vec<Event>) {
    for event in events {
        match event {
            Event::Fund(sats) => world.fund(alice, sats).await,
            Event::Send(sats) => drop(alice.send(Amount(sats)).await),
            Event::Withdraw(sats) => drop(alice.withdraw(0, Amount(sats), Hash([1; 32])).await),
            Event::Reclaim => {
                if let Some(out) = alice.outstanding().pop() {
                    alice.reclaim(&out.txid).await.unwrap();
                }
            }
            Event::Redeem | Event::Strangers(_) | Event::Silence(_) => {
                world.guardians.with(|federation| drop(federation.close(vec![]).clone()));
            }
        }
    }
}

/// Alice with a history, a backup of it, and something that happened after it.
async fn backed_up(world: &World) -> Wallet {
    let alice = aside::history(world).await;
    back_up(&alice).await;
    world.fund(&alice, 7).await;
    alice.catch_up().await.unwrap();
    alice
}

#[tokio::test(start_paused = true)]
async fn a_recovery_reads_only_what_came_after_its_backup() {
    let world = world();
    let alice = backed_up(&world).await;
    let transport = Meddler::new(Rc::new(world.guardians.clone()), |_| None);
    let platform = Platform { transport: transport.clone(), ..world.platform() };
    let restored = world.recover_on(platform, &alice.seed_words()).await;
    assert_eq!(everything(&restored), everything(&alice));
    let version = kept(&world, 0, &alice).version;
    assert_eq!(restored.recovery().unwrap().restored, Some(version));
    assert!(version > 200);
    let log = transport.log();
    let mut ranges = log.iter().filter_map(|request| request.url.split_once("/recovery?from=")).peekable();
    assert!(ranges.peek().is_some());
    for (_, range) in ranges {
        let from: u64 = range.split('&').next().unwrap().parse().unwrap();
        assert!(from >= version, "{range}");
    }
    // Whoever doubts it has everything read again.
    restored.steer_recovery(Steer::Restart).await.unwrap();
    finish(&restored).await;
    assert_eq!(everything(&restored), everything(&alice));
    assert_eq!(restored.recovery().unwrap().restored, None);
}

#[tokio::test(start_paused = true)]
async fn one_backup_that_is_of_use_is_enough_and_the_newest_is_taken() {
    let world = world();
    let alice = aside::history(&world).await;
    back_up(&alice).await;
    let first = kept(&world, 0, &alice);
    world.fund(&alice, 7).await;
    back_up(&alice).await;
    let second = kept(&world, 0, &alice);
    world.guardians.with(|federation| drop(federation.close(vec![]).clone()));
    alice.catch_up().await.unwrap();
    assert!(first.version < second.version);
    let set = |tricks: [Trick; 4]| {
        for (guardian, trick) in tricks.into_iter().enumerate() {
            replace(&world, guardian, &alice, tricked(&world, &alice, trick, &first, &second));
        }
    };
    use Trick::*;
    for (tricks, version, dropped) in [
        // One of three answers is left out, so two guardians keep what is to be found.
        ([Replay, Honest, Honest, Replay], second.version, None),
        ([Withhold, Withhold, Replay, Replay], first.version, None),
        ([Newer, Newer, Honest, Honest], second.version, Some("newer version")),
        ([Ahead, Ahead, Replay, Replay], first.version, Some("signed history")),
        ([Fork, Fork, Honest, Honest], second.version, Some("signed history")),
    ] {
        set(tricks);
        let wallet = world.recover(&alice.seed_words()).await;
        assert_eq!(restored(&wallet), Some(version), "{tricks:?}");
        let reason = wallet.recovery().unwrap().dropped;
        assert!(
            match dropped {
                None => reason.is_none(),
                Some(why) => reason.as_ref().is_some_and(|reason| reason.contains(why)),
            },
            "{tricks:?}: {reason:?}"
        );
        assert_eq!(everything(&wallet), everything(&alice), "{tricks:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_guardian_that_serves_what_the_owner_did_not_sign_is_named() {
    let world = world();
    let alice = backed_up(&world).await;
    let newest = kept(&world, 2, &alice);
    // So that guardian 2 is needed.
    world.guardians.set(0, Behaviour::Down);
    for trick in [Trick::Damage(77), Trick::Elsewhere] {
        replace(&world, 2, &alice, tricked(&world, &alice, trick, &newest, &newest));
        let wallet = world.recover(&alice.seed_words()).await;
        let named: Vec<_> = wallet.evidence().into_iter().map(|of| (of.guardian, of.code)).collect();
        assert_eq!(named, [(2, "backup_invalid".into())]);
        assert_eq!(restored(&wallet), Some(newest.version));
        assert_eq!(everything(&wallet), everything(&alice));
    }
}

#[tokio::test(start_paused = true)]
async fn a_backup_ahead_of_what_guardians_have_signed_waits_for_nobody() {
    let world = world();
    let alice = backed_up(&world).await;
    let short = world.guardians.with(|federation| {
        let sessions = federation.sessions.clone();
        federation.sessions.truncate(100);
        sessions
    });
    let wallet = world.recover(&alice.seed_words()).await;
    assert_eq!(restored(&wallet), None);
    assert!(wallet.recovery().unwrap().dropped.unwrap().contains("signed history"));
    // What guardians did not have yet they have again.
    world.guardians.with(|federation| federation.sessions = short);
    wallet.catch_up().await.unwrap();
    wallet.complete_notes(None).await.unwrap();
    assert_eq!(everything(&wallet), everything(&alice));
}
