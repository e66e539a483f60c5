//! BIP-340 signatures: spends, guardians' answers, issuers' credits.

use k256::schnorr::{Signature, SigningKey, VerifyingKey};

use crate::bytes::{Hash, SchnorrKey, SchnorrSignature};

/// A secret key whose bytes are erased when it is dropped. It has no `Debug`: it must never reach a log.
#[derive(Clone)]
pub struct SecretKey(SigningKey);

/// 32 bytes that are no secret key: zero, or not below the order of the curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("these bytes are not a secret key")]
pub struct NotASecretKey;

impl SecretKey {
    /// The key with the secret scalar `bytes`, 32 bytes, big endian.
    ///
    /// # Errors
    /// [`NotASecretKey`] for zero and for numbers not below the curve's order; random bytes meet it once in 2^128.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, NotASecretKey> {
        SigningKey::from_slice(bytes).map(Self).map_err(|_| NotASecretKey)
    }

    /// The secret scalar, 32 bytes.
    pub fn to_bytes(&self) -> zeroize::Zeroizing<[u8; 32]> {
        zeroize::Zeroizing::new(self.0.to_bytes().into())
    }

    /// The x-only public key.
    pub fn public_key(&self) -> SchnorrKey {
        SchnorrKey(self.0.verifying_key().to_bytes().into())
    }

    /// Signs a hash. Deterministic (BIP-340 with zero auxiliary randomness), so that doing it again gives the same bytes.
    pub fn sign(&self, digest: &Hash) -> SchnorrSignature {
        let signature = self
            .0
            .sign_raw(&digest.0, &[0; 32])
            .expect("signing fails only if the nonce hashes to zero, once in 2^256");
        SchnorrSignature(signature.to_bytes())
    }
}

/// Whether `signature` is `key`'s over `digest`. Bytes that are no key or no signature are simply not valid.
pub fn verify(key: &SchnorrKey, digest: &Hash, signature: &SchnorrSignature) -> bool {
    let Ok(key) = VerifyingKey::from_slice(&key.0) else { return false };
    let Ok(signature) = Signature::try_from(signature.0.as_slice()) else { return false };
    key.verify_raw(&digest.0, &signature).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_and_refuses_what_was_changed() {
        let secret = SecretKey::from_bytes(&[7; 32]).unwrap();
        let key = secret.public_key();
        let digest = Hash([9; 32]);
        let signature = secret.sign(&digest);
        assert_eq!(signature, secret.sign(&digest));
        assert!(verify(&key, &digest, &signature));
        assert!(!verify(&key, &Hash([8; 32]), &signature));
        for at in [0, 63] {
            let mut changed = signature;
            changed.0[at] ^= 1;
            assert!(!verify(&key, &digest, &changed));
        }
        assert!(!verify(&SchnorrKey([0xff; 32]), &digest, &signature));
        assert!(!verify(&key, &digest, &SchnorrSignature([0xff; 64])));
        assert!(SecretKey::from_bytes(&[0; 32]).is_err());
    }

    #[test]
    fn agrees_with_bip_340_vector_0() {
        // BIP-340, test-vectors.csv, index 0: secret key 3, message and auxiliary randomness zero.
        let mut secret = [0; 32];
        secret[31] = 3;
        let secret = SecretKey::from_bytes(&secret).unwrap();
        assert_eq!(
            secret.public_key().to_string().to_uppercase(),
            "F9308A019258C31049344F85F89D5229B531C845836F99B08601F113BCE036F9"
        );
        assert_eq!(
            secret.sign(&Hash([0; 32])).to_string().to_uppercase(),
            "E907831F80848D1069A5371B402410364BDF1C5F8307B0084C55F1CE2DCA8215\
             25F66A4A85EA8B71E482A74F382D2CE5EBEEE8FDB2172F477DF4900D310536C0"
        );
    }
}
