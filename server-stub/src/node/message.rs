//! What guardians say to each other.

use borsh::{BorshDeserialize, BorshSerialize};
use bytes::{BufMut, Bytes, BytesMut};
use rekindle_protocol::{
    bytes::{G2Bytes, Hash},
    encoding::Canonical,
    session::SessionHeader,
};

/// A message on a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PeerMessage {
    /// For the consensus engine.
    Consensus(Bytes),
    /// About the signature of a session.
    Signing(SigningMessage),
}

/// A message about the signature of a session.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
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

const CONSENSUS: u8 = 0;
const SIGNING: u8 = 1;

impl PeerMessage {
    /// The encoding: one byte for the kind, then the message.
    pub fn encode(&self) -> Bytes {
        let (kind, body) = match self {
            Self::Consensus(bytes) => (CONSENSUS, bytes.clone()),
            Self::Signing(message) => (SIGNING, Bytes::from(message.to_bytes())),
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
        ] {
            assert_eq!(PeerMessage::decode(&message.encode()), Some(message));
        }
        for garbage in [&b""[..], b"\x02", b"\x01", b"\x01\x01\x00", b"\x01\x09"] {
            assert_eq!(PeerMessage::decode(&Bytes::from_static(garbage)), None);
        }
    }
}
