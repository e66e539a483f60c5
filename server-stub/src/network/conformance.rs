//! What every peer network promises, whatever carries the messages.

use std::time::Duration;

use bytes::Bytes;

use super::PeerNetwork;
use crate::consensus::GuardianId;

/// No link needs so long for anything.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A network of 4 guardians whose ends a test starts and stops.
pub trait Guardians {
    /// An end.
    type End: PeerNetwork;

    /// Starts a guardian; the end of its run before has been dropped.
    async fn start(&mut self, id: GuardianId) -> Self::End;

    /// The lowest epoch of a message of an end's guardian that its receiver has not acknowledged.
    fn oldest_epoch(end: &Self::End) -> Option<u64>;
}

/// Waits for the next message of a peer.
pub async fn next(end: &mut impl PeerNetwork, from: GuardianId) -> (u64, String) {
    let taken = async {
        loop {
            if let Some((number, bytes)) = end.next(from) {
                return (number, String::from_utf8(bytes.to_vec()).unwrap());
            }
            end.changed().await;
        }
    };
    tokio::time::timeout(PATIENCE, taken).await.expect("no message came")
}

/// Waits for a number of messages: their texts.
async fn texts(end: &mut impl PeerNetwork, from: GuardianId, count: usize) -> Vec<String> {
    let mut texts = Vec::new();
    let mut last = None;
    for _ in 0..count {
        let (number, text) = next(end, from).await;
        assert!(last < Some(number), "numbers rise");
        last = Some(number);
        texts.push(text);
    }
    texts
}

fn send(end: &mut impl PeerNetwork, to: GuardianId, epoch: u64, texts: &[&str]) {
    for text in texts {
        end.send(to, Some(epoch), Bytes::from((*text).to_owned()));
    }
}

/// Waits until all messages of a guardian up to an epoch are acknowledged.
async fn acknowledged<G: Guardians>(end: &G::End, epoch: u64) {
    let done = async {
        while G::oldest_epoch(end).is_some_and(|oldest| oldest <= epoch) {
            // Acknowledgements wake nobody: a node looks when it needs to know.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, done).await.expect("no acknowledgement came");
}

/// Messages arrive in order, once, on every link.
pub async fn delivers_in_order<G: Guardians>(mut guardians: G) {
    let mut ends = Vec::new();
    for id in 0..4 {
        ends.push(guardians.start(id).await);
    }
    for (from, end) in (0..).zip(&mut ends) {
        for to in 0..4 {
            let texts: Vec<String> = (0..50).map(|number| format!("{from} to {to}, {number}")).collect();
            send(end, to, 1, &texts.iter().map(String::as_str).collect::<Vec<_>>());
        }
        send(end, 9, 0, &["to nobody"]);
    }
    for (to, end) in (0..).zip(&mut ends) {
        for from in (0..4).filter(|from| *from != to) {
            let expected: Vec<String> = (0..50).map(|number| format!("{from} to {to}, {number}")).collect();
            assert_eq!(texts(end, from, 50).await, expected);
            assert_eq!(end.next(from), None);
        }
        assert_eq!(end.next(to), None, "nobody sends to itself");
        assert_eq!(end.next(9), None);
    }
    for (to, end) in (0..).zip(&mut ends) {
        for from in (0..4).filter(|from| *from != to) {
            end.acknowledge(from, 49);
        }
    }
    for end in &mut ends {
        acknowledged::<G>(end, 1).await;
    }
}

/// A receiver that restarts gets again, in order, what it has not acknowledged, and what was sent while it was away.
pub async fn keeps_what_is_not_acknowledged<G: Guardians>(mut guardians: G) {
    let mut sender = guardians.start(0).await;
    let mut others = [guardians.start(2).await, guardians.start(3).await];
    let mut receiver = guardians.start(1).await;
    send(&mut sender, 1, 0, &["a"]);
    send(&mut sender, 1, 1, &["b", "c"]);
    let (first, _) = next(&mut receiver, 0).await;
    assert_eq!(texts(&mut receiver, 0, 2).await, ["b", "c"]);
    receiver.acknowledge(0, first);
    acknowledged::<G>(&sender, 0).await;
    drop(receiver);
    send(&mut sender, 1, 2, &["d"]);
    let mut receiver = guardians.start(1).await;
    assert_eq!(texts(&mut receiver, 0, 2).await, ["b", "c"]);
    assert_eq!(G::oldest_epoch(&sender), Some(1));
    let (last, text) = next(&mut receiver, 0).await;
    assert_eq!(text, "d");
    receiver.acknowledge(0, last);
    acknowledged::<G>(&sender, 2).await;
    send(&mut sender, 1, 3, &["e"]);
    assert_eq!(next(&mut receiver, 0).await.1, "e");
    // Others were not touched by any of it.
    for (end, id) in others.iter_mut().zip([2, 3]) {
        send(&mut sender, id, 4, &["to you"]);
        assert_eq!(next(end, 0).await.1, "to you");
    }
}

/// A sender that restarts is heard under new numbers; acknowledgements of its run before touch nothing of this one.
pub async fn hears_a_sender_again<G: Guardians>(mut guardians: G) {
    let mut sender = guardians.start(0).await;
    let mut receiver = guardians.start(1).await;
    let _others = [guardians.start(2).await, guardians.start(3).await];
    send(&mut sender, 1, 1, &["a", "b", "c"]);
    let (first, _) = next(&mut receiver, 0).await;
    let (second, _) = next(&mut receiver, 0).await;
    let (third, _) = next(&mut receiver, 0).await;
    assert!(first < second && second < third);
    drop(sender);
    let mut sender = guardians.start(0).await;
    send(&mut sender, 1, 5, &["d", "e"]);
    let (fourth, text) = next(&mut receiver, 0).await;
    assert_eq!(text, "d");
    assert!(third < fourth, "numbers rise over runs of the sender");
    receiver.acknowledge(0, third);
    let (fifth, text) = next(&mut receiver, 0).await;
    assert_eq!((text.as_str(), G::oldest_epoch(&sender)), ("e", Some(5)));
    receiver.acknowledge(0, fifth);
    acknowledged::<G>(&sender, 5).await;
}

/// What was released is not sent to a receiver that lacks it; what belongs to no epoch is.
pub async fn releases_old_epochs<G: Guardians>(mut guardians: G) {
    let mut sender = guardians.start(0).await;
    let _others = [guardians.start(2).await, guardians.start(3).await];
    send(&mut sender, 1, 3, &["old"]);
    sender.send(1, None, Bytes::from_static(b"timeless"));
    send(&mut sender, 1, 5, &["new"]);
    sender.release(5);
    assert_eq!(G::oldest_epoch(&sender), Some(5));
    let mut receiver = guardians.start(1).await;
    assert_eq!(texts(&mut receiver, 0, 2).await, ["timeless", "new"]);
}

/// A banned peer is neither heard nor sent to until this guardian restarts; others go on.
pub async fn bans_until_restart<G: Guardians>(mut guardians: G) {
    let mut end = guardians.start(0).await;
    let mut bad = guardians.start(1).await;
    let mut good = guardians.start(2).await;
    let _other = guardians.start(3).await;
    send(&mut bad, 0, 0, &["x"]);
    assert_eq!(next(&mut end, 1).await.1, "x");
    send(&mut end, 1, 7, &["unread"]);
    end.ban(1, "garbage", &Bytes::from_static(b"garbage"));
    end.ban(1, "garbage", &Bytes::from_static(b"more garbage"));
    assert_eq!(G::oldest_epoch(&end), None, "nothing is kept for it");
    send(&mut end, 1, 7, &["never"]);
    assert_eq!(G::oldest_epoch(&end), None);
    send(&mut bad, 0, 0, &["y"]);
    send(&mut good, 0, 0, &["z"]);
    assert_eq!(next(&mut end, 2).await.1, "z");
    assert_eq!(end.next(1), None);
    drop(end);
    let mut end = guardians.start(0).await;
    assert_eq!(texts(&mut end, 1, 2).await, ["x", "y"], "the ban was in memory");
}

/// Runs the suite.
macro_rules! conforms {
    ($make:expr) => {
        conforms!($make; delivers_in_order, keeps_what_is_not_acknowledged, hears_a_sender_again,
            releases_old_epochs, bans_until_restart);
    };
    ($make:expr; $($test:ident),*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                $crate::network::conformance::$test($make).await;
            }
        )*
    };
}
pub(super) use conforms;
