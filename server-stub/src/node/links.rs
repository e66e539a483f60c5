//! The engine's messages on their way to peers: none is sent to a peer that could not handle it yet.
//!
//! The engine handles messages of a few epochs ahead and no more, and a peer that was away needs none of those that
//! others have certified meanwhile (see [`crate::consensus`]). So a guardian keeps what it says in the epochs that
//! are not certified, learns from each peer which epoch it is in, and sends what the peer can handle. A receiver
//! therefore never has to leave a message waiting in front of others. A peer that is further hears everything, too:
//! while an epoch is not certified, its help may be needed in it.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::{
    consensus::{GuardianId, MAX_FUTURE_EPOCHS},
    network::PeerNetwork,
};

/// Most bytes kept for one peer. Only what is said in a few epochs is kept, so this is out of reach.
const MAX_BYTES: usize = 64 << 20;

/// What is kept for each peer.
pub(super) struct Links(Vec<Link>);

#[derive(Default)]
struct Link {
    /// The epoch that the peer is in, once it has said so.
    peer: Option<u64>,
    epochs: BTreeMap<u64, Kept>,
    bytes: usize,
}

#[derive(Default)]
struct Kept {
    messages: Vec<Bytes>,
    /// How many of them are sent.
    sent: usize,
}

impl Links {
    /// Links to `guardians` guardians, of whom nothing is known.
    pub fn new(guardians: u16) -> Self {
        Self((0..guardians).map(|_| Link::default()).collect())
    }

    /// Sends an encoded engine message when the peer can handle it.
    pub fn send<N: PeerNetwork>(&mut self, network: &mut N, to: GuardianId, epoch: u64, message: Bytes) {
        let Some(link) = self.0.get_mut(usize::from(to)) else { return };
        if link.bytes + message.len() > MAX_BYTES {
            return;
        }
        link.bytes += message.len();
        link.epochs.entry(epoch).or_default().messages.push(message);
        link.flush(network, to);
    }

    /// A peer says which epoch it is in. If that is before the one it was in, it has lost its memory and needs
    /// again what was sent to it.
    pub fn on_status<N: PeerNetwork>(&mut self, network: &mut N, peer: GuardianId, epoch: u64) {
        let Some(link) = self.0.get_mut(usize::from(peer)) else { return };
        if link.peer.is_some_and(|before| epoch < before) {
            link.epochs.values_mut().for_each(|kept| kept.sent = 0);
        }
        link.peer = Some(epoch);
        link.flush(network, peer);
    }

    /// A peer shows that it has reached `epoch`.
    pub fn on_progress<N: PeerNetwork>(&mut self, network: &mut N, peer: GuardianId, epoch: u64) {
        if self.0.get(usize::from(peer)).is_some_and(|link| link.peer.is_none_or(|before| before < epoch)) {
            self.on_status(network, peer, epoch);
        }
    }

    /// Forgets what was said in epochs before `epoch`.
    pub fn release(&mut self, epoch: u64) {
        self.0.iter_mut().for_each(|link| link.release(epoch));
    }
}

impl Link {
    fn release(&mut self, epoch: u64) {
        let rest = self.epochs.split_off(&epoch);
        for kept in std::mem::replace(&mut self.epochs, rest).into_values() {
            self.bytes -= kept.messages.iter().map(Bytes::len).sum::<usize>();
        }
    }

    fn flush<N: PeerNetwork>(&mut self, network: &mut N, to: GuardianId) {
        let Some(peer) = self.peer else { return };
        for (epoch, kept) in self.epochs.range_mut(..=peer.saturating_add(MAX_FUTURE_EPOCHS)) {
            for message in kept.messages.get(kept.sent..).unwrap_or_default() {
                network.send(to, Some(*epoch), message.clone());
            }
            kept.sent = kept.messages.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{Hub, HubEnd, OutboxLimits};

    struct Test {
        sender: HubEnd,
        receiver: HubEnd,
        links: Links,
    }

    impl Test {
        fn new() -> Self {
            let hub = Hub::new(4, OutboxLimits::default());
            let (sender, receiver) = (hub.connect(0).unwrap(), hub.connect(1).unwrap());
            let mut links = Links::new(4);
            let mut sender = sender;
            for epoch in 5..15 {
                links.send(&mut sender, 1, epoch, Bytes::from(vec![u8::try_from(epoch).unwrap()]));
            }
            Self { sender, receiver, links }
        }

        fn received(&mut self) -> Vec<u8> {
            std::iter::from_fn(|| self.receiver.next(0)).map(|(_, message)| message[0]).collect()
        }
    }

    #[test]
    fn a_peer_gets_what_it_can_handle() {
        let mut test = Test::new();
        assert_eq!(test.received(), [0; 0], "nothing is known of the peer yet");
        test.links.on_status(&mut test.sender, 1, 6);
        assert_eq!(test.received(), [5, 6, 7, 8, 9], "also of the epoch that it is done with");
        test.links.on_progress(&mut test.sender, 1, 7);
        test.links.on_progress(&mut test.sender, 1, 6);
        assert_eq!(test.received(), [10]);
        test.links.release(13);
        test.links.on_progress(&mut test.sender, 1, 11);
        assert_eq!(test.received(), [13, 14], "what is certified is not sent any more");
        test.links.send(&mut test.sender, 1, 13, Bytes::from_static(&[10]));
        assert_eq!(test.received(), [10]);
    }

    #[test]
    fn a_peer_that_lost_its_memory_gets_everything_again() {
        let mut test = Test::new();
        test.links.on_status(&mut test.sender, 1, 6);
        test.links.release(8);
        test.received();
        test.links.on_status(&mut test.sender, 1, 0);
        assert_eq!(test.received(), [0; 0]);
        test.links.on_progress(&mut test.sender, 1, 7);
        assert_eq!(test.received(), [8, 9, 10]);
    }
}
