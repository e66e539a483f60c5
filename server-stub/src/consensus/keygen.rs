//! Generating a threshold key together, so that nobody ever knows it.
//!
//! The engine's `sync_key_gen` (after "Distributed Key Generation in the Wild", Kate, Huang, Goldberg; 2012): every
//! guardian deals a random key of its own, in a *part* with a commitment and an encrypted row for each guardian;
//! every guardian answers every part with an *ack* that holds an encrypted value for each guardian; the key is the
//! sum of all that was dealt. All guardians must handle the same parts and acks in the same order. Here that is
//! the order of their numbers, and everybody's part and all acks are needed: whoever fails is named.
//!
//! What the engine does not check is checked here: the degree of each part, which is the threshold of the key, and that
//! every share verifies at the end. Keys leave as plain bytes, the encodings that all libraries share.

use std::{collections::BTreeMap, sync::Arc};

use bincode::Options;
use fedimint_hbbft::{
    crypto::{
        PublicKey, SecretKey, SecretKeyShare, group::Curve, poly::BivarCommitment, serde_impl::SerdeSecret,
    },
    sync_key_gen::{Ack, AckOutcome, Part, PartOutcome, SyncKeyGen},
};
use rand::{CryptoRng, Rng, RngCore};
use rekindle_protocol::bytes::G1Bytes;
use zeroize::Zeroize;

use super::{ConsensusKeys, GuardianId, SecretScalar, max_faulty};

/// Most bytes of a part or ack of one key; for 100 guardians they have some 90,000.
const MAX_MESSAGE_BYTES: u64 = 1 << 20;

/// Why no key came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyGenError {
    /// A guardian sent what no correct one does.
    #[error("guardian {culprit} sent {what}")]
    Fault {
        /// Who.
        culprit: GuardianId,
        /// What.
        what: &'static str,
    },
    /// The library failed.
    #[error("the keys could not be generated")]
    Internal,
}

/// A guardian's key for what only it may read during the generation. It has no `Debug`; erased when dropped.
#[derive(Clone)]
pub struct DealingKey(SecretKey);

impl DealingKey {
    /// A fresh key.
    pub fn random<R: RngCore + CryptoRng>(rng: &mut R) -> Self {
        Self(rng.r#gen())
    }

    /// What others encrypt to.
    pub fn public_key(&self) -> G1Bytes {
        G1Bytes(self.0.public_key().to_bytes())
    }
}

/// A key that was generated: what everybody knows of it, and this guardian's share.
pub struct GeneratedKey {
    /// The public polynomial: the commitments to its f + 1 coefficients, constant term first.
    pub coefficients: Vec<G1Bytes>,
    /// The public key of each guardian's share, by id.
    pub shares: Vec<G1Bytes>,
    /// This guardian's share: the polynomial at id + 1, big endian.
    pub secret: SecretScalar,
}

impl GeneratedKey {
    /// The key as one for the engine's common coin.
    pub fn into_consensus_keys(self) -> ConsensusKeys {
        ConsensusKeys { coefficients: self.coefficients, secret: self.secret }
    }
}

/// A guardian's part in the generation of one key.
pub struct KeyGeneration {
    own: GuardianId,
    guardians: u16,
    engine: SyncKeyGen<GuardianId>,
}

impl KeyGeneration {
    /// Begins: deals this guardian's part, to be sent to all. `readers` are everybody's public dealing keys.
    ///
    /// # Errors
    /// [`KeyGenError`] names whose public key is none.
    pub fn new<R: RngCore + CryptoRng>(
        own: GuardianId,
        key: &DealingKey,
        readers: &[G1Bytes],
        rng: &mut R,
    ) -> Result<(Self, Vec<u8>), KeyGenError> {
        let guardians = u16::try_from(readers.len()).map_err(|_| KeyGenError::Internal)?;
        let mut keys = BTreeMap::new();
        for (id, bytes) in (0..guardians).zip(readers) {
            let fault = KeyGenError::Fault { culprit: id, what: "a dealing key that is none" };
            let reader = PublicKey::from_bytes(bytes.0).map_err(|_| fault)?;
            if bytes.0[0] & IDENTITY_FLAG != 0 {
                return Err(fault);
            }
            keys.insert(id, reader);
        }
        let threshold = max_faulty(guardians);
        let (engine, part) = SyncKeyGen::new(own, key.0.clone(), Arc::new(keys), threshold, rng)
            .map_err(|_| KeyGenError::Internal)?;
        let part = part.ok_or(KeyGenError::Internal)?;
        let part = codec().serialize(&part).map_err(|_| KeyGenError::Internal)?;
        Ok((Self { own, guardians, engine }, part))
    }

    /// Handles everybody's part, by id, this guardian's own included: its acks, by the id of whose part they answer.
    ///
    /// # Errors
    /// [`KeyGenError`].
    pub fn handle_parts<R: RngCore + CryptoRng>(
        &mut self,
        parts: &[&[u8]],
        rng: &mut R,
    ) -> Result<Vec<Vec<u8>>, KeyGenError> {
        let mut acks = Vec::new();
        for (culprit, bytes) in (0..self.guardians).zip(parts) {
            let fault = |what| KeyGenError::Fault { culprit, what };
            // What the engine keeps to itself: a part is its commitment and the rows.
            let (commitment, _): (BivarCommitment, Vec<Vec<u8>>) =
                codec().deserialize(bytes).map_err(|_| fault("a part that does not decode"))?;
            if commitment.degree() != max_faulty(self.guardians) {
                return Err(fault("a part of another degree than the keys' threshold"));
            }
            let part: Part = codec().deserialize(bytes).map_err(|_| fault("a part that does not decode"))?;
            match self.engine.handle_part(&culprit, part, rng).map_err(|_| KeyGenError::Internal)? {
                PartOutcome::Valid(Some(ack)) => {
                    acks.push(codec().serialize(&ack).map_err(|_| KeyGenError::Internal)?);
                }
                PartOutcome::Valid(None) => return Err(KeyGenError::Internal),
                PartOutcome::Invalid(_) => return Err(fault("a part that does not fit its commitment")),
            }
        }
        if acks.len() == usize::from(self.guardians) { Ok(acks) } else { Err(KeyGenError::Internal) }
    }

    /// Handles everybody's acks, by the id of who sent them, and ends with the key.
    ///
    /// # Errors
    /// [`KeyGenError`].
    pub fn handle_acks(mut self, acks: &[Vec<Vec<u8>>]) -> Result<GeneratedKey, KeyGenError> {
        for (culprit, acks) in (0..self.guardians).zip(acks) {
            let fault = |what| KeyGenError::Fault { culprit, what };
            if acks.len() != usize::from(self.guardians) {
                return Err(fault("another number of acks than there are parts"));
            }
            for (proposer, bytes) in (0u64..).zip(acks) {
                // An ack is the number of the part that it answers, and the values.
                let (answers, _): (u64, Vec<Vec<u8>>) =
                    codec().deserialize(bytes).map_err(|_| fault("an ack that does not decode"))?;
                if answers != proposer {
                    return Err(fault("acks out of their order"));
                }
                let ack: Ack =
                    codec().deserialize(bytes).map_err(|_| fault("an ack that does not decode"))?;
                match self.engine.handle_ack(&culprit, ack).map_err(|_| KeyGenError::Internal)? {
                    AckOutcome::Valid => {}
                    AckOutcome::Invalid(_) => return Err(fault("an ack that does not fit the part")),
                }
            }
        }
        if self.engine.count_complete() != usize::from(self.guardians) {
            return Err(KeyGenError::Internal);
        }
        let (public, secret) = self.engine.generate().map_err(|_| KeyGenError::Internal)?;
        let secret = secret.ok_or(KeyGenError::Internal)?;
        let shares: Vec<G1Bytes> = (0..u64::from(self.guardians))
            .map(|id| G1Bytes(public.public_key_share(id).to_bytes()))
            .collect();
        let coefficients: Vec<G1Bytes> =
            public.coefficients().map(|point| G1Bytes(point.to_affine().to_compressed())).collect();
        let own = shares.get(usize::from(self.own)).ok_or(KeyGenError::Internal)?;
        if coefficients.len() != max_faulty(self.guardians) + 1
            || secret.public_key_share().to_bytes() != own.0
        {
            return Err(KeyGenError::Internal);
        }
        Ok(GeneratedKey { coefficients, shares, secret: scalar(&secret)? })
    }
}

/// First byte's flag for the identity in compressed encodings.
const IDENTITY_FLAG: u8 = 0x40;

/// A share as 32 bytes, big endian. Its serde form is the scalar in little endian.
fn scalar(share: &SecretKeyShare) -> Result<SecretScalar, KeyGenError> {
    let mut bytes = bincode::serialize(&SerdeSecret(share)).map_err(|_| KeyGenError::Internal)?;
    bytes.reverse();
    let scalar = bytes.as_slice().try_into().map(SecretScalar);
    bytes.zeroize();
    scalar.map_err(|_| KeyGenError::Internal)
}

/// The engine's form of messages, with limits.
fn codec() -> impl Options {
    bincode::DefaultOptions::new()
        .with_fixint_encoding()
        .with_limit(MAX_MESSAGE_BYTES)
        .reject_trailing_bytes()
}

#[cfg(test)]
mod tests {
    use fedimint_hbbft::crypto::poly::BivarPoly;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use rekindle_protocol::bls::{KeySet, Message, SecretShare, combine};

    use super::*;

    const N: u16 = 4;

    fn rng(number: u64) -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(number)
    }

    /// All guardians after they have dealt.
    fn dealt() -> (Vec<KeyGeneration>, Vec<Vec<u8>>) {
        let keys: Vec<_> = (0..u64::from(N)).map(|id| DealingKey::random(&mut rng(id))).collect();
        let readers: Vec<_> = keys.iter().map(DealingKey::public_key).collect();
        (0..N)
            .zip(&keys)
            .map(|(id, key)| KeyGeneration::new(id, key, &readers, &mut rng(10 + u64::from(id))).unwrap())
            .unzip()
    }

    fn answer(guardians: &mut [KeyGeneration], parts: &[Vec<u8>]) -> Vec<Result<Vec<Vec<u8>>, KeyGenError>> {
        let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
        guardians.iter_mut().map(|guardian| guardian.handle_parts(&parts, &mut rng(20))).collect()
    }

    #[test]
    fn all_get_shares_of_one_key_that_nobody_knows() {
        let (mut guardians, parts) = dealt();
        let acks: Vec<_> = answer(&mut guardians, &parts).into_iter().map(Result::unwrap).collect();
        let keys: Vec<_> = guardians.into_iter().map(|one| one.handle_acks(&acks).unwrap()).collect();
        let message = Message::hash(b"test", b"TEST");
        let mut signatures = BTreeMap::new();
        for (id, key) in (0..N).zip(&keys) {
            assert_eq!((&key.coefficients, &key.shares), (&keys[0].coefficients, &keys[0].shares));
            let share = SecretShare::from_bytes(&key.secret.0).unwrap();
            assert_eq!(share.public_key(), key.shares[usize::from(id)]);
            signatures.insert(id, share.sign(&message));
        }
        let public = KeySet { public_key: keys[0].coefficients[0], shares: keys[0].shares.clone() };
        for chosen in [[0, 1], [2, 3], [0, 3]] {
            let shares: Vec<_> = chosen.into_iter().map(|id| (id, signatures[&id])).collect();
            assert!(public.public_key().unwrap().verify(&message, &combine(1, &shares).unwrap()));
        }
        for (id, key) in (0..N).zip(keys) {
            assert!(key.into_consensus_keys().network_info(id, N).is_ok());
        }
    }

    #[test]
    fn parts_of_another_degree_are_refused_with_the_culprit() {
        for degree in [0, 2, 3] {
            let (mut guardians, mut parts) = dealt();
            let commitment = BivarPoly::random(degree, &mut rng(1)).commitment();
            parts[2] = codec().serialize(&(commitment, vec![Vec::<u8>::new(); 4])).unwrap();
            let what = "a part of another degree than the keys' threshold";
            for result in answer(&mut guardians, &parts) {
                assert_eq!(result.unwrap_err(), KeyGenError::Fault { culprit: 2, what });
            }
        }
    }

    #[test]
    fn damaged_parts_and_acks_are_refused_with_the_culprit() {
        let (mut guardians, mut parts) = dealt();
        let good = parts.clone();
        parts[1].pop();
        let what = "a part that does not decode";
        assert_eq!(answer(&mut guardians[..1], &parts)[0], Err(KeyGenError::Fault { culprit: 1, what }));
        let (mut guardians, _) = dealt();
        // Somebody else's rows under the own commitment.
        let (commitment, _): (BivarCommitment, Vec<Vec<u8>>) = codec().deserialize(&good[1]).unwrap();
        let (_, rows): (BivarCommitment, Vec<Vec<u8>>) = codec().deserialize(&good[3]).unwrap();
        parts = good.clone();
        parts[1] = codec().serialize(&(commitment, rows)).unwrap();
        let what = "a part that does not fit its commitment";
        assert_eq!(answer(&mut guardians[..1], &parts)[0], Err(KeyGenError::Fault { culprit: 1, what }));

        type Change = fn(&mut Vec<Vec<u8>>);
        let changes: [(Change, &str); 4] = [
            (|acks| drop(acks.pop()), "another number of acks than there are parts"),
            (|acks| acks.swap(0, 1), "acks out of their order"),
            (|acks| acks[2].truncate(9), "an ack that does not decode"),
            (
                |acks| {
                    let (answers, mut values): (u64, Vec<Vec<u8>>) = codec().deserialize(&acks[2]).unwrap();
                    values.rotate_left(1);
                    acks[2] = codec().serialize(&(answers, values)).unwrap();
                },
                "an ack that does not fit the part",
            ),
        ];
        for (change, what) in changes {
            let (mut guardians, parts) = dealt();
            let mut acks: Vec<_> = answer(&mut guardians, &parts).into_iter().map(Result::unwrap).collect();
            change(&mut acks[3]);
            let error = guardians.remove(0).handle_acks(&acks).err();
            assert_eq!(error, Some(KeyGenError::Fault { culprit: 3, what }));
        }
    }

    #[test]
    fn a_dealing_key_that_is_none_is_refused() {
        let key = DealingKey::random(&mut rng(1));
        let mut identity = [0; 48];
        identity[0] = 0xc0;
        for bad in [G1Bytes([0xff; 48]), G1Bytes(identity)] {
            let readers = [key.public_key(), bad, key.public_key(), key.public_key()];
            let error = KeyGeneration::new(0, &key, &readers, &mut rng(2)).err();
            assert!(matches!(error, Some(KeyGenError::Fault { culprit: 1, .. })));
        }
    }
}
