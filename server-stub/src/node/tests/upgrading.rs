//! Upgrades to newer rules.

use rekindle_protocol::session::Item;

use super::*;

const NEW_RULES: u32 = RULES_VERSION + 1;

/// What a guardian says that can't go on after a session.
fn stops_after(session: u64) -> String {
    NodeError::UpgradeRequired { version: NEW_RULES, session }.to_string()
}

#[test]
fn an_upgrade_stops_all_after_the_same_session() {
    let mut federation = Federation::new(4, settings(), 13);
    federation.submit(0, spend(0, 0));
    federation.run_until("signed", |federation| federation.all_signed(1));
    federation.signal(0, NEW_RULES);
    federation.signal(1, NEW_RULES);
    for _ in 0..2_000 {
        federation.step();
        federation.now += 1;
    }
    assert_eq!(federation.stopped, [], "two of four are not enough");
    // A signal outlives a restart.
    federation.stop(0);
    federation.start(0);
    federation.signal(3, NEW_RULES);
    federation.run_until("stopped", |federation| federation.stopped.len() == 4);
    let expected = stops_after(1);
    assert!(federation.stopped.iter().all(|(_, error)| *error == expected), "{:?}", federation.stopped);
    federation.stopped.clear();
    federation.start(0);
    federation.run_until("stopped", |federation| federation.stopped.len() == 1);
    assert_eq!(federation.stopped, [(0, expected)], "the old software does not go on");
    federation.settings.rules_version = NEW_RULES;
    (0..4).for_each(|id| federation.start(id));
    let txid = federation.submit(2, spend(1, 0));
    federation.run_until("accepted", |federation| federation.all_accepted(&[txid]));
    assert!(federation.history().len() >= 2);
}

#[test]
fn whoever_gets_the_deciding_session_as_history_learns_the_decision() {
    let mut federation = Federation::new(4, settings(), 17);
    federation.stop(3);
    (0..3).for_each(|id| federation.signal(id, NEW_RULES));
    federation.run_until("stopped", |federation| federation.stopped.len() == 3);
    federation.start(0);
    let deciding = federation.history().remove(0);
    assert_eq!(deciding.items, [Item::Upgrade { version: NEW_RULES }]);
    federation.stop(0);
    federation.stopped.clear();
    // Nobody is there to tell it.
    federation.start(3);
    federation.adopt(3, deciding.to_bytes()).unwrap();
    let more = federation.adopt(3, deciding.to_bytes());
    assert_eq!(more, Ok(()), "it is here already");
    federation.run_until("stopped", |federation| !federation.stopped.is_empty());
    assert_eq!(federation.stopped, [(3, stops_after(0))]);
}

#[test]
fn newer_software_follows_the_old_rules_until_the_federation_decides() {
    let mut federation = Federation::new(4, settings(), 19);
    federation.settings.rules_version = NEW_RULES;
    for id in 1..4 {
        federation.stop(id);
        federation.start(id);
    }
    federation.submit(3, spend(0, 0));
    federation.run_until("signed", |federation| federation.all_signed(1));
    (0..3).for_each(|id| federation.signal(id, NEW_RULES));
    let txid = federation.submit(2, spend(1, 0));
    federation.run_until("stopped", |federation| !federation.stopped.is_empty());
    federation.run_until("accepted", |federation| federation.all_accepted(&[txid]));
    assert_eq!(federation.stopped, [(0, stops_after(1))], "who knows the new rules goes on");
    federation.start(0);
    federation.run_until("signed", |federation| federation.all_signed(2) && federation.all_accepted(&[txid]));
    let upgrades = |session: &SignedSession| session.items.iter().any(|item| item.transaction().is_none());
    assert_eq!(federation.history().iter().position(upgrades), Some(1));
}
