//! A federation that goes on with newer rules.

use rekindle_guardian::node::RULES_VERSION;
use rekindle_protocol::{
    encoding::Canonical,
    session::{Item, SessionStatus},
};
use tokio::time::timeout;

use super::{
    ALL, accepted,
    client::Client,
    deal,
    process::{PATIENCE, Process, Program},
};

/// What a guardian exits with that needs newer software.
const UPGRADE: i32 = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guardians_stop_after_one_session_and_newer_software_goes_on() {
    timeout(ALL, upgrade()).await.expect("too slow");
}

async fn upgrade() {
    let dir = tempfile::tempdir().unwrap();
    let (mut guardians, credits) = deal(dir.path());
    let client = Client::new();
    let version = RULES_VERSION + 1;
    // One has the newer software already.
    guardians[3].install(Program::Newer);
    let addresses = start(&mut guardians).await;
    let before = credits.credit(0);
    client.submit(&addresses[0], &before).await.unwrap();
    accepted(&client, &addresses[0], &before).await;
    for address in &addresses[..3] {
        client.signal(address, version).await;
    }
    let mut said = Vec::new();
    for guardian in &mut guardians[..3] {
        said.push(stops(guardian).await);
    }
    assert!(said.iter().all(|other| *other == said[0]), "{said:?}");
    assert!(said[0].contains(&format!("version {version}")), "{said:?}");
    assert!(guardians[3].runs());

    // The old software stops again, the newer one goes on.
    guardians[0].start().await;
    assert_eq!(stops(&mut guardians[0]).await, said[0]);
    guardians[..3].iter_mut().for_each(|guardian| guardian.install(Program::Newer));
    start(&mut guardians[..3]).await;
    let after = credits.credit(1);
    client.submit(&addresses[1], &after).await.unwrap();
    let mut last = 0;
    for address in &addresses {
        last = accepted(&client, address, &after).await.max(last);
    }
    let mut upgrades = Vec::new();
    for index in 0..=last {
        let session = client.session(&addresses[0], index).await;
        for address in &addresses[1..] {
            assert_eq!(client.session(address, index).await, session, "session {index}");
        }
        let SessionStatus::Complete(signed) = SessionStatus::from_bytes(&session).unwrap() else {
            panic!("session {index} is not signed")
        };
        if signed.items.last() == Some(&Item::Upgrade { version }) {
            upgrades.push(index);
        }
    }
    assert_eq!(upgrades.len(), 1);
    assert!(said[0].contains(&format!("session {}", upgrades[0])), "{said:?}, session {upgrades:?}");
}

async fn start(guardians: &mut [Process]) -> Vec<String> {
    let mut addresses = Vec::new();
    for guardian in guardians {
        addresses.push(guardian.start().await["api"].as_str().unwrap().to_owned());
    }
    addresses
}

/// Waits until a guardian stops for newer software: what it says.
async fn stops(guardian: &mut Process) -> String {
    let status = guardian.ended(PATIENCE).await;
    let log = guardian.log();
    assert_eq!(status.code(), Some(UPGRADE), "{log}");
    let said = log.lines().last().unwrap();
    said.strip_prefix("guardian: UPGRADE: ").unwrap_or_else(|| panic!("{log}")).to_owned()
}
