//! What a faulty guardian or a wrong history does.

use super::*;

#[test]
fn wrong_shares_are_sorted_out_and_a_lost_one_is_asked_for() {
    let mut federation = Federation::new(4, settings(), 8);
    // Guardian 3's place is taken by one that signs garbage; guardian 2 is away until the session is closed.
    federation.stop(3);
    let mut liar = federation.hub.connect(3).unwrap();
    let txid = federation.submit(0, spend(0, 0));
    for to in 0..3 {
        let garbage = [
            SigningMessage::Share { session: 0, header: Hash([1; 32]), share: G2Bytes([0; 96]) },
            SigningMessage::Share { session: 0, header: Hash([1; 32]), share: G2Bytes([0xff; 96]) },
        ];
        for message in garbage {
            liar.send(to, None, PeerMessage::Signing(message).encode());
        }
        liar.send(to, None, Bytes::from_static(b"\xffgarbage"));
    }
    federation.run_until("accepted", |federation| federation.all_accepted(&[txid]));
    federation.run_until("signed", |federation| federation.all_signed(1));
}

#[test]
fn who_sends_what_does_not_decode_is_banned_until_the_restart() {
    let mut federation = Federation::new(4, settings(), 15);
    let malformed = [
        Bytes::from_static(b"\xffgarbage"),
        Bytes::new(),
        PeerMessage::Consensus(Bytes::from_static(b"\x01")).encode(),
    ];
    for garbage in malformed {
        federation.stop(3);
        let mut liar = federation.hub.connect(3).unwrap();
        // What comes together with it is not looked at any more, nor what comes later, not even if it is right.
        let status = PeerStatus { epoch: 50, signed: 0 };
        let status = PeerMessage::CatchUp(CatchUpMessage::Status { status, ask: false }).encode();
        liar.send(0, None, garbage);
        liar.send(0, None, status.clone());
        let banned = |federation: &Federation| federation.handle(0).progress().borrow().banned.contains(&3);
        federation.run_until("banned", banned);
        let accused = federation.handle(0).progress().borrow().accused[&3].clone();
        assert!(accused.contains("malformed message"), "{accused}");
        liar.send(0, None, status);
        (0..100).for_each(|_| federation.step());
        assert_ne!(federation.handle(0).progress().borrow().peer_epochs[3], Some(50));
        // The others go on, and a restart forgets.
        let nonce = federation.rng.r#gen();
        let txid = federation.submit(0, spend(nonce, 0));
        drop(liar);
        federation.run_until("accepted", |federation| federation.all_accepted(&[txid]));
        federation.stop(0);
        federation.start(0);
        assert!(!banned(&federation));
    }
}

#[test]
fn a_guardian_with_another_history_stops_instead_of_serving_a_fork() {
    let mut federation = Federation::new(4, settings(), 10);
    federation.submit(0, spend(0, 0));
    federation.run_until("signed", |federation| federation.all_signed(1));
    // What the federation would have signed had this guardian computed something else.
    let mut header = federation.history()[0].header;
    header.time += 1;
    let id = federation.dealt.config.federation_id();
    let config = federation.dealt.config.clone();
    let secret = federation.dealt.guardians[0].session.clone();
    let mut signing = super::signing::Signing::new(0, &config, secret, 1_000).unwrap();
    let _ = signing.close(header, 0);
    let truth = federation.history()[0].clone();
    let error = signing.on_signature(1, &truth.header, &truth.signature).unwrap_err();
    assert!(matches!(&error, NodeError::Fork { session: 0, own, .. } if *own == header.hash(&id)), "{error}");
    assert!(error.to_string().starts_with("FORK"));
}

#[test]
fn foreign_keys_are_refused() {
    let federation = Federation::new(1, settings(), 11);
    let mut dealt = deal(4);
    let setup = NodeSetup {
        id: 0,
        config: Arc::new(dealt.config.clone()),
        keys: dealt.guardians.remove(1),
        settings: settings(),
        machine: Arc::new(TestMachine),
    };
    let hub = Hub::new(4, OutboxLimits::default());
    let result = start(setup, &federation.dir.path().join("other"), hub.connect(0).unwrap());
    assert!(matches!(result, Err(NodeError::ForeignKeys)));
}
