//! A recovery against guardians that are bad, gone or slow, and with stored progress of no use.

use super::*;
use crate::{
    platform::Method,
    recovery::{KINDS, RUNNING_PREFIX},
    testing::meddler::Meddler,
};

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
            let named: Vec<_> = evidence.iter().map(|of| (of.guardian, &*of.code)).collect();
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
        (vec![99, 1, 2], stale.mint.snapshot(), "newer version"),
        (elsewhere, stale.mint.snapshot(), "another federation"),
        (unreadable.write(), vec![98, 1, 2], "newer version"),
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

#[tokio::test(start_paused = true)]
async fn guardians_learn_nothing_of_single_notes() {
    let world = World::new();
    let alice = world.funded(1_000).await;
    world.guardians.with(|federation| (0..20).for_each(|_| drop(federation.close(vec![]).clone())));
    alice.send(Amount(123)).await.unwrap();
    alice.catch_up().await.unwrap();
    let transport = Meddler::new(Rc::new(world.guardians.clone()), |_| None);
    let platform = Platform { transport: transport.clone(), ..world.platform() };
    let restored = world.recover_on(platform, &alice.seed_words()).await;
    assert_eq!(overview(&restored), overview(&alice));
    // Whoever asks for sessions, for the shares of all their outputs and for nothing else names no note.
    let asked = transport.log();
    assert!(asked.iter().any(|request| request.url.ends_with("/signatures")));
    for request in asked {
        let path = request.url.split('/').nth(4).map(|part| part.split('?').next());
        let is_general =
            matches!(path, Some(Some("config" | "announcements" | "sessions" | "recovery" | "backups")));
        assert!(request.method == Method::Get && is_general, "{}", request.url);
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_received_survives_progress_that_cannot_be_used() {
    for lost_record in [false, true] {
        let world = World::new();
        let alice = world.funded(1_000).await;
        let sent = alice.send(Amount(70)).await.unwrap();
        let platform = world.platform();
        let restored = world.recover_on(platform.clone(), &alice.seed_words()).await;
        let bob = world.funded(500).await;
        let from_bob = bob.send(Amount(30)).await.unwrap();
        (0..4).for_each(|guardian| world.guardians.set(guardian, Behaviour::Down));
        restored.reclaim(&sent.txid).await.unwrap_err();
        restored.redeem(&from_bob.token).await.unwrap_err();
        let position = restored.with_live(|live| live.scanner.position).unwrap();
        let federation = restored.context().unwrap().federation;
        drop(restored);
        let record = RecoveryRecord { position, ..RecoveryRecord::new(federation) };
        let mut batch = Batch::new();
        for kind in KINDS {
            batch.put(format!("{RUNNING_PREFIX}{kind}"), [98, 1, 2]);
        }
        batch.put(keys::RECOVERY, if lost_record { vec![99] } else { record.write() });
        platform.store.commit(batch).await.unwrap();
        // The page that begins again is closed before it has come any further.
        let restored = Wallet::open(platform.clone()).await.unwrap();
        with_background(&restored, world.runtime.sleep(1_000)).await;
        drop(restored);
        (0..4).for_each(|guardian| world.guardians.set(guardian, Behaviour::Honest));
        let restored = Wallet::open(platform).await.unwrap();
        let deadline = world.runtime.now() + 600_000;
        let settled = async {
            while restored.is_recovering() || spendable(&restored) < 1_030 {
                assert!(world.runtime.now() < deadline, "{:?}", restored.balance());
                world.runtime.sleep(100).await;
            }
        };
        with_background(&restored, settled).await;
        assert!(restored.recovery().unwrap().dropped.is_some());
        assert_eq!(restored.balance(), Balance { spendable: 1_030, ..Balance::default() });
        assert_eq!(bob.redeem(&sent.token).await.unwrap_err(), WalletError::TokenSpent.into());
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_stored_is_there_without_guardians() {
    let world = World::new();
    let alice = aside::history(&world).await;
    let platform = aside::interrupted(&world, &alice).await;
    (0..4).for_each(|guardian| world.guardians.set(guardian, Behaviour::Down));
    for platform in [platform, alice.platform().clone()] {
        let wallet = Wallet::open(platform).await.unwrap();
        let (before, done) = (overview(&wallet), wallet.recovery().map(|progress| progress.sessions_done));
        with_background(&wallet, world.runtime.sleep(60_000)).await;
        assert_eq!(overview(&wallet), before);
        assert_eq!(wallet.recovery().map(|progress| progress.sessions_done), done);
        match done {
            Some(done) => assert_eq!((done, wallet.recovery().unwrap().state), (100, RecoveryState::Waiting)),
            None => assert_eq!(before, overview(&alice)),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_recovered_wallet_follows_the_index() {
    let world = World::new();
    let alice = world.funded(1_000).await;
    let transport = Meddler::new(Rc::new(world.guardians.clone()), |_| None);
    let platform = Platform { transport: transport.clone(), ..world.platform() };
    let restored = world.recover_on(platform, &alice.seed_words()).await;
    let known = transport.log().len();
    world.guardians.with(|federation| (0..20).for_each(|_| drop(federation.close(vec![]).clone())));
    world.fund(&alice, 30).await;
    restored.catch_up().await.unwrap();
    alice.catch_up().await.unwrap();
    assert_eq!(overview(&restored).1.len(), overview(&alice).1.len());
    let asked = transport.log().split_off(known);
    assert!(asked.iter().any(|request| request.url.contains("/recovery?")));
    assert!(!asked.iter().any(|request| request.url.contains("/sessions?")), "whole sessions were asked for");
}
