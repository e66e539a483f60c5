//! The secrets of a whole federation in one hand.

use bls12_381::Scalar;
use rekindle_protocol::{bls::SecretShare, schnorr};

use crate::dealer::Dealt;

/// What a dealer that keeps everything can sign: sessions, notes and credits, without the guardians.
pub struct FederationSecrets {
    /// The key of sessions.
    pub session: SecretShare,
    /// The key of each denomination, from 2^0 sats up.
    pub mint: Vec<SecretShare>,
    /// The key of issuer 0.
    pub issuer: schnorr::SecretKey,
}

impl FederationSecrets {
    /// Puts the guardians' shares together. `None` if they are no shares of one key.
    pub fn of(dealt: &Dealt) -> Option<Self> {
        let whole = |shares: Vec<&SecretShare>| {
            // Any f + 1 shares would do; all of them are points of the same polynomial.
            SecretShare::from_bytes(&interpolate(&shares)?).ok()
        };
        let denominations = dealt.guardians.first()?.mint.len();
        Some(Self {
            session: whole(dealt.guardians.iter().map(|keys| &keys.session).collect())?,
            mint: (0..denominations)
                .map(|at| whole(dealt.guardians.iter().map(|keys| keys.mint.get(at)).collect::<Option<_>>()?))
                .collect::<Option<_>>()?,
            issuer: dealt.issuer.clone(),
        })
    }
}

/// The polynomial through the shares of guardians 0, 1, ... (its values at 1, 2, ...), at zero: Shamir's secret,
/// big endian.
fn interpolate(shares: &[&SecretShare]) -> Option<[u8; 32]> {
    let at = |id: usize| Scalar::from(id as u64 + 1);
    let mut secret = Scalar::zero();
    for (id, share) in shares.iter().enumerate() {
        let mut bytes = **share.to_bytes();
        bytes.reverse();
        let mut term = Option::<Scalar>::from(Scalar::from_bytes(&bytes))?;
        for other in (0..shares.len()).filter(|other| *other != id) {
            term *= at(other) * Option::<Scalar>::from((at(other) - at(id)).invert())?;
        }
        secret += term;
    }
    let mut bytes = secret.to_bytes();
    bytes.reverse();
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dealer::Deal;

    #[test]
    fn whole_keys_are_those_of_the_config() {
        for guardians in [1, 4, 7] {
            let dealt = Deal { denominations: 2, ..Deal::new(guardians, String::new()) }.deal(&[3; 32]);
            let secrets = FederationSecrets::of(&dealt).unwrap();
            assert_eq!(secrets.session.public_key(), dealt.config.session_keys.public_key);
            let (_, mint) = dealt.config.mint().unwrap();
            for (whole, keys) in secrets.mint.iter().zip(&mint.denominations) {
                assert_eq!(whole.public_key(), keys.public_key);
            }
        }
    }
}
