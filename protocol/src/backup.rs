//! Wallets' backups: sealed snapshots that guardians keep for whoever has the seed.
//!
//! A guardian sees a key that stands for one wallet in one federation and for nothing else, a number that rises, and
//! bytes in one of five lengths. Only the owner of the key can write, and only the seed opens what is written (see
//! [`crate::ownership`]).

use serde::{Deserialize, Serialize};

use crate::{
    bytes::{FederationId, Hash, SchnorrKey, SchnorrSignature},
    encoding::{Decode, Encode},
    hash::Context,
    schnorr,
};

/// The lengths that a sealed snapshot may have, in bytes, so that its length says little about what is in it.
pub const SIZES: [usize; 5] = [4 << 10, 16 << 10, 64 << 10, 256 << 10, MAX_SEALED_BYTES];
/// The largest sealed snapshot, in bytes.
pub const MAX_SEALED_BYTES: usize = 1 << 20;

/// What a guardian keeps for a key.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct Backup {
    /// How many sessions of history the snapshot covers. A guardian replaces a backup only by one of a higher version.
    pub version: u64,
    /// The snapshot, of one of the lengths in [`SIZES`], readable by the owner of the seed alone.
    #[encoding(bytes = MAX_SEALED_BYTES)]
    #[serde(with = "hex::serde")]
    pub sealed: Vec<u8>,
    /// The BIP-340 signature of the key that the backup lies under.
    pub signature: SchnorrSignature,
}

impl Backup {
    /// Signs a sealed snapshot.
    pub fn sign(federation: &FederationId, key: &schnorr::SecretKey, version: u64, sealed: Vec<u8>) -> Self {
        let signature = key.sign(&Self::digest(federation, &key.public_key(), version, &sealed));
        Self { version, sealed, signature }
    }

    /// Whether the owner of `key` wrote this for this federation, in a length that a backup may have.
    pub fn verify(&self, federation: &FederationId, key: &SchnorrKey) -> bool {
        SIZES.contains(&self.sealed.len())
            && schnorr::verify(
                key,
                &Self::digest(federation, key, self.version, &self.sealed),
                &self.signature,
            )
    }

    fn digest(federation: &FederationId, key: &SchnorrKey, version: u64, sealed: &[u8]) -> Hash {
        Context::Backup.hash(&[&federation.0, &key.0, &version.to_le_bytes(), sealed])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        encoding::testing::{assert_round_trip, assert_strict, hostile_bytes},
        ownership::WalletSecret,
    };
    use proptest::{collection::vec, prelude::*};

    fn any_backup() -> impl Strategy<Value = Backup> {
        (any::<u64>(), vec(any::<u8>(), 0..200), any::<[u8; 32]>()).prop_map(|(version, sealed, half)| {
            Backup { version, sealed, signature: SchnorrSignature([half, half].concat().try_into().unwrap()) }
        })
    }

    proptest! {
        #[test]
        fn encodings_round_trip(backup in any_backup()) {
            assert_round_trip(&backup);
            assert_round_trip(&Some(backup.clone()));
            let json = serde_json::to_string(&backup).unwrap();
            prop_assert_eq!(serde_json::from_str::<Backup>(&json).unwrap(), backup);
        }

        #[test]
        fn decoders_are_strict(bytes in hostile_bytes(any_backup())) {
            assert_strict::<Backup>(&bytes);
            assert_strict::<Option<Backup>>(&bytes);
        }

        #[test]
        fn a_snapshot_opens_for_its_seed_its_federation_and_its_version_only(
            content in vec(any::<u8>(), 0..20_000), version in 0..u64::MAX, salt in any::<[u8; 16]>(),
        ) {
            let (here, there) = (FederationId([1; 32]), FederationId([2; 32]));
            let owner = WalletSecret::new(&[1; 32], &here);
            let key = owner.backup_key();
            let backup = owner.seal_backup(&here, version, salt, &content).unwrap();
            prop_assert!(SIZES.contains(&backup.sealed.len()) && backup.sealed.len() <= 64 << 10);
            prop_assert_eq!(owner.open_backup(&here, &backup), Some(content));
            prop_assert!(backup.verify(&here, &key.public_key()));

            // The secret that signs and the one that seals follow from the seed and the federation.
            let others = [WalletSecret::new(&[2; 32], &here), WalletSecret::new(&[1; 32], &there)];
            for other in others {
                prop_assert_eq!(other.open_backup(&here, &backup), None);
                prop_assert!(!backup.verify(&here, &other.backup_key().public_key()));
            }
            prop_assert_eq!(owner.open_backup(&there, &backup), None);
            prop_assert!(!backup.verify(&there, &key.public_key()));

            let replayed = Backup { version: version + 1, ..backup.clone() };
            prop_assert!(!replayed.verify(&here, &key.public_key()));
            let signed_again = Backup::sign(&here, &key, version + 1, backup.sealed.clone());
            prop_assert!(signed_again.verify(&here, &key.public_key()));
            prop_assert_eq!(owner.open_backup(&here, &signed_again), None);
        }

        #[test]
        fn what_was_changed_does_not_open(
            at in any::<prop::sample::Index>(), bit in 0u8..8, cut in any::<prop::sample::Index>(),
        ) {
            let federation = FederationId([1; 32]);
            let owner = WalletSecret::new(&[1; 32], &federation);
            let key = owner.backup_key().public_key();
            let backup = owner.seal_backup(&federation, 7, [3; 16], b"content").unwrap();
            let mut changed = backup.clone();
            let at = at.index(changed.sealed.len());
            changed.sealed[at] ^= 1 << bit;
            prop_assert_eq!(owner.open_backup(&federation, &changed), None);
            prop_assert!(!changed.verify(&federation, &key));
            let mut shorter = backup;
            shorter.sealed.truncate(cut.index(shorter.sealed.len()));
            prop_assert_eq!(owner.open_backup(&federation, &shorter), None);
        }
    }

    #[test]
    fn the_length_of_a_snapshot_says_no_more_than_its_class() {
        let federation = FederationId([1; 32]);
        let owner = WalletSecret::new(&[1; 32], &federation);
        let length = |content: usize| {
            let backup = owner.seal_backup(&federation, 0, [0; 16], &vec![7; content]);
            backup.map(|backup| backup.sealed.len())
        };
        // 16 bytes of salt, 16 of seal, 4 of length.
        const OVERHEAD: usize = 36;
        assert_eq!([length(0), length(SIZES[0] - OVERHEAD)], [Some(SIZES[0]); 2]);
        assert_eq!([length(SIZES[0] - OVERHEAD + 1), length(SIZES[1] - OVERHEAD)], [Some(SIZES[1]); 2]);
        assert_eq!(length(MAX_SEALED_BYTES - OVERHEAD), Some(MAX_SEALED_BYTES));
        assert_eq!(length(MAX_SEALED_BYTES - OVERHEAD + 1), None);
    }

    #[test]
    fn lengths_that_stand_out_are_not_taken() {
        let federation = FederationId([1; 32]);
        let key = WalletSecret::new(&[1; 32], &federation).backup_key();
        for (length, taken) in [(4096, true), (4095, false), (4097, false), (0, false)] {
            let backup = Backup::sign(&federation, &key, 1, vec![0; length]);
            assert_eq!(backup.verify(&federation, &key.public_key()), taken, "{length}");
        }
    }
}
