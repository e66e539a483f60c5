use rand_07::SeedableRng;
use rekindle_protocol::{
    bls::{KeySet, PublicKey, SecretShare},
    bytes::{FederationId, G2Bytes},
    encoding::Canonical,
    session::{HashedItems, HashedSession, Item, SignedSession},
};

use super::*;
use crate::{
    consensus::FaultKind,
    db::{self, Db},
    forge::Chain,
    node::{
        NodeError,
        machine::StateMachine,
        settings::FIRST_RULES,
        state::NodeState,
        testing::{TestMachine, spend},
    },
};

const FEDERATION: FederationId = FederationId([7; 32]);

/// Sessions of one transaction each, signed by a federation of one.
fn history(sessions: u32) -> (PublicKey, SecretShare, Vec<Vec<u8>>) {
    let (keys, mut secrets) = KeySet::deal(0, 1, &mut rand_07::rngs::StdRng::seed_from_u64(1));
    let secret = secrets.remove(0);
    let mut chain = Chain::new(FEDERATION);
    for number in 0..sessions {
        chain.append(vec![Item::Transaction(spend(number, 0))]);
    }
    let signed = chain.sign(&secret).into_iter().map(|session| session.session).collect();
    (keys.public_key().unwrap(), secret, signed)
}

fn reason(result: Result<Vec<VerifiedSession>, FaultKind>) -> String {
    match result.map(|sessions| sessions.len()) {
        Err(FaultKind::WrongHistory { session: 2, reason }) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn true_history_is_read_and_any_change_is_refused() {
    let (key, _, sessions) = history(6);
    let read = |sessions: Vec<Vec<u8>>| read_history(&FEDERATION, &key, 2, 4, sessions);
    assert_eq!(read(sessions[2..6].to_vec()).unwrap().len(), 4);
    assert_eq!(read(sessions[2..4].to_vec()).unwrap().len(), 2, "fewer than asked for is no lie");
    assert!(reason(read(vec![])).contains("0 sessions"));
    assert!(reason(read(sessions[1..6].to_vec())).contains("5 sessions"));
    assert!(reason(read(sessions[1..4].to_vec())).contains("session 1 was served"));
    assert!(reason(read(vec![sessions[2].clone(), sessions[4].clone()])).contains("where session 3 belongs"));
    for victim in 2..5 {
        for at in 0..sessions[victim].len() {
            let mut changed = sessions[2..5].to_vec();
            changed[victim - 2][at] ^= 1;
            // Signatures within a piece do not count, and are stored as they come only after the last one is checked.
            let signature = 120..216;
            assert_eq!(read(changed).is_ok(), victim < 4 && signature.contains(&at), "byte {at} of {victim}");
        }
    }
}

#[test]
fn a_chain_signed_by_others_is_refused() {
    let (key, secret, sessions) = history(4);
    let last = SignedSession::from_bytes(&sessions[3]).unwrap();
    // The forger holds a key of its own and copies everything else.
    let (_, forger) = KeySet::deal(0, 1, &mut rand_07::rngs::StdRng::seed_from_u64(2));
    let forged =
        SignedSession { signature: forger[0].sign(&last.header.message(&FEDERATION)), ..last.clone() };
    let served = vec![sessions[2].clone(), forged.to_bytes()];
    assert!(reason(read_history(&FEDERATION, &key, 2, 4, served)).contains("not the federation's"));
    let signed = SignedSession { signature: secret.sign(&last.header.message(&FEDERATION)), ..last };
    assert!(read_history(&FEDERATION, &key, 2, 4, vec![sessions[2].clone(), signed.to_bytes()]).is_ok());
}

/// What becomes of a guardian that accepted `before` in its open session and replays a signed one of `items`.
fn replayed(
    before: Vec<Item>,
    items: Vec<Item>,
    change: impl Fn(&mut SignedSession),
) -> Result<Replayed, NodeError> {
    let dir = tempfile::tempdir().unwrap();
    let db = Db::open(&dir.path().join("db"), &FEDERATION, 0).unwrap();
    let txn = db.write().unwrap();
    TestMachine.create_tables(&txn).unwrap();
    for transaction in before.iter().filter_map(Item::transaction) {
        TestMachine.apply(&txn, 0, &crate::node::Proposals::new(), transaction).unwrap().unwrap();
        db::record_accepted(&txn, &transaction.id(), 0).unwrap();
    }
    db::append_items(&txn, 0, &before).unwrap();
    let state = NodeState { next_epoch: 1, ..NodeState::genesis(4) };
    let header = HashedItems::new(items.clone()).header(&FEDERATION, None, 3, 5);
    let mut signed = SignedSession { header, signature: G2Bytes([0; 96]), items };
    change(&mut signed);
    let bytes = signed.to_bytes();
    let session = HashedSession::from_bytes(&bytes).unwrap();
    let replayed = replay(
        &txn,
        &FEDERATION,
        &TestMachine,
        &state,
        FIRST_RULES,
        vec![VerifiedSession { session, bytes }],
    )?;
    assert!(db::take_open_items(&txn).unwrap().is_empty());
    Ok(replayed)
}

fn items(nonces: &[u32]) -> Vec<Item> {
    nonces.iter().map(|nonce| Item::Transaction(spend(*nonce, 0))).collect()
}

#[test]
fn replaying_goes_on_where_the_guardian_was() {
    let after = replayed(items(&[1]), items(&[1, 2]), |_| {}).unwrap();
    assert_eq!(after.accepted.len(), 2);
    assert_eq!((after.state.next_epoch, after.state.open.index, after.state.open.first_epoch), (4, 1, 4));
    assert_eq!(after.state.previous.map(|header| header.index), Some(0));
}

#[test]
fn history_tells_of_upgrades() {
    let upgrade = |version| Item::Upgrade { version };
    let decides = |version| [items(&[1]), vec![upgrade(version)]].concat();
    let after = replayed(items(&[1]), decides(FIRST_RULES + 2), |_| {}).unwrap();
    assert_eq!(after.state.rules(), FIRST_RULES + 2);
    assert_eq!(after.state.outgrown(FIRST_RULES + 2), None);
    assert_eq!(after.state.outgrown(FIRST_RULES + 1).map(|upgrade| upgrade.session), Some(0));
    let not_newer = replayed(vec![], decides(FIRST_RULES), |_| {});
    let not_last = replayed(vec![], [vec![upgrade(FIRST_RULES + 1)], items(&[1])].concat(), |_| {});
    for refused in [not_newer, not_last] {
        assert!(matches!(refused.map(|_| ()), Err(NodeError::Diverged { session: 0, .. })));
    }
}

#[test]
fn another_history_is_a_fork() {
    let diverges = |result: Result<Replayed, NodeError>, why: &str| match result.map(|_| ()) {
        Err(error @ NodeError::Diverged { session: 0, .. }) => {
            assert!(error.to_string().starts_with("FORK") && error.to_string().contains(why), "{error}");
        }
        other => panic!("{other:?}"),
    };
    diverges(replayed(items(&[1]), items(&[2, 1]), |_| {}), "other items");
    diverges(replayed(items(&[1]), items(&[1, 1]), |_| {}), "earlier session");
    let spent_again = vec![Item::Transaction(spend(1, 0)), Item::Transaction(spend(1, 1))];
    diverges(replayed(vec![], spent_again, |_| {}), "not valid here");
    let too_short = |signed: &mut SignedSession| {
        signed.header = HashedItems::new(signed.items.clone()).header(&FEDERATION, None, 0, 5);
    };
    assert!(replayed(vec![], items(&[1]), too_short).is_ok(), "it ends where this guardian is");
    let other = replayed(vec![], items(&[1]), |signed| signed.header.recovery.0[0] ^= 1);
    assert!(matches!(other.map(|_| ()), Err(NodeError::Fork { session: 0, .. })));
}

fn position(epoch: u64, session: u64) -> Position {
    Position { epoch, session, waiting: false }
}

fn status(epoch: u64, signed: u64) -> PeerStatus {
    PeerStatus { epoch, signed }
}

fn tick(catch_up: &mut CatchUp, own: Position, now: u64) -> Vec<Question> {
    catch_up.tick(own, status(own.epoch, own.session), now)
}

fn asked(questions: &[Question]) -> Vec<GuardianId> {
    questions.iter().filter_map(|(to, _)| *to).collect()
}

#[test]
fn batches_are_asked_for_by_turns_after_some_patience() {
    let mut catch_up = CatchUp::new(4, 1, 100);
    let own = position(5, 0);
    assert!(tick(&mut catch_up, own, 0).is_empty());
    assert_eq!(catch_up.next_tick(own), None);
    catch_up.on_status(1, status(6, 0), 10);
    catch_up.on_progress(2, 6);
    assert!(tick(&mut catch_up, own, 10).is_empty(), "a peer may be a little faster");
    assert_eq!(catch_up.next_tick(own), Some(110));
    let first = tick(&mut catch_up, own, 110);
    assert!(matches!(first[0], (Some(_), CatchUpMessage::BatchRequest { from: 5 })));
    assert!(tick(&mut catch_up, own, 150).is_empty());
    assert_eq!(catch_up.next_tick(own), Some(210));
    let second = tick(&mut catch_up, own, 210);
    assert_ne!(asked(&first), asked(&second), "who does not answer is left alone");
    assert!(!catch_up.on_answer(asked(&first)[0]));
    assert!(catch_up.on_answer(asked(&second)[0]));
    // One epoch on it is as far as they are.
    assert!(tick(&mut catch_up, position(6, 0), 220).is_empty());
    assert_eq!(catch_up.next_tick(position(6, 0)), None);
}

#[test]
fn whoever_is_far_behind_asks_at_once_and_one_liar_makes_nobody() {
    let mut catch_up = CatchUp::new(4, 1, 100);
    let own = position(5, 0);
    catch_up.on_progress(3, u64::MAX);
    assert!(tick(&mut catch_up, own, 0).is_empty());
    catch_up.on_progress(2, 9);
    assert_eq!(tick(&mut catch_up, own, 1).len(), 1);
}

#[test]
fn history_comes_in_pieces_from_all_who_have_it() {
    let mut catch_up = CatchUp::new(4, 1, 100);
    let own = position(0, 0);
    for (peer, signed) in [(1, 5_000), (2, 300), (3, 5_000)] {
        catch_up.on_status(peer, status(20_000, signed), 0);
    }
    let questions = tick(&mut catch_up, own, 0);
    let mut pieces: Vec<(u64, u64, GuardianId)> = questions
        .iter()
        .filter_map(|(to, message)| match message {
            CatchUpMessage::HistoryRequest { from, count } => Some((*from, *count, (*to)?)),
            _ => None,
        })
        .collect();
    pieces.sort_unstable();
    let mut next = 0;
    for (from, count, _) in &pieces {
        assert_eq!(*from, next);
        next += count;
    }
    assert!(pieces.len() >= 5, "{pieces:?}");
    assert!([1, 2, 3].iter().all(|peer| pieces.iter().filter(|piece| piece.2 == *peer).count() <= 2));
    assert!(pieces.iter().all(|(from, count, peer)| *peer != 2 || from + count <= 300));
    assert!(tick(&mut catch_up, own, 1).is_empty());

    // Who is silent is not asked again for a while, who lies never.
    let (from, _, liar) = pieces[0];
    assert!(catch_up.download.take_request(liar, from).is_some());
    assert!(catch_up.download.take_request(liar, from).is_none());
    catch_up.refuse(liar);
    let again = tick(&mut catch_up, own, 2);
    assert!(!asked(&again).contains(&liar));
    assert!(matches!(again[0], (_, CatchUpMessage::HistoryRequest { from: 0, .. })), "{again:?}");
    assert!(tick(&mut catch_up, own, 400).is_empty(), "nobody is left to ask");
    assert!(catch_up.next_tick(own).unwrap() > 400);
}

#[test]
fn a_long_epoch_makes_a_guardian_ask_less_and_less_often() {
    let mut catch_up = CatchUp::new(4, 1, 100);
    let own = Position { waiting: true, ..position(5, 0) };
    let asks: Vec<u64> = (0..200_000).filter(|now| !tick(&mut catch_up, own, *now).is_empty()).collect();
    assert_eq!(asks[..4], [100, 300, 700, 1_500]);
    assert!(asks.windows(2).all(|pair| pair[1] - pair[0] <= MAX_WAIT));
    assert!(tick(&mut catch_up, Position { epoch: 6, ..own }, 200_001).is_empty());
    assert_eq!(catch_up.next_tick(Position { epoch: 6, ..own }), Some(200_101));
}
