//! Recoveries that are paused, given up and begun again.

use super::{
    aside::{history, interrupted, put, unreadable},
    *,
};
use crate::{modules::mint::Mint, platform::Scan, recovery::RUNNING_PREFIX};

#[tokio::test(start_paused = true)]
async fn a_wallet_in_recovery_moves_no_money_and_can_be_paused() {
    let world = World::new();
    let alice = world.funded(1_000).await;
    let restored = Wallet::recover(world.platform(), &alice.seed_words(), &world.invite).await.unwrap();
    assert_eq!(restored.send(Amount(1)).await.err(), Some(WalletError::RecoveryRunning.into()));
    restored.steer_recovery(Steer::Pause).await.unwrap();
    with_background(&restored, world.runtime.sleep(10_000)).await;
    assert_eq!(restored.recovery().unwrap().state, RecoveryState::Paused);
    restored.steer_recovery(Steer::Resume).await.unwrap();
    finish(&restored).await;
    alice.catch_up().await.unwrap();
    assert_eq!(overview(&restored), overview(&alice));
    assert_eq!(
        restored.steer_recovery(Steer::Pause).await.err(),
        Some(WalletError::RecoveryNotRunning.into())
    );
}

#[tokio::test(start_paused = true)]
async fn a_recovery_can_be_given_up_and_begun_again() {
    let world = World::new();
    let alice = world.funded(1_000).await;
    alice.catch_up().await.unwrap();
    let platform = world.platform();
    let restored = Wallet::recover(platform.clone(), &alice.seed_words(), &world.invite).await.unwrap();
    let given_up = async {
        restored.steer_recovery(Steer::Cancel).await.unwrap();
        world.runtime.sleep(60_000).await;
    };
    with_background(&restored, given_up).await;
    let progress = restored.recovery().unwrap();
    assert_eq!(progress.state, RecoveryState::Failed);
    assert_eq!((progress.fault.unwrap().code, progress.sessions_done), ("recovery_cancelled", 0));
    assert_eq!(
        restored.steer_recovery(Steer::Cancel).await.err(),
        Some(WalletError::RecoveryNotRunning.into())
    );
    drop(restored);

    let restored = Wallet::open(platform.clone()).await.unwrap();
    assert_eq!(restored.recovery().unwrap().state, RecoveryState::Failed);
    restored.steer_recovery(Steer::Restart).await.unwrap();
    finish(&restored).await;
    assert_eq!(overview(&restored), overview(&alice));

    // A wallet that is whole stays so when reading it all again is given up; so does what is on its way.
    let sent = alice.send(Amount(70)).await.unwrap();
    (0..4).for_each(|guardian| world.guardians.set(guardian, Behaviour::Down));
    assert_eq!(restored.redeem(&sent.token).await.unwrap_err().code(), "federation_unreachable");
    let before = restored.balance();
    restored.steer_recovery(Steer::Restart).await.unwrap();
    assert_eq!(restored.recovery().unwrap().sessions_done, 0);
    assert_eq!(restored.send(Amount(1)).await.err(), Some(WalletError::RecoveryRunning.into()));
    restored.steer_recovery(Steer::Cancel).await.unwrap();
    assert_eq!((restored.recovery().unwrap().state, restored.balance()), (RecoveryState::Done, before));
    restored.steer_recovery(Steer::Restart).await.unwrap();
    drop(restored);
    (0..4).for_each(|guardian| world.guardians.set(guardian, Behaviour::Honest));
    let restored = Wallet::open(platform).await.unwrap();
    let redeemed = async {
        while restored.is_recovering() || restored.balance().pending > 0 {
            world.runtime.sleep(100).await;
        }
    };
    with_background(&restored, redeemed).await;
    alice.catch_up().await.unwrap();
    alice.complete_notes(None).await.unwrap();
    assert_eq!(overview(&restored), overview(&alice));
    assert_eq!(spendable(&restored), 1_000);
}

#[tokio::test(start_paused = true)]
async fn giving_up_leads_back_to_a_whole_wallet_only_if_there_was_one() {
    // The mint of one wallet was aside before, that of the other can't be read any more.
    let world = World::new();
    let alice = world.funded(1_000).await;
    let platform = world.platform();
    drop(world.recover_on(platform.clone(), &alice.seed_words()).await);
    world.guardians.accept(unreadable(&alice));
    alice.catch_up().await.unwrap();
    assert_eq!(alice.recovery().unwrap().failing[0].module, Mint::KIND);

    let restored = Wallet::open(platform.clone()).await.unwrap();
    restored.steer_recovery(Steer::Restart).await.unwrap();
    drop(restored);
    put(&platform, &format!("module/{}", Mint::KIND), &[99, 1]).await;
    let restored = Wallet::open(platform).await.unwrap();

    alice.steer_recovery(Steer::Restart).await.unwrap();
    for wallet in [alice, restored] {
        wallet.steer_recovery(Steer::Cancel).await.unwrap();
        assert_eq!(wallet.recovery().unwrap().state, RecoveryState::Failed);
        assert_eq!(wallet.send(Amount(1)).await.err(), Some(WalletError::RecoveryRunning.into()));
    }
}

#[tokio::test(start_paused = true)]
async fn giving_up_drops_what_was_saved() {
    let world = World::new();
    let alice = history(&world).await;
    let platform = interrupted(&world, &alice).await;
    let restored = Wallet::open(platform.clone()).await.unwrap();
    assert_eq!(restored.recovery().unwrap().sessions_done, 100);
    restored.steer_recovery(Steer::Cancel).await.unwrap();
    assert_eq!(restored.recovery().unwrap().sessions_done, 0);
    assert_eq!(platform.store.scan(&Scan::prefix(RUNNING_PREFIX)).await.unwrap(), []);
}
