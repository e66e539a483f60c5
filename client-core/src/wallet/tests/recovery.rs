//! A recovery against guardians that are bad, gone or slow, and with stored progress of no use.

use super::*;

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
