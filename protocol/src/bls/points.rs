//! Points: hashing to them and checking them.

use bls12_381::{G2Affine, G2Projective};

use super::curve;
use crate::bytes::G2Bytes;

/// Why bytes were refused as a point, or points as a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BlsError {
    /// Not the compressed encoding of a point of the right subgroup, or the identity.
    #[error("the bytes are not a point of the curve's subgroup")]
    NotAPoint,
    /// Fewer shares than the threshold asks for, or two from one guardian.
    #[error("there are too few distinct signature shares")]
    TooFewShares,
    /// Not a scalar below the order of the group, or zero.
    #[error("the bytes are not a secret scalar")]
    NotAScalar,
    /// The key set has no share of this guardian.
    #[error("the key set has no share of that guardian")]
    NoSuchGuardian,
}

/// A point that was hashed from a message, ready to be signed or verified against.
#[derive(Clone, Copy)]
pub struct Message(pub(super) G2Affine);

impl Message {
    /// Hashes `message` to G2 by RFC 9380 under the domain separation tag `dst`.
    pub fn hash(message: &[u8], dst: &[u8]) -> Self {
        Self(curve::hash_to_g2(message, dst))
    }

    /// A point that arrives as bytes, such as a blinded message.
    ///
    /// # Errors
    /// [`BlsError::NotAPoint`] for the identity and for anything outside the subgroup.
    pub fn from_bytes(bytes: &G2Bytes) -> Result<Self, BlsError> {
        check_g2(bytes).map(Self)
    }

    /// The compressed point.
    pub fn to_bytes(&self) -> G2Bytes {
        G2Bytes(self.0.to_compressed())
    }
}

/// A signature that is a point of the subgroup and not the identity; whose it is and on what is another question.
#[derive(Clone, Copy)]
pub struct Signature(pub(super) G2Affine);

impl Signature {
    /// A signature that arrives as bytes.
    ///
    /// # Errors
    /// [`BlsError::NotAPoint`].
    pub fn from_bytes(bytes: &G2Bytes) -> Result<Self, BlsError> {
        check_g2(bytes).map(Self)
    }

    /// A computed point of which only the curve's equation is known to hold.
    pub(super) fn checked(point: G2Projective) -> Result<Self, BlsError> {
        let point = G2Affine::from(point);
        let good = bool::from(point.is_torsion_free() & !point.is_identity());
        if good { Ok(Self(point)) } else { Err(BlsError::NotAPoint) }
    }

    /// The compressed point.
    pub fn to_bytes(&self) -> G2Bytes {
        G2Bytes(self.0.to_compressed())
    }
}

/// Decodes a G2 point, refusing the identity and points outside the subgroup.
///
/// # Errors
/// [`BlsError::NotAPoint`].
pub fn check_g2(bytes: &G2Bytes) -> Result<G2Affine, BlsError> {
    curve::decode_g2(bytes).ok_or(BlsError::NotAPoint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_rfc_9380() {
        // RFC 9380, appendix J.10.1, msg = "abc": x-coordinate, imaginary part first as in the compressed encoding.
        let point = Message::hash(b"abc", b"QUUX-V01-CS02-with-BLS12381G2_XMD:SHA-256_SSWU_RO_");
        let mut bytes = point.to_bytes().0;
        bytes[0] &= 0b0001_1111;
        assert_eq!(
            hex::encode(bytes),
            "139cddbccdc5e91b9623efd38c49f81a6f83f175e80b06fc374de9eb4b41dfe4ca3a230ed250fbe3a2acf73a41177fd8\
             02c2d18e033b960562aae3cab37a27ce00d80ccd5ba4b7fe0e7a210245129dbec7780ccc7954725f4168aff2787776e6"
        );
    }

    #[test]
    fn identity_and_garbage_are_refused() {
        let mut identity = [0; 96];
        identity[0] = 0xc0;
        for bytes in [identity, [0; 96], [0xff; 96]] {
            assert_eq!(check_g2(&G2Bytes(bytes)), Err(BlsError::NotAPoint));
        }
    }
}
