//! A guardian moves while a wallet is away.

use rekindle_protocol::config::UrlAnnouncement;

use super::*;

#[tokio::test(start_paused = true)]
async fn a_wallet_works_on_and_learns_the_new_url() {
    let world = World::new();
    let alice = world.funded(100).await;
    let platform = alice.platform().clone();
    drop(alice);
    world.guardians.relocate(3, "moved");
    world.guardians.with(|federation| {
        let key = &federation.guardian_keys[3];
        let announced = UrlAnnouncement::sign(&federation.id(), 3, 7, "http://moved".into(), key);
        federation.document.urls[3] = announced;
    });
    // The others are enough, also for whoever joins with the old invite code.
    let alice = Wallet::open(platform.clone()).await.unwrap();
    world.fund(&alice, 20).await;
    let bob = world.wallet().await;
    let sent = alice.send(Amount(50)).await.unwrap();
    assert_eq!(bob.redeem(&sent.token).await.unwrap().sats, 50);
    let url = |wallet: &Wallet| wallet.federation().unwrap().guardians[3].1.clone();
    assert_eq!(url(&alice), "http://guardian-3");
    assert_eq!(url(&bob), "http://moved", "the config's document says where");
    let learned = async {
        while url(&alice) != "http://moved" {
            world.runtime.sleep(100).await;
        }
    };
    with_background(&alice, learned).await;
    drop(alice);
    // It remembers, and needs the one that has moved now.
    world.guardians.set(0, Behaviour::Down);
    let alice = Wallet::open(platform).await.unwrap();
    assert_eq!(url(&alice), "http://moved");
    world.fund(&alice, 3).await;
    assert_eq!(spendable(&alice), 73);
}

#[tokio::test(start_paused = true)]
async fn a_wallet_that_reaches_too_few_guardians_learns_where_the_others_are() {
    let world = World::new();
    let alice = world.funded(100).await;
    for guardian in [1, 2] {
        let host = format!("moved-{guardian}");
        world.guardians.relocate(guardian, &host);
        world.guardians.with(|federation| {
            let (place, url) = (usize::from(guardian), format!("http://{host}"));
            let key = &federation.guardian_keys[place];
            let announced = UrlAnnouncement::sign(&federation.id(), guardian, 7, url, key);
            federation.document.urls[place] = announced;
        });
    }
    assert!(alice.catch_up().await.is_err(), "two of four are not enough");
    let back = async {
        while alice.catch_up().await.is_err() {
            world.runtime.sleep(100).await;
        }
    };
    with_background(&alice, back).await;
}
