//! `bls12_381`.

use bls12_381::{G1Affine, G2Affine, G2Projective, Scalar};
use subtle::{ConditionallySelectable, ConstantTimeEq};
use zeroize::Zeroizing;

use crate::{
    bls::batch::{MessageHash, is_one},
    bytes::G2Bytes,
};

/// RFC 9380, suite `BLS12381G2_XMD:SHA-256_SSWU_RO_`.
pub fn hash_to_g2(message: &[u8], dst: &[u8]) -> G2Affine {
    MessageHash::new(message, dst).0.clear_cofactor().into()
}

/// A compressed point; `None` for the identity and for what is no point of the subgroup.
pub fn decode_g2(bytes: &G2Bytes) -> Option<G2Affine> {
    Option::<G2Affine>::from(G2Affine::from_compressed(&bytes.0))
        .filter(|point| !bool::from(point.is_identity()))
}

/// Whether `e(key, message)` is `e(g1, signature)`: one Miller loop and one final exponentiation for both pairings.
pub fn is_signature(key: &G1Affine, message: &G2Affine, signature: &G2Affine) -> bool {
    is_one(&[(*key, *message), (-G1Affine::generator(), *signature)])
}

/// A point times a secret scalar, big endian and below the order.
///
/// Four bits at a time, which takes a third of the additions that one by one takes. Which of the point's multiples is
/// added shows neither in time nor in the addresses read: all are read, always.
pub fn multiply_g2(point: &G2Affine, secret: &[u8; 32]) -> G2Affine {
    let mut multiples = [G2Projective::identity(); 16];
    for at in 1..multiples.len() {
        multiples[at] = multiples[at - 1] + point;
    }
    let mut product = G2Projective::identity();
    for digit in secret.iter().flat_map(|byte| [byte >> 4, byte & 15]) {
        for _ in 0..4 {
            product = product.double();
        }
        let mut chosen = multiples[0];
        for (number, multiple) in (0u8..).zip(&multiples) {
            chosen.conditional_assign(multiple, number.ct_eq(&digit));
        }
        product += chosen;
    }
    product.into()
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
