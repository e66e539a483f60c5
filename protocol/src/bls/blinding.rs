//! Blind signatures: the guardians sign a note's nonce without seeing it.
//!
//! The wallet sends `B = r·H(nonce)`; the guardians' combined signature on `B` is `r·s·H(nonce)`; dividing by `r`
//! leaves the ordinary signature on the nonce (Boldyreva, "Threshold signatures, multisignatures and blind
//! signatures based on the gap-Diffie-Hellman-group signature scheme", PKC 2003). Multiplication by the blinding
//! factor is constant-time.

use bls12_381::{G2Affine, Scalar};
use zeroize::Zeroize;

use super::{BlsError, Message, check_g2};
use crate::bytes::G2Bytes;

/// A secret scalar that hides one nonce. Erased when dropped; it has no `Debug`.
pub struct BlindingFactor(Scalar);

impl BlindingFactor {
    /// The factor derived from 64 uniformly random bytes.
    pub fn from_wide_bytes(bytes: &[u8; 64]) -> Self {
        let scalar = Scalar::from_bytes_wide(bytes);
        // Zero cannot be divided by; it comes up once in 2^255.
        Self(if scalar == Scalar::zero() { Scalar::one() } else { scalar })
    }
}

impl Drop for BlindingFactor {
    fn drop(&mut self) {
        let mut bytes = self.0.to_bytes();
        bytes.zeroize();
        self.0 = Scalar::zero();
        core::hint::black_box(&self.0);
    }
}

/// The blinded message that guardians get to see.
pub fn blind(message: &Message, factor: &BlindingFactor) -> G2Bytes {
    G2Bytes(G2Affine::from(message.0 * factor.0).to_compressed())
}

/// Takes the blinding off a signature (or off a share of one).
///
/// # Errors
/// [`BlsError::NotAPoint`] if `signature` is no point or the identity.
pub fn unblind(signature: &G2Bytes, factor: &BlindingFactor) -> Result<G2Bytes, BlsError> {
    let point = check_g2(signature)?;
    let inverse = Option::<Scalar>::from(factor.0.invert()).ok_or(BlsError::NotAScalar)?;
    Ok(G2Bytes(G2Affine::from(point * inverse).to_compressed()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bls::{KeySet, NOTE_DST, combine};
    use rand::SeedableRng;

    #[test]
    fn unblinding_gives_the_signature_on_the_nonce() {
        let (keys, secrets) = KeySet::deal(1, 4, &mut rand::rngs::StdRng::seed_from_u64(2));
        let nonce = Message::hash(b"nonce", NOTE_DST);
        let factor = BlindingFactor::from_wide_bytes(&[5; 64]);
        let blinded = blind(&nonce, &factor);
        assert_ne!(blinded, nonce.to_bytes());
        let seen = Message::from_bytes(&blinded).unwrap();
        let shares = [1u16, 3].map(|id| (id, secrets[usize::from(id)].sign(&seen)));
        let signature = unblind(&combine(1, &shares).unwrap(), &factor).unwrap();
        assert!(keys.public_key().unwrap().verify(&nonce, &signature));
        // What the guardians signed says nothing about another nonce.
        assert!(!keys.public_key().unwrap().verify(&Message::hash(b"other", NOTE_DST), &signature));
    }
}
