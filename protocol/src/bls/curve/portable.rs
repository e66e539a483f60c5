//! `bls12_381`.

use bls12_381::{
    G1Affine, G2Affine, G2Prepared, G2Projective, Gt, Scalar,
    hash_to_curve::{ExpandMsgXmd, HashToCurve},
    multi_miller_loop,
};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::bytes::G2Bytes;

/// RFC 9380, suite `BLS12381G2_XMD:SHA-256_SSWU_RO_`.
pub fn hash_to_g2(message: &[u8], dst: &[u8]) -> G2Affine {
    <G2Projective as HashToCurve<ExpandMsgXmd<Sha256>>>::hash_to_curve([message], dst).into()
}

/// A compressed point; `None` for the identity and for what is no point of the subgroup.
pub fn decode_g2(bytes: &G2Bytes) -> Option<G2Affine> {
    Option::<G2Affine>::from(G2Affine::from_compressed(&bytes.0))
        .filter(|point| !bool::from(point.is_identity()))
}

/// Whether `e(key, message)` is `e(g1, signature)`: one Miller loop and one final exponentiation for both pairings.
pub fn is_signature(key: &G1Affine, message: &G2Affine, signature: &G2Affine) -> bool {
    let terms =
        [(key, &G2Prepared::from(*message)), (&-G1Affine::generator(), &G2Prepared::from(*signature))];
    multi_miller_loop(&terms).final_exponentiation() == Gt::identity()
}

/// A point times a secret scalar, big endian and below the order.
pub fn multiply_g2(point: &G2Affine, secret: &[u8; 32]) -> G2Affine {
    (point * scalar(secret)).into()
}

/// The generator times a secret scalar, big endian and below the order.
pub fn multiply_g1_generator(secret: &[u8; 32]) -> G1Affine {
    (G1Affine::generator() * scalar(secret)).into()
}

fn scalar(secret: &[u8; 32]) -> Scalar {
    let mut reversed = Zeroizing::new(*secret);
    reversed.reverse();
    Scalar::from_bytes(&reversed).expect("a secret was checked when it was made")
}
