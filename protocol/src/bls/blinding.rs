//! Blind signatures: the guardians sign a note's nonce without seeing it.
//!
//! The wallet sends `B = r·H(nonce)`; the guardians' combined signature on `B` is `r·s·H(nonce)`; dividing by `r`
//! leaves the ordinary signature on the nonce (Boldyreva, "Threshold signatures, multisignatures and blind
//! signatures based on the gap-Diffie-Hellman-group signature scheme", PKC 2003). Multiplication by the blinding
//! factor is constant-time.

use bls12_381::Scalar;
use zeroize::{Zeroize, Zeroizing};

use super::{BlsError, Message, curve};
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

    /// `dividend` divided by the factor: 32 bytes, big endian.
    pub(super) fn divide(&self, dividend: &Scalar) -> Result<Zeroizing<[u8; 32]>, BlsError> {
        let inverse = inverse(&self.0).ok_or(BlsError::NotAScalar)?;
        Ok(big_endian(&(inverse * dividend)))
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

/// The group's order less two, in 64-bit limbs, the lowest first.
const ORDER_LESS_TWO: [u64; 4] =
    [0xffff_fffe_ffff_ffff, 0x53bd_a402_fffe_5bfe, 0x3339_d808_09a1_d805, 0x73ed_a753_299d_7d48];

/// One divided by `scalar`, by Fermat's little theorem; `None` for zero. The time depends on the exponent alone, which is
/// public. The library's own way takes as long and thirty times the code.
pub(super) fn inverse(scalar: &Scalar) -> Option<Scalar> {
    (*scalar != Scalar::zero()).then(|| scalar.pow_vartime(&ORDER_LESS_TWO))
}

fn big_endian(scalar: &Scalar) -> Zeroizing<[u8; 32]> {
    let mut bytes = Zeroizing::new(scalar.to_bytes());
    bytes.reverse();
    bytes
}

/// The blinded message that guardians get to see. [`super::Interpolation::unblind`] takes the blinding off.
pub fn blind(message: &Message, factor: &BlindingFactor) -> G2Bytes {
    G2Bytes(curve::multiply_g2(&message.0, &big_endian(&factor.0)).to_compressed())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bls::{Interpolation, KeySet, NOTE_DST};
    use rand::SeedableRng;

    #[test]
    fn an_inverse_is_the_librarys() {
        for bytes in [[1; 64], [0xff; 64]] {
            let scalar = Scalar::from_bytes_wide(&bytes);
            assert_eq!(inverse(&scalar), Option::from(scalar.invert()));
        }
        assert_eq!(inverse(&Scalar::zero()), None);
    }

    #[test]
    fn unblinding_gives_the_signature_on_the_nonce() {
        let (keys, secrets) = KeySet::deal(1, 4, &mut rand::rngs::StdRng::seed_from_u64(2));
        let nonce = Message::hash(b"nonce", NOTE_DST);
        let factor = BlindingFactor::from_wide_bytes(&[5; 64]);
        let blinded = blind(&nonce, &factor);
        assert_ne!(blinded, nonce.to_bytes());
        let seen = Message::from_bytes(&blinded).unwrap();
        let shares = [1, 3].map(|id: usize| secrets[id].sign(&seen));
        let signature = Interpolation::new(&[1, 3]).unwrap().unblind(&shares, &factor).unwrap().to_bytes();
        assert!(keys.public_key().unwrap().verify(&nonce, &signature));
        // What the guardians signed says nothing about another nonce.
        assert!(!keys.public_key().unwrap().verify(&Message::hash(b"other", NOTE_DST), &signature));
    }
}
