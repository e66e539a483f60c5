//! A guardian moves to another address while a wallet is away.

use std::path::Path;

use bytes::Bytes;
use futures::TryStreamExt;
use rekindle_client::{
    platform::{Request, Transport},
    wallet::Wallet,
};
use rekindle_guardian::{
    api,
    guardian::{
        Home, Profile, RunOptions, RunningGuardian,
        deal::{Deal, free_addresses},
    },
    node::Settings,
    secrets::{KeyDerivation, Password},
};
use rekindle_protocol::api::paths;

use super::*;

fn password() -> Password {
    Password::new("secret".to_owned().into()).unwrap()
}

async fn start(home: &Home) -> RunningGuardian {
    let options = RunOptions {
        data: home.path().into(),
        password: password(),
        settings: Settings { session_time: Duration::from_millis(50), ..Settings::default() },
        limits: api::Limits::default(),
        backup_bytes: 1 << 20,
        server: api::Server::default(),
        admin: None,
    };
    RunningGuardian::start(options).await.unwrap()
}

fn deal(root: &Path) -> Vec<Home> {
    let (data, derivation) = (root.into(), KeyDerivation::CHEAPEST);
    Deal { guardians: 4, denominations: 1, data, password: password(), derivation }.run().unwrap().homes
}

/// Waits until the guardian at `address` has heard from its peers that another is reached at `url`.
async fn hear(address: &str, url: &str) {
    let transport = NativeTransport::new();
    let request = format!("http://{address}{}", paths::ANNOUNCEMENTS);
    let heard = async {
        loop {
            let answer = transport.request(Request::get(request.clone())).await.unwrap();
            let chunks: Vec<Bytes> = answer.body.try_collect().await.unwrap();
            if chunks.concat().windows(url.len()).any(|part| part == url.as_bytes()) {
                return;
            }
        }
    };
    timeout(PATIENCE, heard).await.expect("gossip is too slow");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wallet_with_the_old_invite_learns_where_it_is_now() {
    let dir = tempfile::tempdir().unwrap();
    let homes = deal(dir.path());
    let mut guardians = Vec::new();
    for home in &homes {
        guardians.push(start(home).await);
    }
    let platform = platform();
    let wallet = Wallet::create(platform.clone()).await.unwrap();
    wallet.join(&guardians[0].description().invite).await.unwrap();
    drop(wallet);

    guardians.pop().unwrap().stop().await.unwrap();
    let api_listen = free_addresses(1).unwrap().remove(0);
    let url = format!("http://{api_listen}");
    let moved = Profile { public_url: url.clone(), api_listen, ..homes[3].profile().unwrap() };
    std::fs::write(homes[3].path().join("guardian.json"), serde_json::to_vec(&moved).unwrap()).unwrap();
    guardians.push(start(&homes[3]).await);

    for guardian in &guardians[..3] {
        hear(&guardian.description().api, &url).await;
    }

    let known = |wallet: &Wallet| wallet.federation().unwrap().guardians[3].1.clone();
    let wallet = Wallet::open(platform.clone()).await.unwrap();
    assert_ne!(known(&wallet), url);
    let (changed, mut changes) = futures::channel::mpsc::unbounded();
    wallet.on_change(Rc::new(move || drop(changed.unbounded_send(()))));
    let learned = async {
        while known(&wallet) != url {
            futures::StreamExt::next(&mut changes).await;
        }
    };
    run_until(&wallet, learned).await;
    drop(wallet);

    // Now that the first is gone, nothing goes without the one that has moved.
    guardians.remove(0).stop().await.unwrap();
    let wallet = Wallet::open(platform).await.unwrap();
    assert_eq!(known(&wallet), url, "it remembers");
    wallet.claim_deposits().await.unwrap();
    for guardian in guardians {
        guardian.stop().await.unwrap();
    }
}
