//! What honest guardians have said, over all their lives.

use std::collections::{BTreeMap, btree_map::Entry};

use bytes::Bytes;

use super::net::BodyId;
use crate::node::message::PeerMessage;

/// What of an engine message says what it is about: epoch (8 bytes), 0 (4), proposer (2), 0 for the broadcast of the
/// proposal (4) and the kind (4); or 1 for the agreement on it (4), round (8) and kind (4), and for the kind 0 once more
/// 0 for `BVal` and 1 for `Aux` (4).
fn subject(message: &[u8]) -> Option<&[u8]> {
    const BROADCAST: [u8; 4] = 0u32.to_le_bytes();
    const CAN_DECODE: [u8; 4] = 3u32.to_le_bytes();
    const VALUES: [u8; 4] = 0u32.to_le_bytes();
    const BVAL: [u8; 4] = 0u32.to_le_bytes();
    let len = match message.get(14..18)? {
        // It may be said of every proposal that a faulty guardian makes for one epoch.
        kind if kind == BROADCAST && message.get(18..22)? == CAN_DECODE => return None,
        kind if kind == BROADCAST => 22,
        _ if message.get(26..30)? != VALUES => 30,
        // Both values may be said.
        _ if message.get(30..34)? == BVAL => return None,
        _ => 34,
    };
    message.get(..len)
}

/// For each subject the hash of what one body has said to another.
#[derive(Default)]
pub struct Said(BTreeMap<(BodyId, BodyId, Vec<u8>), blake3::Hash>);

impl Said {
    /// An honest body sends an encoded message, which may be the same as before.
    pub fn add(&mut self, from: BodyId, to: BodyId, message: &Bytes) {
        let Some(PeerMessage::Consensus(bytes)) = PeerMessage::decode(message) else { return };
        let Some(subject) = subject(&bytes) else { return };
        let hash = blake3::hash(&bytes);
        match self.0.entry((from, to, subject.to_vec())) {
            Entry::Vacant(first) => _ = first.insert(hash),
            Entry::Occupied(before) => {
                assert_eq!(
                    *before.get(),
                    hash,
                    "{from} says something else to {to} than before: {subject:?}"
                );
            }
        }
    }
}
