//! A first look at a peer's message, before it costs a durable write.

use super::{FaultKind, GuardianId};

/// What is to be done with a message from a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Log it, then handle it.
    Now {
        /// The epoch it belongs to.
        epoch: u64,
    },
    /// Of an epoch too far ahead: acknowledge and forget it. A correct peer sends it when this guardian has come
    /// near enough.
    Later,
    /// Of an epoch that is over, and nothing follows from it: acknowledge and forget it.
    Stale,
    /// Acknowledge, forget and report it.
    Refuse(FaultKind),
}

/// The first 14 bytes of an encoded engine message: the epoch (8 bytes), the kind of content (4) and, for the
/// only kind that occurs without encryption, the guardian whose proposal it is about (2), all little endian.
pub(super) struct Prefix {
    pub epoch: u64,
    pub proposer: GuardianId,
}

impl Prefix {
    /// Reads the prefix.
    ///
    /// Decryption shares are refused here: contributions are not encrypted, and the engine would keep shares
    /// for any proposer that a peer makes up.
    pub fn read(message: &[u8]) -> Result<Self, FaultKind> {
        const SUBSET: [u8; 4] = [0; 4];
        let short = FaultKind::Malformed("too short");
        let (epoch, rest) = message.split_first_chunk().ok_or(short.clone())?;
        let (kind, rest) = rest.split_first_chunk::<4>().ok_or(short.clone())?;
        if *kind != SUBSET {
            return Err(FaultKind::Malformed("not a message about a proposal"));
        }
        let (proposer, _) = rest.split_first_chunk().ok_or(short)?;
        Ok(Self { epoch: u64::from_le_bytes(*epoch), proposer: u16::from_le_bytes(*proposer) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_foreign_messages_are_refused() {
        let mut message = [0; 14];
        message[0] = 7;
        message[12] = 3;
        let prefix = Prefix::read(&message).unwrap();
        assert_eq!((prefix.epoch, prefix.proposer), (7, 3));
        for len in 0..14 {
            assert!(Prefix::read(&message[..len]).is_err());
        }
        message[8] = 1;
        assert!(Prefix::read(&message).is_err());
    }
}
