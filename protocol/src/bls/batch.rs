//! Many signatures verified together, for little more than a pairing for each key.
//!
//! Each signature is weighed with a random number and what is weighed is added up, signatures as well as messages of
//! one key. Right signatures satisfy the pairing equation of the sums; if any is wrong, they do with probability 2^-64
//! at most, whatever the signatures are, for they were fixed before the numbers were drawn (Bellare, Garay, Rabin,
//! "Fast batch verification for modular exponentiation and digital signatures", EUROCRYPT 1998, the small exponents
//! test).

use bls12_381::{
    G1Affine, G2Affine, G2Prepared, G2Projective, Gt,
    hash_to_curve::{ExpandMsgXmd, HashToField, MapToCurve},
    multi_miller_loop,
};

use super::{PublicKey, Signature, combination::sum_of_products, sha256::Sha256};

type Field = <G2Projective as MapToCurve>::Field;

/// A message hashed to the curve by RFC 9380, all but the last step: clearing the cofactor, half of the work, commutes
/// with adding up and is done to sums.
#[derive(Clone, Copy)]
pub struct MessageHash(pub(super) G2Projective);

impl MessageHash {
    /// Hashes `message` under the domain separation tag `dst`.
    pub fn new(message: &[u8], dst: &[u8]) -> Self {
        let mut elements = [Field::default(); 2];
        Field::hash_to_field::<ExpandMsgXmd<Sha256>, _>([message], dst, &mut elements);
        let [first, second] = elements.map(|element| G2Projective::map_to_curve(&element));
        Self(first + second)
    }
}

/// Whether the product of these pairings is one.
pub(super) fn is_one(pairings: &[(G1Affine, G2Affine)]) -> bool {
    let mut prepared = Vec::with_capacity(pairings.len());
    pairings.iter().for_each(|(_, point)| prepared.push(G2Prepared::from(*point)));
    let mut terms = Vec::with_capacity(pairings.len());
    pairings.iter().zip(&prepared).for_each(|((key, _), point)| terms.push((key, point)));
    multi_miller_loop(&terms).final_exponentiation() == Gt::identity()
}

/// Sums of signatures and messages, to be verified together.
pub struct Batch {
    messages: Vec<(G1Affine, G2Affine)>,
    signatures: G2Projective,
}

impl Default for Batch {
    fn default() -> Self {
        Self { messages: Vec::new(), signatures: G2Projective::identity() }
    }
}

impl Batch {
    /// Adds signatures that are said to be of one key, each with its message and a number that whoever made the
    /// signature could not foresee.
    pub fn add(&mut self, key: &PublicKey, signed: &[(MessageHash, Signature, u64)]) {
        let (mut messages, mut signatures) = (Vec::new(), Vec::new());
        for (message, signature, random) in signed {
            let mut weight = [0; 32];
            weight[..8].copy_from_slice(&random.to_le_bytes());
            messages.push((message.0, weight));
            signatures.push((signature.0.into(), weight));
        }
        self.messages.push((key.0, sum_of_products(&messages).clear_cofactor().into()));
        self.signatures += sum_of_products(&signatures);
    }

    /// Whether all signatures are right: one Miller loop for each key and one more, one final exponentiation.
    pub fn verify(mut self) -> bool {
        self.messages.push((-G1Affine::generator(), self.signatures.into()));
        is_one(&self.messages)
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};
    use rand::{RngCore, SeedableRng, rngs::StdRng};

    use super::*;
    use crate::{
        bls::{BlindingFactor, Interpolation, KeySet, Message, NOTE_DST, SecretShare, blind},
        bytes::G2Bytes,
    };

    fn verify(
        keys: &[(KeySet, Vec<SecretShare>)],
        signed: &[(usize, MessageHash, Signature)],
        seed: u64,
    ) -> bool {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut batch = Batch::default();
        for (number, (key, _)) in keys.iter().enumerate() {
            let of_key = signed.iter().filter(|(of, ..)| *of == number);
            let of_key: Vec<_> =
                of_key.map(|(_, message, signature)| (*message, *signature, rng.next_u64())).collect();
            batch.add(&key.public_key().unwrap(), &of_key);
        }
        batch.verify()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]

        #[test]
        fn a_batch_is_right_exactly_if_each_signature_is(
            // Key, and what the signature is on or by instead.
            list in vec((0usize..3, prop_oneof![9 => Just(0u8), 1 => Just(1), 1 => Just(2)]), 0..8),
            seed in any::<u64>(),
        ) {
            let mut rng = StdRng::seed_from_u64(seed);
            let keys: Vec<_> = (0..3).map(|_| KeySet::deal(0, 1, &mut rng)).collect();
            let mut all_right = true;
            let signed: Vec<_> = (0u8..).zip(&list).map(|(text, (key, mistake))| {
                let (text, other) = ([text], [text + 100]);
                let signer = if *mistake == 1 { (key + 1) % 3 } else { *key };
                let message = Message::hash(if *mistake == 2 { &other } else { &text }, NOTE_DST);
                let bytes = keys[signer].1[0].sign(&message);
                let right = keys[*key].0.public_key().unwrap().verify(&Message::hash(&text, NOTE_DST), &bytes);
                all_right &= right;
                (*key, MessageHash::new(&text, NOTE_DST), Signature::from_bytes(&bytes).unwrap())
            }).collect();
            prop_assert_eq!(list.iter().all(|(_, mistake)| *mistake == 0), all_right);
            prop_assert_eq!(verify(&keys, &signed, seed), all_right);
        }
    }

    #[test]
    fn errors_that_cancel_out_are_found() {
        // The sum of the two is right, each is wrong.
        let keys = [KeySet::deal(0, 1, &mut StdRng::seed_from_u64(1))];
        let texts = [b"one", b"two"];
        let mut points = texts.map(|text| {
            G2Projective::from(
                Signature::from_bytes(&keys[0].1[0].sign(&Message::hash(text, NOTE_DST))).unwrap().0,
            )
        });
        let claims = |points: [G2Projective; 2]| {
            [0, 1].map(|at| (0, MessageHash::new(texts[at], NOTE_DST), Signature(points[at].into())))
        };
        assert!(verify(&keys, &claims(points), 3));
        points[0] += G2Projective::generator();
        points[1] -= G2Projective::generator();
        assert!(!verify(&keys, &claims(points), 3));
    }

    #[test]
    fn what_any_guardians_combine_is_right_unless_a_share_is_wrong() {
        let mut rng = StdRng::seed_from_u64(7);
        for (threshold, signers) in
            [(0, vec![0]), (1, vec![3, 1]), (2, vec![6, 0, 3]), (5, vec![15, 2, 9, 4, 11, 7])]
        {
            let keys = [KeySet::deal(threshold, 16, &mut rng)];
            let mut wide = [0; 64];
            rng.fill_bytes(&mut wide);
            let factor = BlindingFactor::from_wide_bytes(&wide);
            let blinded = Message::from_bytes(&blind(&Message::hash(b"nonce", NOTE_DST), &factor)).unwrap();
            let mut shares: Vec<G2Bytes> =
                signers.iter().map(|id| keys[0].1[usize::from(*id)].sign(&blinded)).collect();
            let interpolation = Interpolation::new(&signers).unwrap();
            let claim = |shares: &[G2Bytes]| {
                [(0, MessageHash::new(b"nonce", NOTE_DST), interpolation.unblind(shares, &factor).unwrap())]
            };
            assert!(verify(&keys, &claim(&shares), 1));
            shares[0] = blinded.to_bytes();
            assert!(!verify(&keys, &claim(&shares), 1));
            assert!(interpolation.unblind(&shares[1..], &factor).is_err());
        }
    }
}
