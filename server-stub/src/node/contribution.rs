//! What a guardian contributes to an epoch.

use rekindle_protocol::{
    encoding::{Canonical, Decode, Encode},
    transaction::Transaction,
};

use super::MAX_PROPOSAL_BYTES;

/// One guardian's part of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Contribution {
    /// Its clock, milliseconds since 1970.
    pub time: u64,
    /// The session that it votes to close, by number.
    pub close_vote: Option<u64>,
    /// The version of the rules that its operator wants to go on with.
    pub upgrade: Option<u32>,
    /// What its machine proposes; empty for nothing.
    pub proposal: Vec<u8>,
    /// Transactions that it wants ordered.
    pub transactions: Vec<Transaction>,
}

impl Contribution {
    /// Bytes of an encoding without transactions and proposal and with a vote and a signal.
    pub const FIXED_BYTES: usize = 8 + 1 + 8 + 1 + 4 + 4 + 4;

    /// Reads a contribution; `None` if it or its proposal is too long or it does not decode, which no correct
    /// guardian's is. `limit` is the most bytes it may have.
    pub fn read(bytes: &[u8], limit: usize) -> Option<Self> {
        if bytes.len() > limit {
            return None;
        }
        Self::from_bytes(bytes).ok().filter(|read| read.proposal.len() <= MAX_PROPOSAL_BYTES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_and_encoding_are_strict() {
        let contribution = Contribution {
            time: 5,
            close_vote: Some(2),
            upgrade: Some(2),
            proposal: vec![],
            transactions: vec![],
        };
        let bytes = contribution.to_bytes();
        assert_eq!(bytes.len(), Contribution::FIXED_BYTES);
        assert_eq!(Contribution::read(&bytes, bytes.len()), Some(contribution.clone()));
        assert_eq!(Contribution::read(&bytes, bytes.len() - 1), None);
        assert_eq!(Contribution::read(&[&bytes[..], &[0]].concat(), 1000), None);
        // A claimed number of transactions that are not there.
        let mut lying = bytes;
        lying[Contribution::FIXED_BYTES - 1] = 0xff;
        assert_eq!(Contribution::read(&lying, 1000), None);
        let proposing = |bytes| Contribution { proposal: vec![1; bytes], ..contribution.clone() }.to_bytes();
        assert!(Contribution::read(&proposing(MAX_PROPOSAL_BYTES), 10_000).is_some());
        assert_eq!(Contribution::read(&proposing(MAX_PROPOSAL_BYTES + 1), 10_000), None);
    }
}
