//! Sessions: what guardians order, hash and sign.
//!
//! Two hash chains run through the headers. `previous` links header to header; `recovery` accumulates the
//! recovery entries. One threshold signature on a header therefore covers all history before it.

use serde::{Deserialize, Serialize};

use crate::{
    bls::{Message, PublicKey, SESSION_DST},
    bytes::{FederationId, G2Bytes, Hash, TxId},
    encoding::{Canonical, Decode, DecodeError, Decoder, Encode},
    hash::Context,
    merkle,
    recovery_index::{self, Entry},
    transaction::Transaction,
};

/// Most items of a session.
pub const MAX_SESSION_ITEMS: usize = 2_000;
/// Most bytes of an encoded session.
pub const MAX_SESSION_BYTES: usize = 8 << 20;
/// Most epochs of a session.
pub const MAX_SESSION_EPOCHS: u64 = 1_000;

/// Something that consensus ordered and every guardian accepted.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Item {
    /// Value moved.
    Transaction(Transaction),
    /// The federation goes on with other rules after the session that this item ends: so many guardians have signalled
    /// it that it can.
    Upgrade {
        /// The version of the rules.
        version: u32,
    },
}

const TRANSACTION: u8 = 0;
const UPGRADE: u8 = 1;

impl Item {
    /// Its leaf in the session's Merkle tree.
    pub fn leaf(&self) -> Hash {
        match self {
            Self::Transaction(transaction) => leaf(TRANSACTION, &transaction.id().0),
            Self::Upgrade { version } => leaf(UPGRADE, &version.to_le_bytes()),
        }
    }

    /// The transaction, if it is one.
    pub fn transaction(&self) -> Option<&Transaction> {
        match self {
            Self::Transaction(transaction) => Some(transaction),
            Self::Upgrade { .. } => None,
        }
    }
}

fn leaf(kind: u8, content: &[u8]) -> Hash {
    Context::MerkleLeaf.hash(&[&[kind], content])
}

/// What the guardians sign of a session: 120 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct SessionHeader {
    /// The session's number, from 0 without gaps.
    pub index: u64,
    /// The last epoch it contains.
    pub last_epoch: u64,
    /// Consensus time, milliseconds since 1970.
    pub time: u64,
    /// Hash of the previous header; zeros for session 0.
    pub previous: Hash,
    /// Merkle root over the accepted items.
    pub items: Hash,
    /// Running hash over the recovery entries of all sessions up to this one.
    pub recovery: Hash,
}

impl SessionHeader {
    /// The hash that the next header's `previous` holds and that the guardians sign.
    pub fn hash(&self, federation: &FederationId) -> Hash {
        Context::SessionHeader.hash(&[&federation.0, &self.to_bytes()])
    }

    /// The point that the guardians sign: the header's hash by RFC 9380. Costs some milliseconds in wasm.
    pub fn message(&self, federation: &FederationId) -> Message {
        Message::hash(&self.hash(federation).0, SESSION_DST)
    }

    /// Whether `signature` is the federation's on this header: two pairings.
    pub fn verify(&self, federation: &FederationId, key: &PublicKey, signature: &G2Bytes) -> bool {
        key.verify(&self.message(federation), signature)
    }
}

/// A session that proves itself: any f+1 guardians made the signature, so nobody on the way needs trust.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct SignedSession {
    /// What is signed.
    pub header: SessionHeader,
    /// The federation's threshold signature on the header.
    pub signature: G2Bytes,
    /// The accepted items, in order, at most [`MAX_SESSION_ITEMS`].
    #[encoding(list = MAX_SESSION_ITEMS)]
    pub items: Vec<Item>,
}

/// What a guardian says of a session's number.
#[allow(clippy::large_enum_variant, reason = "a short-lived answer, never held in bulk")]
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionStatus {
    /// Not begun.
    Initial,
    /// Begun, or closed and not yet signed: the items so far. A wallet believes the longest prefix that f+1 guardians attest.
    Pending(#[encoding(list = MAX_SESSION_ITEMS)] Vec<Item>),
    /// Closed and signed.
    Complete(SignedSession),
}

/// A session's items as a reader of history needs them: decoded once, hashed once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HashedItems {
    /// The items in order.
    pub items: Vec<Item>,
    /// The ids of the transactions among them, in the same order.
    pub txids: Vec<TxId>,
}

impl HashedItems {
    /// Hashes items that are already decoded, as a guardian does when it closes a session.
    pub fn new(items: Vec<Item>) -> Self {
        let txids = items.iter().filter_map(Item::transaction).map(Transaction::id).collect();
        Self { items, txids }
    }

    /// The transactions in order, with their ids.
    pub fn transactions(&self) -> impl Iterator<Item = (&TxId, &Transaction)> {
        self.txids.iter().zip(self.items.iter().filter_map(Item::transaction))
    }

    /// The version of the rules by which the federation goes on after this session, if it decided that.
    pub fn upgrade(&self) -> Option<u32> {
        match self.items.last() {
            Some(Item::Upgrade { version }) => Some(*version),
            _ => None,
        }
    }

    /// The Merkle root that the header commits to.
    pub fn root(&self) -> Hash {
        let mut txids = self.txids.iter();
        let leaf_of = |item: &Item| match item {
            Item::Transaction(_) => txids.next().map(|txid| leaf(TRANSACTION, &txid.0)),
            Item::Upgrade { .. } => Some(item.leaf()),
        };
        let mut leaves: Vec<Hash> = self.items.iter().filter_map(leaf_of).collect();
        merkle::root(&mut leaves)
    }

    /// The session's recovery entries in their encoding.
    pub fn recovery_entries(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for transaction in self.items.iter().filter_map(Item::transaction) {
            Entry::write(transaction, &mut bytes);
        }
        bytes
    }

    /// The header of the session with these items that follows `previous` (`None` for session 0).
    pub fn header(
        &self,
        federation: &FederationId,
        previous: Option<&SessionHeader>,
        last_epoch: u64,
        time: u64,
    ) -> SessionHeader {
        let items = self.root();
        let recovery = previous.map_or(Hash([0; 32]), |header| header.recovery);
        SessionHeader {
            index: previous.map_or(0, |header| header.index.wrapping_add(1)),
            last_epoch,
            time,
            previous: previous.map_or(Hash([0; 32]), |header| header.hash(federation)),
            items,
            recovery: recovery_index::extend(&recovery, &items, &self.recovery_entries()),
        }
    }
}

/// A signed session with its items' hashes, not yet verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HashedSession {
    /// What is signed.
    pub header: SessionHeader,
    /// The signature, not yet verified; `None` within a run of empty sessions, whose last one carries it.
    pub signature: Option<G2Bytes>,
    /// The items, not yet compared with the header.
    pub content: HashedItems,
}

impl HashedSession {
    /// Decodes the encoding of a [`SignedSession`], hashing each item's bytes where they lie.
    ///
    /// # Errors
    /// [`DecodeError`] for anything but the canonical encoding of one signed session.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut decoder = Decoder::new(bytes);
        let (header, signature, count): (SessionHeader, G2Bytes, u32) = Decode::decode(&mut decoder);
        let count = count as usize;
        if count > MAX_SESSION_ITEMS || bytes.len() > MAX_SESSION_BYTES {
            return Err(DecodeError { reason: "the session is above its limits" });
        }
        // A transaction is far above 16 bytes, so this reserves less than the input holds.
        let reserve = count.min(bytes.len() / 16);
        let mut content =
            HashedItems { items: Vec::with_capacity(reserve), txids: Vec::with_capacity(reserve) };
        for _ in 0..count {
            let start = decoder.rest();
            let item = Item::decode(&mut decoder);
            if decoder.failure().is_some() {
                break;
            }
            // The encoding is canonical, so what was just read, less the kind, is what the id hashes.
            if item.transaction().is_some() {
                content.txids.push(Transaction::id_of_bytes(&start[1..start.len() - decoder.rest().len()]));
            }
            content.items.push(item);
        }
        decoder.end().map(|()| Self { header, signature: Some(signature), content })
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;
    use crate::transaction::testing::any_transaction;
    use proptest::{collection::vec, prelude::*};

    pub fn any_items() -> impl Strategy<Value = Vec<Item>> {
        let upgrade = any::<u32>().prop_map(|version| Item::Upgrade { version });
        vec(prop_oneof![4 => any_transaction().prop_map(Item::Transaction), 1 => upgrade], 0..4)
    }

    pub fn any_session() -> impl Strategy<Value = SignedSession> {
        (any::<[u64; 3]>(), any::<[[u8; 32]; 3]>(), vec(any::<u8>(), 96), any_items()).prop_map(
            |([index, last_epoch, time], [previous, items_root, recovery], signature, items)| SignedSession {
                header: SessionHeader {
                    index,
                    last_epoch,
                    time,
                    previous: Hash(previous),
                    items: Hash(items_root),
                    recovery: Hash(recovery),
                },
                signature: G2Bytes(signature.try_into().unwrap()),
                items,
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::{testing::*, *};
    use crate::encoding::testing::{assert_round_trip, assert_strict, hostile_bytes};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn round_trips(session in any_session()) {
            assert_round_trip(&session);
            assert_round_trip(&SessionStatus::Complete(session.clone()));
            assert_round_trip(&SessionStatus::Pending(session.items.clone()));
            let json = serde_json::to_string(&session).unwrap();
            prop_assert_eq!(serde_json::from_str::<SignedSession>(&json).unwrap(), session);
        }

        #[test]
        fn hashing_where_bytes_lie_equals_hashing_values(session in any_session()) {
            let hashed = HashedSession::from_bytes(&session.to_bytes()).unwrap();
            prop_assert_eq!(hashed.content, HashedItems::new(session.items.clone()));
            let mut leaves: Vec<Hash> = session.items.iter().map(Item::leaf).collect();
            prop_assert_eq!(HashedItems::new(session.items).root(), merkle::root(&mut leaves));
            prop_assert_eq!(hashed.header, session.header);
        }

        #[test]
        fn decoders_are_strict_and_agree(bytes in hostile_bytes(any_session())) {
            assert_strict::<SignedSession>(&bytes);
            assert_strict::<SessionStatus>(&bytes);
            prop_assert_eq!(HashedSession::from_bytes(&bytes).is_ok(), SignedSession::from_bytes(&bytes).is_ok());
        }
    }

    #[test]
    fn a_header_takes_120_bytes() {
        let header = HashedItems::new(vec![]).header(&FederationId([0; 32]), None, 1, 2);
        assert_eq!(header.to_bytes().len(), 120);
    }
}
