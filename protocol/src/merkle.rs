//! The Merkle root over a session's items, shaped as in RFC 6962, section 2.1, on BLAKE3.
//!
//! A leaf hashes an item's kind and id, so that one pass over an item's bytes gives both its id and its leaf.

use crate::{bytes::Hash, hash::Context};

/// Reduces `leaves` (already hashed) to their root, in place. No leaves give the hash of nothing.
///
/// Pairing neighbours level by level and carrying an odd last one up is RFC 6962's split at the largest power of two.
pub fn root(leaves: &mut [Hash]) -> Hash {
    if leaves.is_empty() {
        return Context::MerkleNode.hash(&[]);
    }
    let mut len = leaves.len();
    while len > 1 {
        for pair in 0..len / 2 {
            leaves[pair] = Context::MerkleNode.hash(&[&leaves[2 * pair].0, &leaves[2 * pair + 1].0]);
        }
        if len % 2 == 1 {
            leaves[len / 2] = leaves[len - 1];
        }
        len = len.div_ceil(2);
    }
    leaves[0]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The recursive definition of RFC 6962.
    fn reference(leaves: &[Hash]) -> Hash {
        match leaves.len() {
            0 => Context::MerkleNode.hash(&[]),
            1 => leaves[0],
            n => {
                let (left, right) = leaves.split_at(n.next_power_of_two() / 2);
                Context::MerkleNode.hash(&[&reference(left).0, &reference(right).0])
            }
        }
    }

    proptest! {
        #[test]
        fn equals_the_recursive_definition(leaves in proptest::collection::vec(any::<[u8; 32]>().prop_map(Hash), 0..70)) {
            prop_assert_eq!(root(&mut leaves.clone()), reference(&leaves));
        }
    }
}
