//! Following history: hashes link every session to the one before, one signature vouches for all of them.
//!
//! A wallet feeds sessions in order and may ask at any point whether the newest header is signed. Until then
//! what it has read is provisional.

use crate::{
    bls::PublicKey,
    bytes::{FederationId, G2Bytes, Hash},
    encoding::{Decode, Encode},
    recovery_index,
    session::{HashedSession, SessionHeader},
};

/// Where a reader of history stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ChainPosition {
    /// Number of the next session.
    pub next: u64,
    /// Hash of the last header read; zeros before session 0.
    pub previous: Hash,
    /// The running recovery hash after the last session read; zeros before session 0.
    pub recovery: Hash,
    /// The time of the last session whose header was read, milliseconds since 1970; 0 before session 0.
    pub time: u64,
}

/// How served history contradicts itself or its signature. Whoever served it is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// Another session than the next one.
    #[error("session {got} was served where session {expected} belongs")]
    WrongIndex {
        /// The next session's number.
        expected: u64,
        /// The number in the header.
        got: u64,
    },
    /// The header does not follow the previous one.
    #[error("session {0} does not follow the session before it")]
    BrokenChain(u64),
    /// The items are not the ones that the header commits to.
    #[error("the items of session {0} are not those of its header")]
    WrongItems(u64),
    /// The recovery entries are not the ones that the header commits to.
    #[error("the recovery entries up to session {0} are not those of its header")]
    WrongRecoveryEntries(u64),
    /// The threshold signature does not verify.
    #[error("the signature of session {0} is not the federation's")]
    WrongSignature(u64),
}

impl ChainPosition {
    /// Before the first session.
    pub const GENESIS: Self = Self { next: 0, previous: Hash([0; 32]), recovery: Hash([0; 32]), time: 0 };

    /// The position after a session whose header is known to be right.
    pub fn after(federation: &FederationId, header: &SessionHeader) -> Self {
        Self {
            next: header.index.saturating_add(1),
            previous: header.hash(federation),
            recovery: header.recovery,
            time: header.time,
        }
    }

    /// Checks by hashes alone that `session` continues history from here, and moves past it.
    ///
    /// # Errors
    /// [`ChainError`]; the position has not moved.
    pub fn extend(&mut self, federation: &FederationId, session: &HashedSession) -> Result<(), ChainError> {
        let HashedSession { header, content, .. } = session;
        self.check_link(header)?;
        if content.root() != header.items {
            return Err(ChainError::WrongItems(header.index));
        }
        let recovery = recovery_index::extend(&self.recovery, &header.items, &content.recovery_entries());
        if recovery != header.recovery {
            return Err(ChainError::WrongRecoveryEntries(header.index));
        }
        *self = Self::after(federation, header);
        Ok(())
    }

    /// Moves past a session of which only the recovery entries are known. Only [`ChainPosition::confirm`] tells whether
    /// they were right; until then sessions can't be read on from here.
    pub fn pass(&mut self, items_root: &Hash, entries: &[u8]) {
        self.next = self.next.saturating_add(1);
        self.recovery = recovery_index::extend(&self.recovery, items_root, entries);
    }

    /// Checks that the header of the session just passed commits to all entries up to there.
    ///
    /// # Errors
    /// [`ChainError::WrongIndex`], [`ChainError::WrongRecoveryEntries`]; the position has not changed.
    pub fn confirm(&mut self, federation: &FederationId, header: &SessionHeader) -> Result<(), ChainError> {
        let after = Self::after(federation, header);
        if after.next != self.next {
            return Err(ChainError::WrongIndex { expected: self.next.saturating_sub(1), got: header.index });
        }
        if after.recovery != self.recovery {
            return Err(ChainError::WrongRecoveryEntries(header.index));
        }
        *self = after;
        Ok(())
    }

    fn check_link(&self, header: &SessionHeader) -> Result<(), ChainError> {
        if header.index != self.next {
            return Err(ChainError::WrongIndex { expected: self.next, got: header.index });
        }
        if header.previous != self.previous {
            return Err(ChainError::BrokenChain(header.index));
        }
        Ok(())
    }
}

/// Checks the federation's signature on a header: two pairings, and everything before the header is vouched for.
///
/// # Errors
/// [`ChainError::WrongSignature`].
pub fn check_signature(
    federation: &FederationId,
    key: &PublicKey,
    header: &SessionHeader,
    signature: &G2Bytes,
) -> Result<(), ChainError> {
    if header.verify(federation, key, signature) {
        Ok(())
    } else {
        Err(ChainError::WrongSignature(header.index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        bls::KeySet,
        session::{HashedItems, testing::any_items},
    };
    use proptest::{collection::vec, prelude::*};
    use rand::SeedableRng;

    const FEDERATION: FederationId = FederationId([3; 32]);

    fn history(items: Vec<Vec<crate::session::Item>>) -> Vec<HashedSession> {
        let mut sessions: Vec<HashedSession> = Vec::new();
        for items in items {
            let content = HashedItems::new(items);
            let header = content.header(&FEDERATION, sessions.last().map(|s| &s.header), 5, 6);
            sessions.push(HashedSession { header, signature: None, content });
        }
        sessions
    }

    proptest! {
        #[test]
        fn true_history_is_accepted_and_changes_are_not(items in vec(any_items(), 3..5), at in any::<[u8; 3]>()) {
            let sessions = history(items);
            let mut position = ChainPosition::GENESIS;
            for session in &sessions {
                position.extend(&FEDERATION, session).unwrap();
                prop_assert_eq!(position, ChainPosition::after(&FEDERATION, &session.header));
            }
            // By entries alone one gets to the same place, and only by the right ones.
            let (mut passed, mut wrong) = (ChainPosition::GENESIS, ChainPosition::GENESIS);
            for session in &sessions {
                let entries = session.content.recovery_entries();
                passed.pass(&session.header.items, &entries);
                wrong.pass(&session.header.items, &[entries, vec![1]].concat());
            }
            let last = sessions[sessions.len() - 1].header;
            prop_assert!(wrong.confirm(&FEDERATION, &last).is_err());
            let mut other = last;
            other.index += 1;
            prop_assert!(passed.confirm(&FEDERATION, &other).is_err());
            prop_assert!(passed.confirm(&FEDERATION, &last).is_ok());
            prop_assert_eq!(passed, position);
            // Any changed header field, item or order breaks the chain at that session or the next one.
            for victim in 0..sessions.len() - 1 {
                let mut changed = sessions.clone();
                let header = &mut changed[victim].header;
                match at[0] % 6 {
                    0 => header.time ^= 1,
                    1 => header.last_epoch ^= 1,
                    2 => header.previous.0[0] ^= 1,
                    3 => header.recovery.0[usize::from(at[1]) % 32] ^= 1,
                    4 => header.items.0[usize::from(at[1]) % 32] ^= 1,
                    _ => changed.swap(victim, victim + 1),
                }
                let mut position = ChainPosition::GENESIS;
                let result: Result<(), ChainError> =
                    changed.iter().try_for_each(|session| position.extend(&FEDERATION, session));
                prop_assert!(result.is_err());
            }
        }
    }

    #[test]
    fn only_the_federations_signature_counts() {
        let (keys, secrets) = KeySet::deal(0, 1, &mut rand::rngs::StdRng::seed_from_u64(4));
        let key = keys.public_key().unwrap();
        let session = history(vec![vec![]]).remove(0);
        let signature = secrets[0].sign(&session.header.message(&FEDERATION));
        assert_eq!(check_signature(&FEDERATION, &key, &session.header, &signature), Ok(()));
        let elsewhere = FederationId([4; 32]);
        assert!(check_signature(&elsewhere, &key, &session.header, &signature).is_err());
    }
}
