//! What guardians attest of the session that is not signed yet.

use rekindle_protocol::{api::Attested, encoding::Canonical};

use super::*;
use crate::{federation::GuardianFault, testing::meddler::binary};

/// Alice, whose token Bob has redeemed in a session that is still open.
async fn redeemed_in_an_open_session(world: &World) -> Wallet {
    let (alice, bob) = (world.funded(1_000).await, world.wallet().await);
    let sent = alice.send(Amount(123)).await.unwrap();
    world.guardians.keep_open();
    bob.redeem(&sent.token).await.unwrap();
    alice
}

#[tokio::test(start_paused = true)]
async fn what_is_attested_counts_once_recovered_and_is_not_stored() {
    let world = World::new();
    let alice = redeemed_in_an_open_session(&world).await;
    let signed = world.guardians.with(|federation| federation.sessions.len() as u64);
    let platform = world.platform();
    let restored = world.recover_on(platform.clone(), &alice.seed_words()).await;
    assert_eq!(restored.balance(), Balance { spendable: 877, ..Balance::default() });
    assert!(restored.outstanding().is_empty());
    assert_eq!(restored.with_live(|live| live.scanner.position.next), Some(signed));
    drop(restored);
    let restored = Wallet::open(platform).await.unwrap();
    assert_eq!(restored.balance(), Balance { spendable: 877, pending: 0, outstanding: 123 });
    // Signed history has the last word.
    world.guardians.close(|_| true);
    restored.catch_up().await.unwrap();
    alice.catch_up().await.unwrap();
    assert_eq!(overview(&restored), overview(&alice));
}

#[tokio::test(start_paused = true)]
async fn what_was_attested_and_is_not_signed_never_was() {
    let world = World::new();
    let alice = redeemed_in_an_open_session(&world).await;
    let restored = world.recover(&alice.seed_words()).await;
    assert_eq!(restored.balance().outstanding, 0);
    world.guardians.close(|_| false);
    restored.catch_up().await.unwrap();
    assert_eq!(restored.balance(), Balance { spendable: 877, pending: 0, outstanding: 123 });
}

#[tokio::test(start_paused = true)]
async fn notes_that_another_device_is_spending_are_not_spent_again() {
    let world = World::new();
    let alice = world.funded(1_000).await;
    world.guardians.keep_open();
    let sent = alice.send(Amount(1_000)).await.unwrap();
    let restored = world.recover(&alice.seed_words()).await;
    assert_eq!(restored.balance(), Balance { outstanding: 1_000, ..Balance::default() });
    let newest = restored.history(1, None).unwrap().remove(0);
    assert_eq!((newest.txid, newest.status), (sent.txid, OperationStatus::Pending));
    assert_eq!(restored.send(Amount(1)).await.err().map(|e| e.code()), Some("insufficient_balance"));
}

#[tokio::test(start_paused = true)]
async fn a_wallet_that_follows_sees_what_another_device_is_doing() {
    let world = World::new();
    let alice = world.funded(1_000).await;
    let other = world.recover(&alice.seed_words()).await;
    alice.catch_up().await.unwrap();
    world.guardians.keep_open();
    other.send(Amount(1_000)).await.unwrap();
    let spent = Balance { outstanding: 1_000, ..Balance::default() };
    with_background(&alice, world.runtime.sleep(40_000)).await;
    assert_eq!(alice.balance(), spent);
    // Others, who are behind, take nothing of it back; signed history does.
    (1..4).for_each(|guardian| world.guardians.know(guardian, None));
    with_background(&alice, world.runtime.sleep(40_000)).await;
    assert_eq!(alice.balance(), spent);
    world.guardians.close(|_| false);
    with_background(&alice, world.runtime.sleep(40_000)).await;
    assert_eq!(alice.balance(), Balance { spendable: 1_000, ..Balance::default() });
}

#[tokio::test(start_paused = true)]
async fn what_another_device_is_receiving_is_on_its_way() {
    let world = World::new();
    let (alice, bob) = (world.wallet().await, world.funded(1_000).await);
    let sent = bob.send(Amount(77)).await.unwrap();
    world.guardians.keep_open();
    alice.redeem(&sent.token).await.unwrap();
    let restored = world.recover(&alice.seed_words()).await;
    assert_eq!(restored.balance(), Balance { pending: 77, ..Balance::default() });
}

#[tokio::test(start_paused = true)]
async fn what_the_wallet_has_on_its_way_counts_once() {
    let world = World::new();
    let (alice, bob) = (world.funded(1_000).await, world.wallet().await);
    let sent = alice.send(Amount(77)).await.unwrap();
    (0..4).for_each(|guardian| world.guardians.set(guardian, Behaviour::Down));
    bob.redeem(&sent.token).await.unwrap_err();
    (0..4).for_each(|guardian| world.guardians.set(guardian, Behaviour::Honest));
    let stored = bob.with_live(|live| live.pending.values().next().unwrap().transaction.clone()).unwrap();
    bob.catch_up().await.unwrap();
    world.guardians.keep_open();
    world.guardians.accept(stored);
    bob.look_ahead().await.unwrap();
    assert_eq!(bob.balance(), Balance { pending: 77, ..Balance::default() });
    // Nor does what was applied because it is known to be accepted.
    bob.resume().await.unwrap();
    bob.look_ahead().await.unwrap();
    assert_eq!(bob.balance(), Balance { spendable: 77, ..Balance::default() });
    let history = bob.history(10, None).unwrap();
    assert_eq!((history.len(), history[0].status), (1, OperationStatus::Settled));
}

#[tokio::test(start_paused = true)]
async fn only_what_enough_guardians_know_alike_counts() {
    let world = World::new();
    let alice = redeemed_in_an_open_session(&world).await;
    // Some are behind, one so far that it does not know that the session has begun: it is nobody to ask.
    for (known, outstanding) in [
        ([Some(1), Some(0), Some(0), Some(0)], 123),
        ([None, Some(0), Some(1), Some(1)], 0),
        ([None, Some(0), Some(0), Some(1)], 123),
        ([None, None, Some(1), Some(1)], 123),
    ] {
        (0..4).zip(known).for_each(|(guardian, known)| world.guardians.know(guardian, known));
        let restored = world.recover(&alice.seed_words()).await;
        assert_eq!(restored.balance().outstanding, outstanding, "{known:?}");
    }
    let api = alice.api().unwrap();
    let begun = world.guardians.with(|federation| federation.sessions.len() as u64);
    let error = api.begun_session(begun).await.unwrap_err();
    for guardian in [0, 1] {
        assert!(error.faults().contains(&(guardian, GuardianFault::Missing(begun))), "{error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_guardian_that_inflates_the_count_delays_nothing() {
    let world = World::new();
    let alice = world.funded(1_000).await;
    alice.catch_up().await.unwrap();
    let federation = world.guardians.with(|federation| federation.id());
    let key = world.guardians.with(|federation| federation.guardian_keys[2].clone());
    let began = world.runtime.now();
    drop(world.recover(&alice.seed_words()).await);
    let honest = world.runtime.now() - began;
    let liar = crate::testing::meddler::Meddler::new(Rc::new(world.guardians.clone()), move |request| {
        let (path, query) = request.url.strip_prefix("http://guardian-2")?.split_once('?')?;
        let challenge = query.strip_prefix("challenge=")?.parse().ok()?;
        let count = Attested::sign(&federation, path, &challenge, &1_000_000u64, &key);
        path.ends_with("/sessions/count").then(|| binary(200, count.to_bytes()))
    });
    let asked = liar.clone();
    let platform = Platform { transport: liar, ..world.platform() };
    let began = world.runtime.now();
    let restored = world.recover_on(platform, &alice.seed_words()).await;
    assert!(asked.log().iter().any(|request| request.url.contains("guardian-2/v2/sessions/count")));
    assert_eq!(overview(&restored), overview(&alice));
    assert!(world.runtime.now() - began <= 2 * honest, "{honest} ms without the liar");
    assert_eq!(restored.recovery().unwrap().sessions_total, restored.recovery().unwrap().sessions_done);
}
