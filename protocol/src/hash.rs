//! BLAKE3 in derive-key mode, one context string for each use, so that no hash can be mistaken for another.

use std::sync::OnceLock;

use blake3::hazmat::{ContextKey, HasherExt, hash_derive_key_context};

use crate::bytes::Hash;

/// How many uses there are: the last one's number and one.
const CONTEXTS: usize = Context::OutputSecret as usize + 1;

/// The key that a context string stands for, once it has been computed. Hashing the string again each time would
/// double the cost of a short hash, and reading history is mostly short hashes.
static KEYS: [OnceLock<ContextKey>; CONTEXTS] = [const { OnceLock::new() }; CONTEXTS];

/// What a hash is for. Each use has its own context string and therefore its own hash function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Context {
    /// A client config, giving the federation id.
    Federation,
    /// All bytes of a transaction, giving its id.
    Transaction,
    /// What a transaction's spend signatures sign.
    SpendDigest,
    /// What a memo is authenticated with: the transaction without memo and signatures.
    MemoDigest,
    /// A leaf of the Merkle tree over a session's items.
    MerkleLeaf,
    /// An inner node of that tree.
    MerkleNode,
    /// A session header.
    SessionHeader,
    /// The running hash over the recovery entries.
    RecoveryChain,
    /// The truncated hash of something spent, for the recovery index.
    SpentNonce,
    /// An answer that a guardian attests.
    Answer,
    /// A guardian's announcement of its URL.
    UrlAnnouncement,
    /// An issuer's request for its withdrawals.
    IssuerRequest,
    /// The root secret of a seed.
    SeedRoot,
    /// A wallet's secret within one federation.
    WalletSecret,
    /// A wallet's view key.
    ViewKey,
    /// The key that seals one memo.
    MemoKey,
    /// What the owner of a backup signs.
    Backup,
    /// The key that signs a wallet's backups.
    BackupKey,
    /// The key that seals one backup.
    BackupSeal,
    /// What a backup says, for its owner to tell whether there is something new.
    BackupContent,
    /// The secrets of one output.
    OutputSecret,
}

impl Context {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Federation => "rekindle 2026-11 federation id",
            Self::Transaction => "rekindle 2026-11 transaction id",
            Self::SpendDigest => "rekindle 2026-11 spend digest",
            Self::MemoDigest => "rekindle 2026-11 memo digest",
            Self::MerkleLeaf => "rekindle 2026-11 merkle leaf",
            Self::MerkleNode => "rekindle 2026-11 merkle node",
            Self::SessionHeader => "rekindle 2026-11 session header",
            Self::RecoveryChain => "rekindle 2026-11 recovery chain",
            Self::SpentNonce => "rekindle 2026-11 spent nonce",
            Self::Answer => "rekindle 2026-11 guardian answer",
            Self::UrlAnnouncement => "rekindle 2026-11 url announcement",
            Self::IssuerRequest => "rekindle 2026-11 issuer request",
            Self::SeedRoot => "rekindle 2026-11 seed root",
            Self::WalletSecret => "rekindle 2026-11 wallet secret",
            Self::ViewKey => "rekindle 2026-11 view key",
            Self::MemoKey => "rekindle 2026-11 memo key",
            Self::Backup => "rekindle 2026-11 backup",
            Self::BackupKey => "rekindle 2026-11 backup key",
            Self::BackupSeal => "rekindle 2026-11 backup seal",
            Self::BackupContent => "rekindle 2026-11 backup content",
            Self::OutputSecret => "rekindle 2026-11 output secret",
        }
    }

    /// A hasher for this use.
    pub fn hasher(self) -> blake3::Hasher {
        let key = KEYS[self as usize].get_or_init(|| hash_derive_key_context(self.as_str()));
        blake3::Hasher::new_from_context_key(key)
    }

    /// Hashes the concatenation of `parts`. Callers keep it unambiguous: all parts but the last have a fixed length.
    pub fn hash(self, parts: &[&[u8]]) -> Hash {
        let mut hasher = self.hasher();
        for part in parts {
            hasher.update(part);
        }
        Hash(hasher.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contexts_separate() {
        assert_ne!(Context::Transaction.hash(&[b"x"]), Context::SpendDigest.hash(&[b"x"]));
        assert_eq!(Context::Answer.hash(&[b"ab", b"c"]), Context::Answer.hash(&[b"abc"]));
    }

    #[test]
    fn a_hash_is_that_of_the_derive_key_mode() {
        // Twice, because the second time the key is there already.
        for _ in 0..2 {
            for context in [Context::Federation, Context::SpentNonce, Context::OutputSecret] {
                assert_eq!(context.hash(&[b"x"]).0, blake3::derive_key(context.as_str(), b"x"));
            }
        }
    }
}
