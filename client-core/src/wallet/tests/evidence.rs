//! What guardians were caught at outlasts the page.

use super::*;
use crate::{
    federation::Evidence,
    testing::{
        dying::DyingStore,
        meddler::{Meddler, binary},
    },
};

/// A world whose first guardian forges history, and the words of a wallet with some of it.
async fn world_with_a_forger() -> (World, zeroize::Zeroizing<String>) {
    let world = World::new();
    let words = world.funded(1_000).await.seed_words();
    world.guardians.set(0, Behaviour::Forge);
    (world, words)
}

/// Whether the first range that a guardian was asked for was asked for past caches.
fn past_caches(transport: &Meddler, guardian: &str) -> Option<bool> {
    let asked = transport.log();
    let mut ranges =
        asked.iter().filter(|asked| asked.url.contains(guardian) && asked.url.contains("/recovery?"));
    ranges.next().map(|first| first.bypass_cache)
}

#[tokio::test(start_paused = true)]
async fn a_liar_is_known_when_the_wallet_is_opened_again() {
    let (world, words) = world_with_a_forger().await;
    let watched = || Meddler::new(Rc::new(world.guardians.clone()), |_| None);
    let transport = watched();
    let platform = Platform { transport: transport.clone(), ..world.platform() };
    let restored = world.recover_on(platform.clone(), &words).await;
    let evidence = restored.evidence();
    assert!(matches!(&evidence[..], [Evidence { guardian: 0, times: 1, .. }]), "{evidence:?}");
    assert_eq!(past_caches(&transport, "guardian-0"), Some(false));
    drop(restored);

    let transport = watched();
    let platform = Platform { transport: transport.clone(), ..platform };
    let reopened = Wallet::open(platform.clone()).await.unwrap();
    assert_eq!(reopened.evidence(), evidence);
    reopened.steer_recovery(Steer::Restart).await.unwrap();
    finish(&reopened).await;
    // It may be asked, past caches, and what it does now is counted on.
    assert_eq!(past_caches(&transport, "guardian-0"), Some(true));
    let evidence = reopened.evidence();
    assert!(matches!(&evidence[..], [Evidence { guardian: 0, times: 2.., .. }]), "{evidence:?}");
    drop(reopened);
    assert_eq!(Wallet::open(platform).await.unwrap().evidence(), evidence);
}

#[tokio::test(start_paused = true)]
async fn a_liar_is_known_though_the_recovery_never_came_further() {
    let (world, words) = world_with_a_forger().await;
    // The others are too busy to serve history.
    let transport = Meddler::new(Rc::new(world.guardians.clone()), |request| {
        let is_refused = request.url.contains("/recovery?") && !request.url.contains("guardian-0");
        is_refused.then(|| binary(503, Vec::new()))
    });
    let platform = Platform { transport, ..world.platform() };
    let restored = Wallet::recover(platform.clone(), &words, &world.invite).await.unwrap();
    with_background(&restored, world.runtime.sleep(10_000)).await;
    assert_eq!(restored.recovery().unwrap().snapshots, 0);
    let evidence = restored.evidence();
    assert_eq!(evidence.len(), 1);
    drop(restored);
    assert_eq!(Wallet::open(platform).await.unwrap().evidence(), evidence);
}

#[tokio::test(start_paused = true)]
async fn evidence_that_cannot_be_stored_or_read_harms_nothing() {
    let (world, words) = world_with_a_forger().await;
    for commit in 2..9 {
        for after in [false, true] {
            let store: Rc<dyn Store> = Rc::new(MemoryStore::new());
            let platform = Platform { store: store.clone(), ..world.platform() };
            let dying = DyingStore::new(store.clone(), commit, after);
            let restored =
                Wallet::recover(Platform { store: dying.clone(), ..platform.clone() }, &words, &world.invite);
            let restored = restored.await.unwrap();
            with_background(&restored, async {
                while restored.is_recovering() && !dying.is_dead() {
                    restored.breathe().await;
                }
            })
            .await;
            let reopened = Wallet::open(platform).await.unwrap();
            assert!(reopened.evidence().len() <= 1);
            finish(&reopened).await;
            assert_eq!(spendable(&reopened), 1_000);
        }
    }
    let platform = world.platform();
    drop(world.recover_on(platform.clone(), &words).await);
    let mut batch = Batch::new();
    batch.put(keys::EVIDENCE, [9, 9]);
    platform.store.commit(batch).await.unwrap();
    assert_eq!(Wallet::open(platform).await.unwrap().evidence(), []);
}
