//! What a guardian contributes to an epoch.

use borsh::{BorshDeserialize, BorshSerialize};
use rekindle_protocol::{encoding::Canonical, transaction::Transaction};

/// One guardian's part of a batch.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Contribution {
    /// Its clock, milliseconds since 1970.
    pub time: u64,
    /// The session that it votes to close, by number.
    pub close_vote: Option<u64>,
    /// The version of the rules that its operator wants to go on with.
    pub upgrade: Option<u32>,
    /// Transactions that it wants ordered.
    pub transactions: Vec<Transaction>,
}

impl Contribution {
    /// Bytes of an encoding without transactions and with a vote and a signal.
    pub const FIXED_BYTES: usize = 8 + 1 + 8 + 1 + 4 + 4;

    /// Reads a contribution; `None` if it is longer than `limit` or does not decode, which no correct guardian's is.
    pub fn read(bytes: &[u8], limit: usize) -> Option<Self> {
        if bytes.len() > limit {
            return None;
        }
        Self::from_bytes(bytes).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_and_encoding_are_strict() {
        let contribution =
            Contribution { time: 5, close_vote: Some(2), upgrade: Some(2), transactions: vec![] };
        let bytes = contribution.to_bytes();
        assert_eq!(bytes.len(), Contribution::FIXED_BYTES);
        assert_eq!(Contribution::read(&bytes, bytes.len()), Some(contribution));
        assert_eq!(Contribution::read(&bytes, bytes.len() - 1), None);
        assert_eq!(Contribution::read(&[&bytes[..], &[0]].concat(), 1000), None);
        // A claimed number of transactions that are not there.
        let mut lying = bytes;
        lying[Contribution::FIXED_BYTES - 1] = 0xff;
        assert_eq!(Contribution::read(&lying, 1000), None);
    }
}
