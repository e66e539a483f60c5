//! What guardians say to each other.

use bytes::{BufMut, Bytes, BytesMut};
use rekindle_protocol::{
    bytes::{G2Bytes, Hash},
    encoding::{Canonical, Decode, Encode},
    session::SessionHeader,
};

use crate::consensus::{BatchSignature, CertifiedBatch};

/// A message on a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PeerMessage {
    /// For the consensus engine.
    Consensus(Bytes),
    /// About the signature of a session.
    Signing(SigningMessage),
    /// About what guardians lack.
    CatchUp(CatchUpMessage),
}

/// A message about the signature of a session.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(super) enum SigningMessage {
    /// The sender's signature share, sent when it closes the session.
    Share {
        /// Number of the session.
        session: u64,
        /// Hash of the header that the share is on.
        header: Hash,
        /// The share.
        share: G2Bytes,
    },
    /// The sender lacks the session's signature and asks for it or for a share.
    Request {
        /// Number of the session.
        session: u64,
    },
    /// The combined signature.
    Signature {
        /// What is signed.
        header: SessionHeader,
        /// The federation's signature.
        signature: G2Bytes,
    },
}

/// A message about what the sender has or lacks.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(super) enum CatchUpMessage {
    /// How far the sender is: told when it starts, when asked, when it went on by what others sent, and when it is
    /// stuck.
    Status {
        /// How far.
        status: PeerStatus,
        /// Whether the receiver is to answer with its own.
        ask: bool,
    },
    /// The sender has this batch.
    Signed(BatchSignature),
    /// The sender lacks the batches from this epoch on.
    BatchRequest {
        /// The sender's epoch.
        from: u64,
    },
    /// The answer: batches without gaps from the epoch asked for.
    Batches(Vec<CertifiedBatch>),
    /// The sender lacks sessions.
    HistoryRequest {
        /// The first.
        from: u64,
        /// How many at most.
        count: u64,
    },
    /// The answer: encoded signed sessions without gaps, as many as fit; none if the sender does not have the first.
    History {
        /// The first session asked for.
        from: u64,
        /// Encodings of [`rekindle_protocol::session::SignedSession`].
        sessions: Vec<Vec<u8>>,
    },
}

impl CatchUpMessage {
    /// Whether the answer is large.
    pub fn is_request(&self) -> bool {
        matches!(self, Self::BatchRequest { .. } | Self::HistoryRequest { .. })
    }
}

/// How far a guardian is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub(super) struct PeerStatus {
    /// The epoch of its next batch.
    pub epoch: u64,
    /// How many signed sessions it serves, without gaps.
    pub signed: u64,
}

const CONSENSUS: u8 = 0;
const SIGNING: u8 = 1;
const CATCH_UP: u8 = 2;

impl PeerMessage {
    /// The encoding: one byte for the kind, then the message.
    pub fn encode(&self) -> Bytes {
        let (kind, body) = match self {
            Self::Consensus(bytes) => (CONSENSUS, bytes.clone()),
            Self::Signing(message) => (SIGNING, Bytes::from(message.to_bytes())),
            Self::CatchUp(message) => (CATCH_UP, Bytes::from(message.to_bytes())),
        };
        let mut bytes = BytesMut::with_capacity(1 + body.len());
        bytes.put_u8(kind);
        bytes.put(body);
        bytes.freeze()
    }

    /// Reads a message; `None` for what no correct guardian sends.
    pub fn decode(bytes: &Bytes) -> Option<Self> {
        match *bytes.first()? {
            CONSENSUS => Some(Self::Consensus(bytes.slice(1..))),
            SIGNING => SigningMessage::from_bytes(&bytes[1..]).ok().map(Self::Signing),
            CATCH_UP => CatchUpMessage::from_bytes(&bytes[1..]).ok().map(Self::CatchUp),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_and_refuses_garbage() {
        for message in [
            PeerMessage::Consensus(Bytes::from_static(b"engine")),
            PeerMessage::Signing(SigningMessage::Request { session: 3 }),
            PeerMessage::Signing(SigningMessage::Share {
                session: 3,
                header: Hash([1; 32]),
                share: G2Bytes([2; 96]),
            }),
            PeerMessage::CatchUp(CatchUpMessage::History { from: 3, sessions: vec![vec![1, 2], vec![]] }),
            PeerMessage::CatchUp(CatchUpMessage::Status {
                status: PeerStatus { epoch: 2, signed: 3 },
                ask: true,
            }),
        ] {
            assert_eq!(PeerMessage::decode(&message.encode()), Some(message));
        }
        for garbage in [
            &b""[..],
            b"\x03",
            b"\x02\x09",
            b"\x02\x03\xff\xff\xff\xff",
            b"\x01",
            b"\x01\x01\x00",
            b"\x01\x09",
        ] {
            assert_eq!(PeerMessage::decode(&Bytes::from_static(garbage)), None);
        }
    }
}
