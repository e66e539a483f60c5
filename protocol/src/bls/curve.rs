//! The curve arithmetic that dominates a guardian's work, by one of two libraries.
//!
//! `portable` is `bls12_381` and runs everywhere. `native` is `blst` with its assembly. They compute the same, which
//! tests compare. Both multiply by secrets in constant time. Points are `bls12_381`'s; every one that goes in is of
//! the subgroup and not the identity.

#[cfg(feature = "native")]
mod native;
#[cfg(any(test, not(feature = "native")))]
mod portable;

#[cfg(feature = "native")]
pub use native::{decode_g2, hash_to_g2, is_signature, multiply_g1_generator, multiply_g2};
#[cfg(not(feature = "native"))]
pub use portable::{decode_g2, hash_to_g2, is_signature, multiply_g1_generator, multiply_g2};

#[cfg(all(test, feature = "native"))]
mod tests {
    use super::{native, portable};
    use crate::{bls::NOTE_DST, bytes::G2Bytes};
    use bls12_381::{G1Affine, G2Affine};
    use proptest::prelude::*;

    const ORDER: &str = "73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001";

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20))]

        #[test]
        fn both_libraries_compute_the_same(text in any::<[u8; 32]>(), secret in any::<[u8; 31]>()) {
            let mut scalar = [0; 32];
            scalar[1..].copy_from_slice(&secret);
            scalar[31] |= 1;
            let point = native::hash_to_g2(&text, NOTE_DST);
            prop_assert_eq!(point, portable::hash_to_g2(&text, NOTE_DST));
            let key = native::multiply_g1_generator(&scalar);
            prop_assert_eq!(key, portable::multiply_g1_generator(&scalar));
            let signature = native::multiply_g2(&point, &scalar);
            prop_assert_eq!(signature, portable::multiply_g2(&point, &scalar));
            let encoded = G2Bytes(signature.to_compressed());
            prop_assert_eq!(native::decode_g2(&encoded), Some(signature));
            for (key, valid) in [(key, true), (G1Affine::generator(), scalar[..31] == [0; 31] && scalar[31] == 1)] {
                prop_assert_eq!(native::is_signature(&key, &point, &signature), valid);
                prop_assert_eq!(portable::is_signature(&key, &point, &signature), valid);
            }
        }

        #[test]
        fn both_libraries_refuse_the_same(bytes in any::<[u8; 96]>(), flags in 0u8..8) {
            // Most x-coordinates below 2^376 are canonical, and half of them are on the curve, outside the subgroup.
            let mut bytes = bytes;
            (bytes[0], bytes[48]) = (flags << 5, 0);
            let bytes = G2Bytes(bytes);
            prop_assert_eq!(native::decode_g2(&bytes), None);
            prop_assert_eq!(portable::decode_g2(&bytes), None);
        }
    }

    #[test]
    fn edges_are_the_same() {
        let mut last: [u8; 32] = hex::decode(ORDER).unwrap().try_into().unwrap();
        last[31] -= 1;
        let mut one = [0; 32];
        one[31] = 1;
        let point = G2Affine::generator();
        assert_eq!(native::multiply_g2(&point, &one), point);
        assert_eq!(native::multiply_g2(&point, &last), -point);
        assert_eq!(portable::multiply_g2(&point, &last), -point);
        assert_eq!(native::multiply_g1_generator(&last), -G1Affine::generator());
        let mut identity = G2Bytes([0; 96]);
        identity.0[0] = 0xc0;
        assert_eq!((native::decode_g2(&identity), portable::decode_g2(&identity)), (None, None));
    }
}
