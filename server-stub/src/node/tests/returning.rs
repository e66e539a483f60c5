//! Coming back after a stop, a loss or an upgrade.

use rekindle_protocol::bytes::SchnorrSignature;

use super::*;
use crate::consensus::{Batch, CertifiedBatch};

fn epoch(federation: &Federation, id: GuardianId) -> u64 {
    federation.handle(id).progress().borrow().epoch
}

#[test]
fn a_stopped_guardian_holds_up_nobody_and_catches_up() {
    let mut federation = Federation::new(4, settings(), 6);
    federation.stop(2);
    for round in 0..3 {
        let txid = federation.submit(0, spend(round, 0));
        federation.run_until("accepted", |federation| federation.all_accepted(&[txid]));
        federation.run_until("signed", |federation| federation.all_signed(u64::from(round) + 1));
    }
    federation.start(2);
    federation.run_until("caught up", |federation| federation.all_signed(3));
    assert_eq!(federation.history().len(), 3);
    let last = federation.submit(2, spend(50, 0));
    federation.run_until("accepted", |federation| federation.all_accepted(&[last]));
}

#[test]
fn a_guardian_with_an_empty_database_comes_back() {
    let mut federation = Federation::new(4, settings(), 12);
    let mut txids = Vec::new();
    for round in 0..6 {
        txids.push(federation.submit(0, spend(round, 0)));
        federation.run_until("signed", |federation| federation.all_signed(u64::from(round) + 1));
    }
    federation.stop(2);
    std::fs::remove_file(federation.path(2)).unwrap();
    federation.start(2);
    federation.run_until("caught up", |federation| federation.all_signed(6));
    assert!(federation.all_accepted(&txids), "what was accepted is known again");
    assert_eq!(federation.history().len(), 6);
    // It takes part again: one more guardian may be away now.
    federation.stop(3);
    let last = federation.submit(2, spend(50, 0));
    federation.run_until("accepted", |federation| federation.all_accepted(&[last]));
}

#[test]
fn who_serves_a_forged_broken_or_truncated_history_is_named_and_others_are_asked() {
    let mut federation = Federation::new(4, settings(), 16);
    for round in 0..4 {
        federation.submit(0, spend(round, 0));
        federation.run_until("signed", |federation| federation.all_signed(u64::from(round) + 1));
    }
    let history: Vec<Vec<u8>> = federation.history().iter().map(Canonical::to_bytes).collect();
    let lie = |change: &dyn Fn(&mut Vec<Vec<u8>>)| {
        let mut changed = history.clone();
        change(&mut changed);
        changed
    };
    let forged = |session: &[u8]| {
        SignedSession { items: vec![], ..SignedSession::from_bytes(session).unwrap() }.to_bytes()
    };
    let lies = [
        (lie(&|sessions| sessions[1] = forged(&sessions[1])), "the items of session 1"),
        (lie(&|sessions| sessions.swap(1, 2)), "session 2 was served where session 1 belongs"),
        (lie(&|sessions| _ = sessions[3].pop()), "not a canonical encoding"),
        (lie(&|sessions| sessions.clear()), "0 sessions were served"),
        (lie(&|sessions| sessions[3][150] ^= 1), "the signature of session 3"),
    ];
    for (sessions, why) in lies {
        (0..4).for_each(|id| federation.stop(id));
        std::fs::remove_file(federation.path(2)).unwrap();
        let mut liar = federation.hub.connect(1).unwrap();
        federation.start(2);
        let status = PeerStatus { epoch: 1_000, signed: 4 };
        let send = |liar: &mut HubEnd, message| liar.send(2, None, PeerMessage::CatchUp(message).encode());
        send(&mut liar, CatchUpMessage::Status { status, ask: false });
        for _ in 0..5_000 {
            federation.step();
            federation.now += 1;
            while let Some((number, message)) = liar.next(2) {
                liar.acknowledge(2, number);
                if let Some(PeerMessage::CatchUp(CatchUpMessage::HistoryRequest { from, .. })) =
                    PeerMessage::decode(&message)
                {
                    send(&mut liar, CatchUpMessage::History { from, sessions: sessions.clone() });
                }
            }
        }
        let accused = federation.handle(2).progress().borrow().accused.clone();
        assert!(accused.keys().eq([&1]) && accused[&1].contains(why), "{accused:?}, not {why}");
        assert_eq!(federation.handle(2).signed_count(), 0, "nothing of it is believed");
        drop(liar);
        [0, 1, 3].into_iter().for_each(|id| federation.start(id));
        federation.run_until("caught up", |federation| federation.all_signed(4));
        federation.history();
    }
}

#[test]
fn who_serves_a_batch_with_false_signatures_is_named_and_not_asked_again() {
    let mut federation = Federation::new(4, settings(), 18);
    (0..4).for_each(|id| federation.stop(id));
    let mut liar = federation.hub.connect(1).unwrap();
    federation.start(2);
    let send = |liar: &mut HubEnd, message| liar.send(2, None, PeerMessage::CatchUp(message).encode());
    let status = PeerStatus { epoch: 1_000, signed: 0 };
    send(&mut liar, CatchUpMessage::Status { status, ask: false });
    let mut asked = 0;
    for _ in 0..20_000 {
        federation.step();
        federation.now += 1;
        while let Some((number, message)) = liar.next(2) {
            liar.acknowledge(2, number);
            if let Some(PeerMessage::CatchUp(CatchUpMessage::BatchRequest { from })) =
                PeerMessage::decode(&message)
            {
                asked += 1;
                let batch = Batch { epoch: from, contributions: [(0, vec![1])].into() };
                let signatures = [0, 1, 3].map(|id| (id, SchnorrSignature([9; 64]))).to_vec();
                send(&mut liar, CatchUpMessage::Batches(vec![CertifiedBatch { batch, signatures }]));
            }
        }
    }
    let accused = federation.handle(2).progress().borrow().accused.clone();
    assert!(accused.keys().eq([&1]), "{accused:?}");
    assert_eq!(asked, 1, "there was nobody else to ask");
    assert_eq!(epoch(&federation, 2), 0, "nothing of it is believed");
}

#[test]
fn an_operator_hands_a_guardian_what_its_peers_do_not() {
    let mut federation = Federation::new(4, settings(), 14);
    federation.stop(2);
    let mut txids = Vec::new();
    for round in 0..3 {
        txids.push(federation.submit(0, spend(round, 0)));
        federation.run_until("signed", |federation| federation.all_signed(u64::from(round) + 1));
    }
    let history: Vec<Vec<u8>> = federation.history().iter().map(Canonical::to_bytes).collect();
    [0, 1, 3].into_iter().for_each(|id| federation.stop(id));
    federation.start(2);

    assert_eq!(federation.adopt(2, history[1].clone()), Err(AdoptError::NotNext { expected: 0, got: 1 }));
    let forged = SignedSession { items: vec![], ..SignedSession::from_bytes(&history[0]).unwrap() };
    let mut cut = history[0].clone();
    cut.pop();
    for wrong in [forged.to_bytes(), cut, vec![]] {
        assert!(matches!(federation.adopt(2, wrong), Err(AdoptError::Invalid(_))));
    }
    for session in [0, 0, 1, 2, 1] {
        federation.adopt(2, history[session].clone()).unwrap();
    }
    assert!(federation.all_signed(3) && federation.all_accepted(&txids));
    [0, 1, 3].into_iter().for_each(|id| federation.start(id));
    let last = federation.submit(2, spend(50, 0));
    federation.run_until("accepted", |federation| federation.all_accepted(&[last]));
    federation.run_until("signed", |federation| federation.all_signed(4));
    federation.history();
}

#[test]
fn restarts_of_any_or_all_guardians_continue_one_history() {
    for seed in 0..2 {
        let mut federation = Federation::new(4, settings(), seed);
        let mut txids = Vec::new();
        for nonce in 0..30 {
            let submitted_to = federation.rng.gen_range(0..4);
            txids.push(federation.submit(submitted_to, spend(nonce, 0)));
            for _ in 0..federation.rng.gen_range(0..40) {
                federation.step();
                federation.now += 5;
            }
            // Sometimes one, sometimes several, sometimes all stop in the middle of whatever they were doing.
            let victims: Vec<GuardianId> = match federation.rng.gen_range(0..4) {
                0 => vec![],
                1 => vec![federation.rng.gen_range(0..4)],
                2 => (0..4).filter(|_| federation.rng.gen_ratio(1, 2)).collect(),
                _ => (0..4).collect(),
            };
            victims.iter().for_each(|id| federation.stop(*id));
            victims.iter().for_each(|id| federation.start(*id));
        }
        federation.run_until("accepted", |federation| federation.all_accepted(&txids));
        let sessions = federation.handle(0).session_count();
        federation.run_until("signed", |federation| federation.all_signed(sessions));
        let items: Vec<_> = federation.history().into_iter().flat_map(|session| session.items).collect();
        assert!(items.len() <= txids.len(), "a transaction is in history once");
    }
}

#[test]
fn two_lost_guardians_stop_progress_and_their_return_resumes_it() {
    let mut federation = Federation::new(4, settings(), 7);
    let first = federation.submit(0, spend(0, 0));
    federation.run_until("accepted", |federation| federation.all_accepted(&[first]));
    federation.stop(1);
    federation.stop(2);
    let second = federation.submit(0, spend(1, 0));
    for _ in 0..2_000 {
        federation.step();
        federation.now += 1;
    }
    assert!(!federation.all_accepted(&[second]), "n - f guardians are needed");
    federation.start(1);
    federation.start(2);
    federation.run_until("accepted", |federation| federation.all_accepted(&[second]));
}

#[test]
fn the_epochs_of_an_unsigned_session_come_by_certificate() {
    // No session closes by itself.
    let settings = Settings { session_time: Duration::from_secs(1_000), ..settings() };
    let mut federation = Federation::new(4, settings, 17);
    federation.stop(3);
    let mut txids = Vec::new();
    for nonce in 0..8 {
        txids.push(federation.submit(0, spend(nonce, 0)));
        federation.run_until("accepted", |federation| federation.all_accepted(&txids));
    }
    // The others need nobody any more for the epochs that guardian 3 missed, and have let go of their messages, when
    // one of them falls silent: without guardian 3 nothing goes on, and no session will ever be signed.
    assert!((0..3).all(|id| epoch(&federation, id) >= 8));
    federation.stop(2);
    federation.start(3);
    assert_eq!(epoch(&federation, 3), 0);
    txids.push(federation.submit(0, spend(50, 0)));
    federation.run_until("accepted", |federation| federation.all_accepted(&txids));
    assert_eq!(federation.handle(3).signed_count(), 0);
}

#[test]
fn two_ahead_and_two_behind_heal_after_crashes_though_one_falls_silent() {
    let settings = Settings { session_time: Duration::from_secs(1_000), ..settings() };
    let mut moments = 0;
    for seed in 0..12 {
        let mut federation = Federation::new(4, settings, seed);
        let silent = u16::try_from(seed % 4).unwrap();
        let uneven = |federation: &Federation| {
            let mut epochs = [0, 1, 2, 3].map(|id| epoch(federation, id));
            epochs.sort_unstable();
            epochs[0] == epochs[1] && epochs[1] < epochs[2] && epochs[2] == epochs[3]
        };
        let (mut nonces, mut promised) = (0.., Vec::new());
        for _ in 0..3_000 {
            if federation.rng.gen_ratio(1, 20) {
                let to = federation.rng.gen_range(0..4);
                let txid = federation.submit(to, spend(nonces.next().unwrap(), 0));
                promised.extend((to != silent).then_some(txid));
            }
            federation.step();
            federation.now += 1;
            if epoch(&federation, 0) > 2 && uneven(&federation) {
                moments += 1;
                break;
            }
        }
        (0..4).for_each(|id| federation.stop(id));
        (0..4).filter(|id| *id != silent).for_each(|id| federation.start(id));
        promised.push(federation.submit((silent + 1) % 4, spend(nonces.next().unwrap(), 0)));
        federation.run_until("accepted", |federation| federation.all_accepted(&promised));
    }
    assert!(moments >= 8, "epochs were two and two {moments} times");
}
