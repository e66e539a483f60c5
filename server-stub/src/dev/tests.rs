//! The whole federation, with the real ledger, over real databases and ports.

use std::{path::Path, time::Duration};

use rekindle_protocol::{
    amount::Amount,
    api::TransactionStatus,
    bytes::{Hash, TxId},
    encoding::Canonical,
    modules::deposit::{CreditRequest, DepositAddress},
    ownership::SeedWords,
    session::SignedSession,
};
use tokio::sync::{mpsc, oneshot};

use super::*;
use crate::node::{NodeHandle, SessionState};

const PATIENCE: Duration = Duration::from_secs(20);

fn options(data: &Path, guardians: u16) -> DevOptions {
    DevOptions {
        guardians,
        data: data.into(),
        port: Some(0),
        session_time: Duration::from_millis(100),
        announced: BTreeMap::new(),
        api_versions: BTreeMap::new(),
        backup_bytes: 1 << 20,
    }
}

/// Has a guardian credit an address and waits until it is accepted.
async fn credit(data: &Path, guardian: &NodeHandle, number: u8) -> (TxId, u64) {
    let federation = guardian.federation();
    let key = DataDir::open(data).unwrap().unwrap().issuer().unwrap();
    let (module, _) = guardian.config().deposit().unwrap();
    let wallet = SeedWords::from_entropy(&[number; 16]).wallet_secret(&federation);
    let tweak = rekindle_protocol::bytes::Tweak([number; 16]);
    let address = DepositAddress {
        federation: DepositAddress::federation_prefix(&federation),
        tweak,
        tag: wallet.tag(&tweak),
        claim_key: guardian.config().guardians[0].key,
    };
    let request = CreditRequest::sign(&federation, module, 0, &key, &address, Amount(5), Hash([number; 32]));
    let txid = guardian.submit(request.transaction(module).unwrap()).await.unwrap();
    match guardian.wait_transaction(&txid, PATIENCE).await.unwrap() {
        TransactionStatus::Accepted { session } => (txid, session),
        other => panic!("not accepted: {other:?}"),
    }
}

async fn signed(guardian: &NodeHandle, session: u64) -> SignedSession {
    match guardian.wait_session(session, PATIENCE).await.unwrap() {
        SessionState::Complete(bytes) => SignedSession::from_bytes(&bytes).unwrap(),
        other => panic!("not signed: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guardians_stop_and_start_by_themselves_and_all_together() {
    let temp = tempfile::tempdir().unwrap();
    let data = temp.path();
    let mut federation = DevFederation::start(&options(data, 4)).await.unwrap();
    let (_, first) = credit(data, federation.guardian(0).unwrap(), 1).await;
    let session = signed(federation.guardian(3).unwrap(), first).await;

    federation.command(Command::Stop(1)).await.unwrap();
    assert!(federation.guardian(1).is_none());
    assert!(matches!(federation.command(Command::Stop(1)).await, Err(DevError::Command(1, _))));
    let (_, second) = credit(data, federation.guardian(2).unwrap(), 2).await;
    signed(federation.guardian(2).unwrap(), second).await;
    federation.command(Command::Start(1)).await.unwrap();
    assert!(matches!(federation.command(Command::Start(1)).await, Err(DevError::Command(1, _))));
    assert!(matches!(federation.command(Command::Start(4)).await, Err(DevError::Command(4, _))));
    let caught_up = signed(federation.guardian(1).unwrap(), second).await;
    assert_eq!(caught_up, signed(federation.guardian(0).unwrap(), second).await);
    federation.stop().await.unwrap();

    let federation = DevFederation::start(&options(data, 4)).await.unwrap();
    let (_, third) = credit(data, federation.guardian(1).unwrap(), 3).await;
    assert!(third > second);
    signed(federation.guardian(0).unwrap(), third).await;
    assert_eq!(signed(federation.guardian(0).unwrap(), first).await, session, "history is the same");
    federation.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn is_driven_over_lines() {
    let temp = tempfile::tempdir().unwrap();
    let (lines, received) = mpsc::channel(4);
    let (said, mut heard) = mpsc::unbounded_channel();
    let (stop, stopped) = oneshot::channel::<()>();
    let options = options(temp.path(), 1);
    let running = tokio::spawn(async move {
        let stopped = async { drop(stopped.await) };
        run(&options, received, stopped, |line| said.send(line.to_owned()).unwrap()).await
    });
    let ready = heard.recv().await.unwrap();
    let description: serde_json::Value = serde_json::from_str(ready.strip_prefix("ready ").unwrap()).unwrap();
    let file = std::fs::read(temp.path().join("dev.json")).unwrap();
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&file).unwrap(), description);
    let invite = description["invite"].as_str().unwrap();
    let invite = rekindle_protocol::invite::InviteCode::parse(invite).unwrap();
    assert_eq!(invite.guardians[0].url, description["guardians"][0]);
    for (command, answer) in [
        ("stop 0", "stopped 0"),
        ("stop 0", "error guardian 0 does not run"),
        ("start 0", "started 0"),
        ("dance", "error commands are `stop N` and `start N`, with N the number of a guardian from 0"),
    ] {
        lines.send(command.into()).await.unwrap();
        assert_eq!(heard.recv().await.unwrap(), answer);
    }
    // Without an input the federation goes on.
    drop(lines);
    stop.send(()).unwrap();
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn wallets_find_a_federation_where_they_left_it() {
    let temp = tempfile::tempdir().unwrap();
    let first = DevFederation::start(&options(temp.path(), 1)).await.unwrap();
    let urls = first.description().guardians;
    first.stop().await.unwrap();
    let again = DevFederation::start(&DevOptions { port: None, ..options(temp.path(), 1) }).await.unwrap();
    assert_eq!(again.description().guardians, urls);
    // A second one on the same data meets the first one's port.
    let port = DataDir::last_ports(temp.path())[0];
    let taken = DevOptions { port: Some(port), ..options(temp.path(), 1) };
    assert!(matches!(DevFederation::start(&taken).await, Err(DevError::Port { .. })));
    again.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guardian_behind_a_proxy_announces_the_proxy() {
    let temp = tempfile::tempdir().unwrap();
    let proxy = "http://127.0.0.1:9".to_owned();
    let options = DevOptions { announced: [(2, proxy.clone())].into(), ..options(temp.path(), 4) };
    let federation = DevFederation::start(&options).await.unwrap();
    let description = federation.description();
    assert_eq!(description.guardians[2], proxy);
    assert_ne!(description.guardians[1], proxy);
    let invite = rekindle_protocol::invite::InviteCode::parse(&description.invite).unwrap();
    assert_eq!(invite.guardians[2].url, proxy);
    federation.stop().await.unwrap();
}
