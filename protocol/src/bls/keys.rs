//! Key sets and shares.

use bls12_381::{G1Affine, Scalar};
use serde::{Deserialize, Serialize};
use threshold_crypto::{
    Fr, PublicKeySet,
    ff::{Field, PrimeField},
    poly::Poly,
};
use zeroize::{Zeroize, Zeroizing};

use super::{BlsError, Message, check_g2, curve};
use crate::{
    bytes::{G1Bytes, G2Bytes},
    encoding::{Decode, Encode},
};

/// Most guardians of a federation.
pub const MAX_GUARDIANS: usize = 100;

/// A checked public key: of a federation, of a denomination, or of one guardian's share of either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey(pub(super) G1Affine);

impl PublicKey {
    /// Decodes and checks a key.
    ///
    /// # Errors
    /// [`BlsError::NotAPoint`] for the identity and for anything outside the subgroup.
    pub fn from_bytes(bytes: &G1Bytes) -> Result<Self, BlsError> {
        let key = Option::<G1Affine>::from(G1Affine::from_compressed(&bytes.0)).ok_or(BlsError::NotAPoint)?;
        if bool::from(key.is_identity()) { Err(BlsError::NotAPoint) } else { Ok(Self(key)) }
    }

    /// Whether `signature` is this key's on `message`: two pairings. Bytes that are no point are not valid.
    pub fn verify(&self, message: &Message, signature: &G2Bytes) -> bool {
        check_g2(signature).is_ok_and(|signature| curve::is_signature(&self.0, &message.0, &signature))
    }
}

/// The public side of a threshold key: the key that combined signatures verify under, and each guardian's share of it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct KeySet {
    /// The key of combined signatures.
    pub public_key: G1Bytes,
    /// The key of each guardian's shares, by guardian id.
    #[encoding(list = MAX_GUARDIANS)]
    pub shares: Vec<G1Bytes>,
}

impl KeySet {
    /// The checked key that combined signatures verify under.
    ///
    /// # Errors
    /// [`BlsError::NotAPoint`].
    pub fn public_key(&self) -> Result<PublicKey, BlsError> {
        PublicKey::from_bytes(&self.public_key)
    }

    /// The checked key that guardian `id`'s shares verify under.
    ///
    /// # Errors
    /// [`BlsError::NoSuchGuardian`], [`BlsError::NotAPoint`].
    pub fn share_key(&self, id: u16) -> Result<PublicKey, BlsError> {
        PublicKey::from_bytes(self.shares.get(usize::from(id)).ok_or(BlsError::NoSuchGuardian)?)
    }

    /// Deals a fresh key among `guardians` so that any `threshold` + 1 of them can sign, as a trusted dealer.
    pub fn deal<R: rand::RngCore>(threshold: usize, guardians: u16, rng: &mut R) -> (Self, Vec<SecretShare>) {
        let polynomial = Poly::random(threshold, rng);
        let shares: Vec<SecretShare> =
            (0..u64::from(guardians)).map(|id| SecretShare::new(polynomial.evaluate(id + 1))).collect();
        let keys = Self {
            public_key: G1Bytes(PublicKeySet::from(polynomial.commitment()).public_key().to_bytes()),
            shares: shares.iter().map(SecretShare::public_key).collect(),
        };
        (keys, shares)
    }
}

/// One guardian's secret share of a threshold key. Erased when dropped; it has no `Debug`.
#[derive(Clone)]
pub struct SecretShare(Zeroizing<[u8; 32]>);

impl SecretShare {
    fn new(mut scalar: Fr) -> Self {
        let mut limbs = scalar.into_repr().0;
        scalar = Fr::zero();
        core::hint::black_box(&scalar);
        let mut bytes = Zeroizing::new([0; 32]);
        for (limb, chunk) in limbs.iter().zip(bytes.rchunks_exact_mut(8)) {
            chunk.copy_from_slice(&limb.to_be_bytes());
        }
        limbs.zeroize();
        Self(bytes)
    }

    /// The share with this scalar, 32 bytes, big endian.
    ///
    /// # Errors
    /// [`BlsError::NotAScalar`] for zero and for numbers not below the order of the group.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, BlsError> {
        let mut reversed = Zeroizing::new(*bytes);
        reversed.reverse();
        match Option::<Scalar>::from(Scalar::from_bytes(&reversed)) {
            Some(scalar) if scalar != Scalar::zero() => Ok(Self(Zeroizing::new(*bytes))),
            _ => Err(BlsError::NotAScalar),
        }
    }

    /// The scalar, 32 bytes, big endian: for storage and for other libraries' keys only.
    pub fn to_bytes(&self) -> &Zeroizing<[u8; 32]> {
        &self.0
    }

    /// The key that this share's signatures verify under.
    pub fn public_key(&self) -> G1Bytes {
        G1Bytes(curve::multiply_g1_generator(&self.0).to_compressed())
    }

    /// Signs a point, in constant time. A [`Message`] is never the identity, which would make the share a public
    /// constant.
    pub fn sign(&self, message: &Message) -> G2Bytes {
        G2Bytes(curve::multiply_g2(&message.0, &self.0).to_compressed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bls::{SESSION_DST, combine};
    use rand::SeedableRng;

    fn rng() -> rand::rngs::StdRng {
        rand::rngs::StdRng::seed_from_u64(1)
    }

    #[test]
    fn any_threshold_plus_one_shares_make_the_same_signature() {
        let (keys, secrets) = KeySet::deal(1, 4, &mut rng());
        let message = Message::hash(b"session", SESSION_DST);
        let shares: Vec<(u16, G2Bytes)> =
            (0..4).zip(&secrets).map(|(id, key)| (id, key.sign(&message))).collect();
        for (id, share) in &shares {
            assert!(keys.share_key(*id).unwrap().verify(&message, share));
            assert!(!keys.share_key((id + 1) % 4).unwrap().verify(&message, share));
        }
        let of = |ids: [usize; 2]| combine(1, &ids.map(|id| shares[id])).unwrap();
        let signature = of([0, 1]);
        assert_eq!(signature, of([2, 3]));
        let key = keys.public_key().unwrap();
        assert!(key.verify(&message, &signature));
        assert!(!key.verify(&Message::hash(b"other", SESSION_DST), &signature));
    }

    #[test]
    fn identities_verify_nothing() {
        let mut identity = [0; 48];
        identity[0] = 0xc0;
        assert_eq!(PublicKey::from_bytes(&G1Bytes(identity)), Err(BlsError::NotAPoint));
        let (keys, _) = KeySet::deal(0, 1, &mut rng());
        let mut identity = [0; 96];
        identity[0] = 0xc0;
        let message = Message::hash(b"m", SESSION_DST);
        assert!(!keys.public_key().unwrap().verify(&message, &G2Bytes(identity)));
    }

    #[test]
    fn keys_are_real_curve_points() {
        // threshold_crypto's mock feature would make public keys 4 bytes; unification must never switch it on.
        assert_eq!(threshold_crypto::PK_SIZE, 48);
    }

    #[test]
    fn secret_shares_round_trip() {
        let (keys, secrets) = KeySet::deal(1, 4, &mut rng());
        for (id, secret) in (0..4).zip(&secrets) {
            let again = SecretShare::from_bytes(secret.to_bytes()).unwrap();
            assert_eq!(again.public_key(), keys.shares[id]);
        }
        assert!(SecretShare::from_bytes(&[0xff; 32]).is_err());
        assert!(SecretShare::from_bytes(&[0; 32]).is_err());
    }
}
