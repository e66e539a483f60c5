//! Numbers, generations and bounds, without a connection.

use super::*;

const PEER: GuardianId = 1;

fn links() -> Links {
    Links::new(0, 4, 77, 1, OutboxLimits::default())
}

fn message(number: u64) -> Bytes {
    Bytes::from(number.to_le_bytes().to_vec())
}

fn numbers(frames: Vec<Frame>) -> Vec<u64> {
    frames
        .into_iter()
        .filter_map(|frame| match frame {
            Frame::Message { number, .. } => Some(number),
            _ => None,
        })
        .collect()
}

#[test]
fn nothing_flows_before_enough_peers_agree() {
    let mut links = Links::new(0, 7, 1, 2, OutboxLimits::default());
    links.send(1, None, message(0));
    for peer in [1, 2] {
        let (generation, _) = links.begin(peer).unwrap();
        assert!(links.greet(peer, generation, 5, None));
        links.receive(peer, generation, 0, message(9)).unwrap();
        assert_eq!(links.is_open(), peer == 2);
        assert_eq!(links.take(peer).is_some(), peer == 2);
    }
    assert_eq!(numbers(links.outgoing(1, 1)), [0]);
    assert_eq!(links.take(1), Some((0, message(9))));
}

#[test]
fn a_peer_that_kept_its_memory_gets_nothing_twice_and_one_that_did_not_gets_all() {
    let mut links = links();
    for number in 0..5 {
        links.send(PEER, Some(number), message(number));
    }
    let (first, _) = links.begin(PEER).unwrap();
    links.greet(PEER, first, 5, None);
    assert_eq!(numbers(links.outgoing(PEER, first)), [0, 1, 2, 3, 4]);
    links.acknowledged(PEER, first, 1);
    let (second, _) = links.begin(PEER).unwrap();
    assert!(!links.greet(PEER, first, 5, None), "the connection before is over");
    links.greet(PEER, second, 5, Some(Received { run: 77, next: 3 }));
    assert_eq!(numbers(links.outgoing(PEER, second)), [3, 4]);
    let (third, _) = links.begin(PEER).unwrap();
    links.greet(PEER, third, 6, None);
    assert_eq!(numbers(links.outgoing(PEER, third)), [2, 3, 4]);
    let (fourth, _) = links.begin(PEER).unwrap();
    links.greet(PEER, fourth, 6, Some(Received { run: 76, next: 4 }));
    assert_eq!(numbers(links.outgoing(PEER, fourth)), [2, 3, 4], "what it has is of an earlier run");
    assert_eq!(links.outgoing(PEER, third), []);
    assert_eq!(links.oldest_epoch(), Some(2));
}

#[test]
fn numbers_rise_over_the_runs_of_a_peer() {
    let mut links = links();
    let (first, received) = links.begin(PEER).unwrap();
    assert_eq!(received, None);
    links.greet(PEER, first, 5, None);
    for number in [0, 1, 4] {
        links.receive(PEER, first, number, message(number)).unwrap();
    }
    assert_eq!(links.receive(PEER, first, 4, message(4)), Err(Refused::Number));
    assert_eq!(links.receive(PEER, first, u64::MAX, message(4)), Err(Refused::Number));
    let (second, received) = links.begin(PEER).unwrap();
    assert_eq!(received, Some(Received { run: 5, next: 5 }));
    links.greet(PEER, second, 6, None);
    assert_eq!(links.receive(PEER, first, 5, message(5)), Err(Refused::Replaced));
    links.receive(PEER, second, 0, message(0)).unwrap();
    let taken: Vec<u64> = std::iter::from_fn(|| links.take(PEER)).map(|(number, _)| number).collect();
    assert_eq!(taken, [0, 1, 4, 5]);
    // What the node writes down of the run before needs no acknowledgement any more.
    links.write_down(PEER, 4);
    assert_eq!(links.outgoing(PEER, second), []);
    links.write_down(PEER, 5);
    assert_eq!(links.outgoing(PEER, second), [Frame::Acknowledge { last: 0 }]);
    assert_eq!(links.outgoing(PEER, second), []);
    let (third, _) = links.begin(PEER).unwrap();
    links.greet(PEER, third, 6, None);
    assert_eq!(links.outgoing(PEER, third), [Frame::Acknowledge { last: 0 }], "it may have been lost");
}

#[test]
fn the_inbox_is_bounded() {
    let mut links = links();
    let (generation, _) = links.begin(PEER).unwrap();
    links.greet(PEER, generation, 5, None);
    let mut number = 0;
    while links.has_room(PEER) {
        links.receive(PEER, generation, number, message(number)).unwrap();
        number += 1;
    }
    assert_eq!(number, INBOX_MESSAGES as u64);
    links.take(PEER).unwrap();
    assert!(links.has_room(PEER));
    while links.take(PEER).is_some() {}
    let large = Bytes::from(vec![0; MAX_PEER_MESSAGE_BYTES]);
    links.receive(PEER, generation, number, large).unwrap();
    assert!(!links.has_room(PEER));
}

#[test]
fn the_banned_and_the_unknown_have_no_link() {
    let mut links = links();
    let (generation, _) = links.begin(PEER).unwrap();
    links.greet(PEER, generation, 5, None);
    links.receive(PEER, generation, 0, message(0)).unwrap();
    links.send(PEER, Some(3), message(0));
    assert!(links.ban(PEER));
    assert!(!links.ban(PEER));
    assert_eq!(links.take(PEER), None);
    assert_eq!(links.oldest_epoch(), None);
    links.send(PEER, Some(3), message(0));
    assert_eq!(links.oldest_epoch(), None);
    assert!(links.begin(PEER).is_none());
    assert!(links.is_banned(PEER) && !links.is_current(PEER, generation));
    assert!(links.begin(0).is_none() && links.begin(4).is_none());
    assert!(!links.ban(0) && !links.ban(4));
}
