//! The recovery index: of each transaction, just what its owner needs to notice it.
//!
//! An entry is `tweak 16 | tag 2 | output count 1 | spend count 1 | 8 bytes for each spend`. The owner computes
//! the tag of each tweak; a hit in 65,536 is false. The running hash over all entries is in every header.

use crate::{
    bytes::{Hash, Tag, Tweak},
    encoding::DecodeError,
    hash::Context,
    transaction::{Input, ModuleId, Transaction},
};

/// First 8 bytes of the hash of something spent; a hit is confirmed in the session itself.
pub type ShortSpend = [u8; 8];

const FIXED_BYTES: usize = Tweak::LEN + Tag::LEN + 2;

/// The truncated hash by which the index shows that `nonce` of `module` was spent.
pub fn short_spend(module: ModuleId, nonce: &Hash) -> ShortSpend {
    let Hash(hash) = Context::SpentNonce.hash(&[&module.to_le_bytes(), &nonce.0]);
    let mut short = [0; 8];
    short.copy_from_slice(&hash[..8]);
    short
}

/// The running hash after a session with this items root and these encoded entries.
pub fn extend(previous: &Hash, items_root: &Hash, entries: &[u8]) -> Hash {
    Context::RecoveryChain.hash(&[&previous.0, &items_root.0, entries])
}

/// One transaction's entry, borrowed from the encoded entries of its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The transaction's tweak.
    pub tweak: Tweak,
    /// The transaction's tag.
    pub tag: Tag,
    /// How many outputs it has.
    pub outputs: u8,
    /// The truncated hashes of what it spends, in order of its inputs.
    pub spends: &'a [ShortSpend],
}

impl<'a> Entry<'a> {
    /// Appends a transaction's entry.
    pub fn write(transaction: &Transaction, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&transaction.tweak.0);
        bytes.extend_from_slice(&transaction.tag.0);
        // Inputs and outputs are limited to 255, which decoding enforces.
        bytes.push(transaction.outputs.len() as u8);
        bytes.push(transaction.inputs.len() as u8);
        for Input { module, nonce, .. } in &transaction.inputs {
            bytes.extend_from_slice(&short_spend(*module, nonce));
        }
    }

    /// Takes the next entry off the front of `bytes`.
    ///
    /// # Errors
    /// [`DecodeError`] if the bytes end within an entry.
    pub fn read(bytes: &mut &'a [u8]) -> Result<Self, DecodeError> {
        let cut = || DecodeError { reason: "the entries end early" };
        let (fixed, rest) = bytes.split_at_checked(FIXED_BYTES).ok_or_else(cut)?;
        let mut entry = Self {
            tweak: Tweak([0; Tweak::LEN]),
            tag: Tag([fixed[Tweak::LEN], fixed[Tweak::LEN + 1]]),
            outputs: fixed[FIXED_BYTES - 2],
            spends: &[],
        };
        entry.tweak.0.copy_from_slice(&fixed[..Tweak::LEN]);
        let (spends, rest) = rest
            .split_at_checked(usize::from(fixed[FIXED_BYTES - 1]) * size_of::<ShortSpend>())
            .ok_or_else(cut)?;
        entry.spends = spends.as_chunks().0;
        *bytes = rest;
        Ok(entry)
    }
}

/// The entries of one session, read off their encoding.
pub struct Entries<'a>(pub &'a [u8]);

impl<'a> Iterator for Entries<'a> {
    type Item = Result<Entry<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let entry = Entry::read(&mut self.0);
        if entry.is_err() {
            self.0 = &[];
        }
        Some(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transaction::testing::any_transaction;
    use proptest::{collection::vec, prelude::*};

    proptest! {
        #[test]
        fn entries_round_trip(transactions in vec(any_transaction(), 0..5)) {
            let mut bytes = Vec::new();
            for transaction in &transactions {
                Entry::write(transaction, &mut bytes);
            }
            let entries: Vec<_> = Entries(&bytes).collect::<Result<_, _>>().unwrap();
            prop_assert_eq!(entries.len(), transactions.len());
            for (entry, transaction) in entries.iter().zip(&transactions) {
                prop_assert_eq!((entry.tweak, entry.tag), (transaction.tweak, transaction.tag));
                prop_assert_eq!(usize::from(entry.outputs), transaction.outputs.len());
                let spends: Vec<_> = transaction.inputs.iter().map(|i| short_spend(i.module, &i.nonce)).collect();
                prop_assert_eq!(entry.spends, &spends[..]);
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..200)) {
            let read: usize = Entries(&bytes).filter_map(Result::ok).map(|e| FIXED_BYTES + e.spends.len() * 8).sum();
            prop_assert!(read <= bytes.len());
        }
    }
}
