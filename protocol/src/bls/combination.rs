//! Combination of signature shares by Lagrange interpolation.
//!
//! Guardian `id`'s share is the value at `id + 1` of a polynomial over G2; the signature is its value at 0, so it is
//! the sum of each share times a public coefficient (Boneh, Lynn, Shacham signatures with Shamir's sharing: Boldyreva,
//! "Threshold signatures, multisignatures and blind signatures", PKC 2003).
//!
//! The coefficients are fractions, and over a common denominator their numerators are small. So adding up takes few
//! steps, and dividing by the denominator is one multiplication for all: the one that takes a blinding off anyway.

use bls12_381::{G2Affine, G2Projective, Scalar};

use super::{BlindingFactor, BlsError, Signature, blinding::inverse, curve};
use crate::bytes::G2Bytes;

/// The coefficients that combine the shares of certain guardians.
pub struct Interpolation {
    guardians: Vec<u16>,
    /// Each guardian's coefficient times the denominator.
    numerators: Vec<Numerator>,
    /// One divided by the denominator.
    inverse: Scalar,
}

/// A public factor: the smaller of a scalar and its negative.
struct Numerator {
    negative: bool,
    /// Little endian.
    bytes: [u8; 32],
}

impl Numerator {
    fn new(scalar: Scalar) -> Self {
        let (bytes, negated) = (scalar.to_bytes(), (-scalar).to_bytes());
        let negative = negated.iter().rev().lt(bytes.iter().rev());
        Self { negative, bytes: if negative { negated } else { bytes } }
    }
}

/// The product of all differences of two: what the coefficients' denominators have in common. Without those of one
/// place it is, but for the sign, what a coefficient's denominator lacks.
fn differences(places: &[Scalar]) -> Scalar {
    let mut product = Scalar::one();
    for (at, place) in places.iter().enumerate() {
        places[..at].iter().for_each(|lower| product *= place - lower);
    }
    product
}

impl Interpolation {
    /// For shares of these guardians: distinct ones, one more than the threshold.
    ///
    /// # Errors
    /// [`BlsError::TooFewShares`] for two of one guardian.
    pub fn new(guardians: &[u16]) -> Result<Self, BlsError> {
        let places: Vec<Scalar> = guardians.iter().map(|id| Scalar::from(u64::from(*id) + 1)).collect();
        // Zero, which has no inverse, for two shares of one guardian.
        let inverse = inverse(&differences(&places)).ok_or(BlsError::TooFewShares)?;
        let mut numerators = Vec::with_capacity(places.len());
        for own in 0..places.len() {
            let mut others = places.clone();
            others.remove(own);
            let product = others.iter().fold(differences(&others), |product, place| product * place);
            numerators.push(Numerator::new(if own % 2 == 0 { product } else { -product }));
        }
        Ok(Self { guardians: guardians.to_vec(), numerators, inverse })
    }

    /// The guardians, in the order in which their shares are to be given.
    pub fn guardians(&self) -> &[u16] {
        &self.guardians
    }

    /// Combines shares.
    ///
    /// # Errors
    /// [`BlsError::NotAPoint`] if one is no point or the result is none of the subgroup, [`BlsError::TooFewShares`].
    pub fn combine(&self, shares: &[G2Bytes]) -> Result<Signature, BlsError> {
        Signature::checked(self.sum(shares)? * self.inverse)
    }

    /// Combines shares on a blinded message and takes the blinding off.
    ///
    /// # Errors
    /// As for [`Interpolation::combine`].
    pub fn unblind(&self, shares: &[G2Bytes], factor: &BlindingFactor) -> Result<Signature, BlsError> {
        let Signature(sum) = Signature::checked(self.sum(shares)?)?;
        let factor = factor.divide(&self.inverse)?;
        Ok(Signature(curve::multiply_g2(&sum, &factor)))
    }

    /// The combination times the denominator. Of the shares only the curve's equation is checked: the subgroup is
    /// checked of the result, once for all.
    fn sum(&self, shares: &[G2Bytes]) -> Result<G2Projective, BlsError> {
        if shares.len() != self.numerators.len() {
            return Err(BlsError::TooFewShares);
        }
        let mut terms = Vec::with_capacity(shares.len());
        for (share, Numerator { negative, bytes }) in shares.iter().zip(&self.numerators) {
            let point: Option<G2Affine> = G2Affine::from_compressed_unchecked(&share.0).into();
            let point = point.ok_or(BlsError::NotAPoint)?;
            terms.push((G2Projective::from(if *negative { -point } else { point }), *bytes));
        }
        Ok(sum_of_products(&terms))
    }
}

/// Combines signature shares of distinct guardians into the one signature that any `threshold` + 1 of them make; the
/// first so many are used.
///
/// Shares must have been verified: a wrong one gives a wrong signature, not an error.
///
/// # Errors
/// [`BlsError::TooFewShares`] for `threshold` shares or fewer and for two of one guardian, [`BlsError::NotAPoint`].
pub fn combine(threshold: usize, shares: &[(u16, G2Bytes)]) -> Result<G2Bytes, BlsError> {
    let shares = shares.get(..=threshold).ok_or(BlsError::TooFewShares)?;
    let guardians: Vec<u16> = shares.iter().map(|(id, _)| *id).collect();
    let shares: Vec<G2Bytes> = shares.iter().map(|(_, share)| *share).collect();
    Ok(Interpolation::new(&guardians)?.combine(&shares)?.to_bytes())
}

/// The sum of all points times their scalars (little endian), with one run of doublings for all of them. Its time
/// depends on the scalars, which must be public.
pub(super) fn sum_of_products(terms: &[(G2Projective, [u8; 32])]) -> G2Projective {
    let mut sum = G2Projective::identity();
    let mut begun = false;
    for bit in (0..256).rev() {
        // Doubling nothing takes as long as doubling something.
        if begun {
            sum = sum.double();
        }
        for (point, scalar) in terms {
            if scalar[bit / 8] >> (bit % 8) & 1 == 1 {
                sum += point;
                begun = true;
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
