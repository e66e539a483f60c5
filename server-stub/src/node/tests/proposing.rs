//! What machines propose.

use rekindle_protocol::api::RejectionReason;

use super::*;

fn freeze(federation: &mut Federation, id: GuardianId, tweak: Option<u8>) {
    let (done, mut answer) = oneshot::channel();
    let time = federation.time();
    let node = federation.nodes[usize::from(id)].as_mut().unwrap();
    let change = Box::new(move |txn: &redb::WriteTransaction| TestMachine::freeze(txn, tweak));
    node.core.step(vec![Request::Change { change, done }], time).unwrap();
    answer.try_recv().unwrap();
}

fn heard(federation: &Federation, id: GuardianId) -> Option<Vec<u8>> {
    let progress = federation.handle(0).progress();
    let proposal = progress.borrow().proposals.get(&id).cloned();
    proposal.filter(|proposal| !proposal.is_empty())
}

fn is_frozen(federation: &Federation, txid: &TxId) -> bool {
    matches!(
        federation.handle(0).transaction_status(txid).unwrap(),
        TransactionStatus::Rejected(rejection) if rejection.reason == RejectionReason::IssuerSuspended
    )
}

#[test]
fn a_proposal_starts_an_epoch_and_holds_in_every_session_until_it_is_taken_back() {
    let mut federation = Federation::new(4, settings(), 23);
    let (first, second) = (spend(0, 7), spend(1, 0));
    for id in 0..3 {
        freeze(&mut federation, id, Some(7));
    }
    // Nobody submits anything: the proposals alone are the reason for epochs.
    federation.run_until("heard", |it| (0..3).all(|id| heard(it, id) == Some(vec![7])));
    assert!(federation.everywhere(|handle| handle.session_count() == 0), "a proposal is no item");

    // All honest guardians want it, so nothing gets through, in this session and the next, and after a restart.
    let other = federation.submit(3, second);
    federation.run_until("signed", |it| it.all_accepted(&[other]) && it.all_signed(1));
    for id in [1, 2] {
        federation.stop(id);
        federation.start(id);
    }
    let txid = federation.submit(0, first.clone());
    federation.run_until("rejected", |it| is_frozen(it, &txid));

    (0..3).for_each(|id| freeze(&mut federation, id, None));
    federation.run_until("taken back", |it| (0..3).all(|id| heard(it, id).is_none()));
    federation.submit(0, first);
    federation.run_until("accepted", |it| it.all_accepted(&[txid]) && it.all_signed(2));
    assert_eq!(federation.history().len(), 2);
}

#[test]
fn a_proposal_ends_with_its_session() {
    let mut federation = Federation::new(4, settings(), 29);
    (0..2).for_each(|id| freeze(&mut federation, id, Some(7)));
    federation.run_until("heard", |it| (0..2).all(|id| heard(it, id).is_some()));
    let txid = federation.submit(0, spend(0, 7));
    federation.run_until("rejected", |it| is_frozen(it, &txid));
    federation.stop(1);
    for session in 1..=2 {
        let other = federation.submit(3, spend(session, 0));
        federation.run_until("signed", |it| it.all_accepted(&[other]) && it.all_signed(session.into()));
    }
    // Whoever gets those sessions signed can't know of what was proposed in them, so nobody goes by it.
    federation.submit(0, spend(0, 7));
    federation.run_until("accepted", |it| it.all_accepted(&[txid]));
}
