//! Ordering, judging and closing.

use super::*;

#[test]
fn one_guardian_makes_a_federation() {
    let mut federation = Federation::new(1, settings(), 1);
    let accepted = federation.submit(0, spend(1, 0));
    let spent_again = federation.submit(0, spend(1, 1));
    federation.run_until("signed", |federation| federation.all_signed(1));
    let session = TransactionStatus::Accepted { session: 0 };
    assert_eq!(federation.handle(0).transaction_status(&accepted).unwrap(), session);
    let rejected = federation.handle(0).transaction_status(&spent_again).unwrap();
    assert!(matches!(rejected, TransactionStatus::Rejected(_)));
    assert_eq!(federation.history()[0].items.len(), 1);
}

#[test]
fn four_guardians_agree_on_one_of_two_spends() {
    let mut federation = Federation::new(4, settings(), 2);
    let one = federation.submit(0, spend(7, 0));
    let two = federation.submit(3, spend(7, 1));
    let other = federation.submit(1, spend(8, 0));
    // Submitted to two guardians, in history once.
    federation.submit(2, spend(8, 0));
    federation.run_until("signed", |federation| federation.all_signed(1));
    let history = federation.history();
    assert_eq!(history.iter().map(|session| session.items.len()).sum::<usize>(), 2);
    assert!(federation.all_accepted(&[other]));
    assert!(federation.all_accepted(&[one]) != federation.all_accepted(&[two]));
    let now = federation.now;
    assert!(history.iter().all(|session| (1_000_000..=now).contains(&session.header.time)));
}

#[test]
fn an_idle_federation_makes_no_epochs() {
    let mut federation = Federation::new(4, settings(), 3);
    federation.submit(0, spend(1, 0));
    federation.run_until("signed", |federation| federation.all_signed(1));
    for _ in 0..500 {
        federation.step();
    }
    let epoch = federation.handle(0).epoch();
    federation.now += 100_000;
    for _ in 0..500 {
        federation.step();
    }
    assert!(federation.everywhere(|handle| handle.epoch() == epoch && handle.session_count() == 1));
    assert!(federation.nodes.iter().flatten().all(|node| node.core.next_wakeup().is_none()));
}

#[test]
fn sessions_close_at_their_item_limit() {
    let settings =
        Settings { session_items: 5, session_time: Duration::from_secs(1_000_000), ..Settings::default() };
    let mut federation = Federation::new(4, settings, 4);
    let txids: Vec<_> = (0..12).map(|nonce| federation.submit(nonce as u16 % 4, spend(nonce, 0))).collect();
    federation.run_until("accepted", |federation| federation.all_accepted(&txids));
    federation.run_until("signed", |federation| federation.all_signed(1));
    assert!(federation.history().iter().all(|session| session.items.len() >= 5));
}

#[test]
fn what_a_contribution_has_no_room_for_comes_in_a_later_one() {
    let settings = Settings { contribution_bytes: 1_000, ..settings() };
    let mut federation = Federation::new(4, settings, 5);
    let txids: Vec<_> = (0..20).map(|nonce| federation.submit(0, spend(nonce, 0))).collect();
    federation.run_until("accepted", |federation| federation.all_accepted(&txids));
    assert!(federation.handle(0).epoch() >= 4);
}
