//! `blst`.

use bls12_381::{G1Affine, G2Affine};
use blst::{
    BLST_ERROR, blst_fp12, blst_p1_affine, blst_p2, blst_p2_affine, blst_scalar,
    min_pk::{PublicKey, SecretKey, Signature},
};

use crate::bytes::G2Bytes;

/// As in `portable`.
pub fn hash_to_g2(message: &[u8], dst: &[u8]) -> G2Affine {
    let mut point = blst_p2::default();
    // SAFETY: the pointers are valid for the lengths given with them, and the augmentation may be null if it is empty.
    #[expect(unsafe_code, reason = "the library has no safe form of it")]
    unsafe {
        let (dst, dst_len) = (dst.as_ptr(), dst.len());
        blst::blst_hash_to_g2(
            &raw mut point,
            message.as_ptr(),
            message.len(),
            dst,
            dst_len,
            std::ptr::null(),
            0,
        );
    }
    from_blst(&to_affine(&point))
}

/// As in `portable`.
pub fn decode_g2(bytes: &G2Bytes) -> Option<G2Affine> {
    let point = Signature::uncompress(&bytes.0).ok()?;
    let refuse_the_identity = true;
    point.validate(refuse_the_identity).ok()?;
    Some(from_blst(&point.into()))
}

/// As in `portable`.
pub fn is_signature(key: &G1Affine, message: &G2Affine, signature: &G2Affine) -> bool {
    let loops = blst_fp12::miller_loop_n(
        &[to_blst(message), to_blst(signature)],
        &[to_blst_g1(key), to_blst_g1(&-G1Affine::generator())],
    );
    let one = blst_fp12::default();
    blst_fp12::finalverify(&loops, &one)
}

/// As in `portable`.
pub fn multiply_g2(point: &G2Affine, secret: &[u8; 32]) -> G2Affine {
    let affine = to_blst(point);
    let (mut projective, mut product) = (blst_p2::default(), blst_p2::default());
    // Erased when dropped.
    let mut scalar = blst_scalar::default();
    // SAFETY: all pointers are to values of the types that the functions take. The multiplication is the library's
    // for signing: its time and memory accesses do not depend on the scalar.
    #[expect(unsafe_code, reason = "the library has no safe form of it")]
    unsafe {
        blst::blst_scalar_from_bendian(&raw mut scalar, secret.as_ptr());
        blst::blst_p2_from_affine(&raw mut projective, &raw const affine);
        blst::blst_sign_pk_in_g1(&raw mut product, &raw const projective, &raw const scalar);
    }
    from_blst(&to_affine(&product))
}

/// As in `portable`.
pub fn multiply_g1_generator(secret: &[u8; 32]) -> G1Affine {
    // Erased when dropped.
    let secret = SecretKey::from_bytes(secret).expect("a secret was checked when it was made");
    let bytes = secret.sk_to_pk().serialize();
    Option::from(G1Affine::from_uncompressed_unchecked(&bytes)).expect("the library encodes points correctly")
}

fn to_affine(point: &blst_p2) -> blst_p2_affine {
    let mut affine = blst_p2_affine::default();
    // SAFETY: both pointers are to values of the types that the function takes.
    #[expect(unsafe_code, reason = "the library has no safe form of it")]
    unsafe {
        blst::blst_p2_to_affine(&raw mut affine, point);
    }
    affine
}

fn from_blst(point: &blst_p2_affine) -> G2Affine {
    let bytes = Signature::from(*point).serialize();
    Option::from(G2Affine::from_uncompressed_unchecked(&bytes)).expect("the library encodes points correctly")
}

fn to_blst(point: &G2Affine) -> blst_p2_affine {
    let decoded: Result<Signature, BLST_ERROR> = Signature::deserialize(&point.to_uncompressed());
    decoded.expect("the point is on the curve").into()
}

fn to_blst_g1(point: &G1Affine) -> blst_p1_affine {
    PublicKey::deserialize(&point.to_uncompressed()).expect("the point is on the curve").into()
}
