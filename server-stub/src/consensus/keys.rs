//! The engine's threshold key, which tosses the common coin of its binary agreements.
//!
//! It is a key of its own: nothing it signs can be mistaken for a session or a note. The engine's key types are
//! not those of the rest of the federation, and their serde forms differ, so keys are kept as plain bytes:
//! compressed points (48 bytes) and big-endian scalars (32 bytes), the encodings that all libraries share.

use fedimint_hbbft::{
    NetworkInfo,
    crypto::{
        G1Affine, PublicKeySet, Scalar, SecretKeyShare,
        group::Curve,
        poly::{Commitment, Poly},
    },
};
use rand::RngCore;
use rekindle_protocol::{
    bytes::G1Bytes,
    encoding::{Decode, Encode},
};
use zeroize::{Zeroize, Zeroizing};

use super::GuardianId;

/// Why a guardian's keys for the engine are not usable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// A coefficient is not a point of the group, or is the identity.
    #[error("a public coefficient of the consensus key is not a point of the group")]
    NotAPoint,
    /// The secret is zero or not below the order of the group.
    #[error("the secret share of the consensus key is not a scalar")]
    NotAScalar,
    /// The number of coefficients is not f + 1.
    #[error("the consensus key has the wrong threshold for this number of guardians")]
    WrongThreshold,
    /// The secret does not belong to this guardian's public share.
    #[error("the secret share of the consensus key does not match its public key")]
    WrongShare,
    /// No such guardian.
    #[error("the guardian is not part of the federation")]
    NoSuchGuardian,
}

/// One guardian's share of the engine's threshold key. It has no `Debug`, and the secret is erased when dropped.
#[derive(Clone, Encode, Decode)]
pub struct ConsensusKeys {
    /// The public polynomial: the commitments to its f + 1 coefficients, constant term first.
    pub coefficients: Vec<G1Bytes>,
    /// This guardian's secret: the polynomial at id + 1, big endian.
    pub secret: SecretScalar,
}

/// 32 secret bytes, erased when dropped.
#[derive(Clone, Encode, Decode)]
pub struct SecretScalar(pub [u8; 32]);

impl Drop for SecretScalar {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl ConsensusKeys {
    /// Deals fresh keys to `guardians` guardians, as a trusted dealer, with threshold f = (n - 1) / 3.
    pub fn deal<R: RngCore>(guardians: u16, rng: &mut R) -> Vec<Self> {
        let degree = max_faulty(guardians);
        let polynomial = Poly::random(degree, rng);
        let public = PublicKeySet::from(polynomial.commitment());
        let coefficients: Vec<_> =
            public.coefficients().map(|point| G1Bytes(point.to_affine().to_compressed())).collect();
        (0..u64::from(guardians))
            .map(|id| {
                let mut secret = Zeroizing::new(polynomial.evaluate(id + 1).to_bytes());
                secret.reverse();
                Self { coefficients: coefficients.clone(), secret: SecretScalar(*secret) }
            })
            .collect()
    }

    /// Checks the keys of guardian `own` of `guardians` and brings them into the engine's form.
    ///
    /// # Errors
    /// [`KeyError`]: everything the engine would panic on is refused here.
    pub(super) fn network_info(
        &self,
        own: GuardianId,
        guardians: u16,
    ) -> Result<NetworkInfo<GuardianId>, KeyError> {
        if own >= guardians {
            return Err(KeyError::NoSuchGuardian);
        }
        if self.coefficients.len() != max_faulty(guardians) + 1 {
            return Err(KeyError::WrongThreshold);
        }
        let coefficients = self
            .coefficients
            .iter()
            .map(|bytes| {
                Option::<G1Affine>::from(G1Affine::from_compressed(&bytes.0))
                    .filter(|point| !bool::from(point.is_identity()))
                    .map(Into::into)
                    .ok_or(KeyError::NotAPoint)
            })
            .collect::<Result<Vec<_>, _>>()?;
        let public = PublicKeySet::from(Commitment::from(coefficients));
        let mut little_endian = Zeroizing::new(self.secret.0);
        little_endian.reverse();
        let mut scalar = Option::<Scalar>::from(Scalar::from_bytes(&little_endian))
            .filter(|scalar| *scalar != Scalar::zero())
            .ok_or(KeyError::NotAScalar)?;
        let secret = SecretKeyShare::from_mut(&mut scalar);
        if secret.public_key_share() != public.public_key_share(u64::from(own)) {
            return Err(KeyError::WrongShare);
        }
        Ok(NetworkInfo::new(own, secret, public, (0..guardians).collect::<Vec<_>>()))
    }
}

/// f: how many of `guardians` may be faulty.
pub(crate) fn max_faulty(guardians: u16) -> usize {
    usize::from(guardians.saturating_sub(1) / 3)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use rekindle_protocol::bls::SecretShare;

    use super::*;

    #[test]
    fn dealt_keys_are_accepted_and_others_refused() {
        let keys = ConsensusKeys::deal(4, &mut ChaCha8Rng::seed_from_u64(1));
        for (id, key) in (0..).zip(&keys) {
            assert!(key.network_info(id, 4).is_ok());
        }
        let error = |keys: &ConsensusKeys, own, n| keys.network_info(own, n).unwrap_err();
        assert_eq!(error(&keys[0], 1, 4), KeyError::WrongShare);
        assert_eq!(error(&keys[0], 4, 4), KeyError::NoSuchGuardian);
        assert_eq!(error(&keys[0], 0, 7), KeyError::WrongThreshold);
        let mut bad = keys[0].clone();
        bad.secret.0 = [0xff; 32];
        assert_eq!(error(&bad, 0, 4), KeyError::NotAScalar);
        bad.coefficients[1].0 = [0; 48];
        assert_eq!(error(&bad, 0, 4), KeyError::NotAPoint);
        bad.coefficients[1].0[0] = 0xc0;
        assert_eq!(error(&bad, 0, 4), KeyError::NotAPoint);
    }

    #[test]
    fn bytes_mean_the_same_key_to_the_rest_of_the_federation() {
        let keys = ConsensusKeys::deal(1, &mut ChaCha8Rng::seed_from_u64(2));
        let share = SecretShare::from_bytes(&keys[0].secret.0).unwrap();
        // With one guardian the polynomial is constant: its share is the key itself.
        assert_eq!(share.public_key(), keys[0].coefficients[0]);
    }
}
