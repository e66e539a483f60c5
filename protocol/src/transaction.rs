//! Transactions: value that goes from inputs to outputs.
//!
//! The envelope is the same for every module. An input names its module, the one thing it spends and opaque
//! bytes for the module; an output names its module and bytes. So a party that doesn't know a module still
//! hashes, indexes and skips its parts.

use serde::{Deserialize, Serialize};

use crate::{
    amount::Amount,
    bytes::{FederationId, Hash, Memo, SchnorrSignature, Tag, Tweak, TxId},
    encoding::{self, Canonical, Decode, Encode},
    hash::Context,
};

/// Number of a module instance within its federation; the config says which kind it is.
pub type ModuleId = u16;

/// Most inputs of a transaction.
pub const MAX_INPUTS: usize = 255;
/// Most outputs of a transaction.
pub const MAX_OUTPUTS: usize = 255;
/// Most bytes of a module's part of an input or output.
pub const MAX_BODY_BYTES: usize = 1024;
/// Most bytes of an encoded transaction.
pub const MAX_TRANSACTION_BYTES: usize = 100_000;

/// Spends one thing, for ever.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct Input {
    /// The module that checks it.
    pub module: ModuleId,
    /// What is spent: unique within the module, and accepted once.
    pub nonce: Hash,
    /// The module's own encoding of the rest, at most [`MAX_BODY_BYTES`] bytes.
    #[encoding(bytes = MAX_BODY_BYTES)]
    #[serde(with = "hex::serde")]
    pub body: Vec<u8>,
}

/// Receives value.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct Output {
    /// The module that keeps it.
    pub module: ModuleId,
    /// The module's own encoding, at most [`MAX_BODY_BYTES`] bytes.
    #[encoding(bytes = MAX_BODY_BYTES)]
    #[serde(with = "hex::serde")]
    pub body: Vec<u8>,
}

/// Value going from inputs to outputs. The sum of the inputs is the sum of the outputs plus the fee.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct Transaction {
    /// Fresh random bytes, from which the owner derives the secrets of the outputs.
    pub tweak: Tweak,
    /// Lets the owner find the transaction.
    pub tag: Tag,
    /// A sealed note to the owner.
    pub memo: Memo,
    /// What the federation keeps, in sats; at least what the modules' configs ask for.
    pub fee: Amount,
    /// What is spent, at most [`MAX_INPUTS`].
    #[encoding(list = MAX_INPUTS)]
    pub inputs: Vec<Input>,
    /// Where it goes, at most [`MAX_OUTPUTS`].
    #[encoding(list = MAX_OUTPUTS)]
    pub outputs: Vec<Output>,
    /// One BIP-340 signature for each input over [`Transaction::spend_digest`], by the key that the input's module names.
    #[encoding(list = MAX_INPUTS)]
    pub signatures: Vec<SchnorrSignature>,
}

impl Transaction {
    /// Hash of all its bytes.
    pub fn id(&self) -> TxId {
        Self::id_of_bytes(&self.to_bytes())
    }

    /// The id of the transaction that `encoded` is the encoding of.
    pub fn id_of_bytes(encoded: &[u8]) -> TxId {
        TxId(Context::Transaction.hash(&[encoded]).0)
    }

    /// What the spend signatures sign: the federation and everything but the signatures.
    pub fn spend_digest(&self, federation: &FederationId) -> Hash {
        Context::SpendDigest.hash(&[&federation.0, &self.memo.0, &self.unsealed_bytes()])
    }

    /// What the memo is authenticated with: the federation and everything but the memo and the signatures.
    pub fn memo_digest(&self, federation: &FederationId) -> Hash {
        Context::MemoDigest.hash(&[&federation.0, &self.unsealed_bytes()])
    }

    /// Everything but the memo and the signatures.
    fn unsealed_bytes(&self) -> Vec<u8> {
        encoding::to_bytes(&(&self.tweak, &self.tag, &self.fee, &self.inputs, &self.outputs))
    }
}

/// Names one output of one transaction.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Encode, Decode, Serialize, Deserialize,
)]
pub struct OutPoint {
    /// The transaction.
    pub txid: TxId,
    /// The number of the output, from 0.
    pub output: u8,
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;
    use proptest::{collection::vec, prelude::*};

    fn body() -> impl Strategy<Value = Vec<u8>> {
        vec(any::<u8>(), 0..200)
    }

    pub fn any_transaction() -> impl Strategy<Value = Transaction> {
        let input = (any::<u16>(), any::<[u8; 32]>(), body()).prop_map(|(module, nonce, body)| Input {
            module,
            nonce: Hash(nonce),
            body,
        });
        let output = (any::<u16>(), body()).prop_map(|(module, body)| Output { module, body });
        let signature = vec(any::<u8>(), 64).prop_map(|bytes| SchnorrSignature(bytes.try_into().unwrap()));
        let memo = vec(any::<u8>(), 64).prop_map(|bytes| Memo(bytes.try_into().unwrap()));
        (
            any::<[u8; 16]>(),
            any::<[u8; 2]>(),
            memo,
            any::<u64>(),
            vec(input, 0..4),
            vec(output, 0..4),
            vec(signature, 0..4),
        )
            .prop_map(|(tweak, tag, memo, fee, inputs, outputs, signatures)| Transaction {
                tweak: Tweak(tweak),
                tag: Tag(tag),
                memo,
                fee: Amount(fee),
                inputs,
                outputs,
                signatures,
            })
    }
}

#[cfg(test)]
mod tests {
    use super::{testing::any_transaction, *};
    use crate::encoding::testing::{assert_round_trip, assert_strict, hostile_bytes};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn round_trips(transaction in any_transaction()) {
            assert_round_trip(&transaction);
            let json = serde_json::to_string(&transaction).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Transaction>(&json).unwrap(), &transaction);
        }

        #[test]
        fn decoder_is_strict(bytes in hostile_bytes(any_transaction())) {
            assert_strict::<Transaction>(&bytes);
        }

        #[test]
        fn digests_cover_what_they_should(transaction in any_transaction(), other in any::<[u8; 64]>()) {
            let federation = FederationId([1; 32]);
            let mut changed = transaction.clone();
            changed.signatures.push(SchnorrSignature(other));
            prop_assert_eq!(changed.spend_digest(&federation), transaction.spend_digest(&federation));
            prop_assert_ne!(changed.id(), transaction.id());

            let mut changed = transaction.clone();
            changed.memo.0[0] ^= 1;
            prop_assert_ne!(changed.spend_digest(&federation), transaction.spend_digest(&federation));
            prop_assert_eq!(changed.memo_digest(&federation), transaction.memo_digest(&federation));

            let mut changed = transaction.clone();
            changed.fee = Amount(changed.fee.0 ^ 1);
            prop_assert_ne!(changed.memo_digest(&federation), transaction.memo_digest(&federation));
            prop_assert_ne!(transaction.spend_digest(&FederationId([2; 32])), transaction.spend_digest(&federation));
        }
    }
}
