//! When a wallet writes its backup, and what guardians see of it.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_wallet_backs_up_by_itself_and_guardians_see_one_size() {
    let world = world();
    let transport = Meddler::new(Rc::new(world.guardians.clone()), |_| None);
    let writes = || transport.log().iter().filter(|request| request.method == Method::Put).count();
    let alice = Wallet::create(Platform { transport: transport.clone(), ..world.platform() }).await.unwrap();
    alice.join(&world.invite).await.unwrap();
    with_background(&alice, world.runtime.sleep(15_000)).await;
    // The seed is in use: guardians can tell who asks for it.
    assert_eq!((writes(), kept(&world, 3, &alice).version), (4, 0));
    world.fund(&alice, 1_000).await;
    with_background(&alice, world.runtime.sleep(20 * 60_000)).await;
    let sessions = world.guardians.with(|federation| federation.sessions.len() as u64);
    for guardian in 0..4 {
        let backup = kept(&world, guardian, &alice);
        assert_eq!((backup.version, backup.sealed.len()), (sessions, SIZES[0]));
    }
    // What others do is not worth a backup.
    let day = async {
        for _ in 0..24 {
            world.guardians.with(|federation| drop(federation.close(vec![]).clone()));
            world.runtime.sleep(3_600_000).await;
        }
    };
    with_background(&alice, day).await;
    assert_eq!((writes(), kept(&world, 0, &alice).version), (8, sessions));
    let restored = world.recover(&alice.seed_words()).await;
    assert_eq!(overview(&restored), overview(&alice));
}

#[tokio::test(start_paused = true)]
async fn it_is_stored_when_2f_plus_1_guardians_keep_it_and_tried_again_until_then() {
    let world = world();
    let alice = world.wallet().await;
    world.guardians.set(0, Behaviour::Silent);
    world.guardians.set(1, Behaviour::Down);
    with_background(&alice, world.runtime.sleep(50_000)).await;
    assert_eq!(alice.backup_state().schedule.written_sessions(), None);
    world.guardians.set(1, Behaviour::Honest);
    with_background(&alice, world.runtime.sleep(20 * 60_000)).await;
    assert_eq!(alice.backup_state().schedule.written_sessions(), Some(0));
    kept(&world, 1, &alice);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_whole_is_not_backed_up() {
    let world = world();
    let alice = backed_up(&world).await;
    // A recovery that has not arrived.
    let wallet = Wallet::recover(world.platform(), &alice.seed_words(), &world.invite).await.unwrap();
    assert!(wallet.current_snapshot().is_none());
    finish(&wallet).await;
    assert!(wallet.current_snapshot().is_some());
    // A transaction that its session has not confirmed.
    world.guardians.keep_open();
    wallet.send(Amount(1)).await.unwrap();
    assert!(wallet.current_snapshot().is_none());
    world.guardians.close(|_| true);
    wallet.catch_up().await.unwrap();
    assert!(wallet.current_snapshot().is_some());
    // A module that is aside.
    let platform = wallet.platform().clone();
    drop(wallet);
    put(&platform, "module/operations", &[99, 1]).await;
    let wallet = Wallet::open(platform).await.unwrap();
    assert!(wallet.current_snapshot().is_none());
}
