//! Combination of signature shares by Lagrange interpolation.
//!
//! Guardian `id`'s share is the value at `id + 1` of a polynomial over G2; the signature is its value at 0, so it is
//! the sum of each share times a public coefficient (Boneh, Lynn, Shacham signatures with Shamir's sharing: Boldyreva,
//! "Threshold signatures, multisignatures and blind signatures", PKC 2003).

use bls12_381::{G2Affine, G2Projective, Scalar};

use super::{BlsError, check_g2};
use crate::bytes::G2Bytes;

/// Combines signature shares of distinct guardians into the one signature that any `threshold` + 1 of them make; the
/// first so many are used.
///
/// Shares must have been verified: a wrong one gives a wrong signature, not an error.
///
/// # Errors
/// [`BlsError::TooFewShares`] for `threshold` shares or fewer and for two of one guardian, [`BlsError::NotAPoint`].
pub fn combine(threshold: usize, shares: &[(u16, G2Bytes)]) -> Result<G2Bytes, BlsError> {
    let shares = shares.get(..=threshold).ok_or(BlsError::TooFewShares)?;
    let place = |id: u16| Scalar::from(u64::from(id) + 1);
    let mut terms = Vec::with_capacity(shares.len());
    for (own, (id, share)) in shares.iter().enumerate() {
        let (mut numerator, mut denominator) = (Scalar::one(), Scalar::one());
        for (at, (other, _)) in shares.iter().enumerate() {
            if at != own {
                numerator *= place(*other);
                // Zero, which has no inverse, for two shares of one guardian.
                denominator *= place(*other) - place(*id);
            }
        }
        let inverse = Option::<Scalar>::from(denominator.invert()).ok_or(BlsError::TooFewShares)?;
        terms.push((check_g2(share)?, (numerator * inverse).to_bytes()));
    }
    Ok(G2Bytes(G2Affine::from(sum_of_products(&terms)).to_compressed()))
}

/// The sum of all points times their scalars (32 bytes, little endian), with one run of doublings for all of them.
/// Its time depends on the scalars, which are public here.
fn sum_of_products(terms: &[(G2Affine, [u8; 32])]) -> G2Projective {
    let mut sum = G2Projective::identity();
    for bit in (0..256).rev() {
        sum = sum.double();
        for (point, scalar) in terms {
            if scalar[bit / 8] >> (bit % 8) & 1 == 1 {
                sum += point;
            }
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use threshold_crypto::{PublicKeySet, Signature, SignatureShare, poly::Poly};

    use super::*;
    use crate::bls::{KeySet, Message, SESSION_DST};

    #[test]
    fn agrees_with_threshold_crypto() {
        let mut rng = rand::rngs::StdRng::seed_from_u64(4);
        for (threshold, guardians) in [(0, 1), (1, 4), (2, 7), (5, 16)] {
            let (_, secrets) = KeySet::deal(threshold, guardians, &mut rng);
            let message = Message::hash(b"session", SESSION_DST);
            // The last ones, so that places and numbers differ.
            let signers = (0..guardians).zip(&secrets).rev().take(threshold + 1);
            let shares: Vec<(u16, G2Bytes)> = signers.map(|(id, key)| (id, key.sign(&message))).collect();
            let theirs: Vec<(u64, SignatureShare)> = shares
                .iter()
                .map(|(id, share)| (u64::from(*id), SignatureShare(Signature::from_bytes(share.0).unwrap())))
                .collect();
            let degree = PublicKeySet::from(Poly::monomial(threshold).commitment());
            let expected = degree.combine_signatures(theirs.iter().map(|(id, share)| (*id, share))).unwrap();
            assert_eq!(combine(threshold, &shares).unwrap().0, expected.to_bytes());
        }
    }

    #[test]
    fn one_guardian_counts_once() {
        let (_, secrets) = KeySet::deal(1, 4, &mut rand::rngs::StdRng::seed_from_u64(5));
        let share = secrets[0].sign(&Message::hash(b"m", SESSION_DST));
        assert_eq!(combine(1, &[(0, share), (0, share)]), Err(BlsError::TooFewShares));
        assert_eq!(combine(1, &[(0, share)]), Err(BlsError::TooFewShares));
        assert_eq!(combine(1, &[(0, share), (1, G2Bytes([0; 96]))]), Err(BlsError::NotAPoint));
    }
}
