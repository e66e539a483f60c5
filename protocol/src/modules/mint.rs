//! The mint: notes of fixed denominations, signed blindly.
//!
//! A note is a nonce (a BIP-340 public key) and the federation's signature on it under the key of its
//! denomination, 2^0 to 2^27 sats. Spending reveals the note and signs with the nonce's key.

use serde::{Deserialize, Serialize};

use crate::{
    amount::Amount,
    bls::{KeySet, Message, NOTE_DST},
    bytes::{G2Bytes, Hash, SchnorrKey},
    config::Fees,
    encoding::{Canonical, Decode, DecodeError, Encode},
    transaction::{Input, ModuleId, OutPoint, Output},
};

/// Power of two of a note's value: `Denomination(k)` is worth 2^k sats.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Denomination(pub u8);

impl Denomination {
    /// 2^k sats; `None` if no federation can have it.
    pub fn amount(self) -> Option<Amount> {
        (usize::from(self.0) < MintConfig::MAX_DENOMINATIONS).then(|| Amount(1 << self.0))
    }
}

/// The mint's part of the config.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct MintConfig {
    /// The key set of each denomination, from 2^0 sats up.
    #[encoding(list = MintConfig::MAX_DENOMINATIONS)]
    pub denominations: Vec<KeySet>,
    /// What the mint keeps of each note.
    pub fees: Fees,
}

impl MintConfig {
    /// The module kind's name in the config.
    pub const KIND: &'static str = "mint";
    /// Most denominations: 2^0 to 2^27 sats.
    pub const MAX_DENOMINATIONS: usize = 28;

    /// The keys of a denomination, if the federation has it.
    pub fn keys(&self, denomination: Denomination) -> Option<&KeySet> {
        self.denominations.get(usize::from(denomination.0))
    }
}

/// The point that a nonce's signature is on.
pub fn note_message(nonce: &SchnorrKey) -> Message {
    Message::hash(&nonce.0, NOTE_DST)
}

/// The mint's part of an input: the note that is spent, but for its nonce. That is the input's own, and the key
/// that must sign the transaction.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct MintInput {
    /// What the note is worth.
    pub denomination: Denomination,
    /// The federation's signature on the nonce.
    pub signature: G2Bytes,
}

impl MintInput {
    /// The whole input.
    pub fn into_input(self, module: ModuleId, nonce: &SchnorrKey) -> Input {
        Input { module, nonce: Hash(nonce.0), body: self.to_bytes() }
    }

    /// Reads an input of the mint.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn from_input(input: &Input) -> Result<(SchnorrKey, Self), DecodeError> {
        Ok((SchnorrKey(input.nonce.0), Self::from_bytes(&input.body)?))
    }
}

/// The mint's part of an output: a note to be issued.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct MintOutput {
    /// What the note is worth.
    pub denomination: Denomination,
    /// The nonce's point times the wallet's blinding factor.
    pub blinded_nonce: G2Bytes,
}

impl MintOutput {
    /// The whole output.
    pub fn into_output(self, module: ModuleId) -> Output {
        Output { module, body: self.to_bytes() }
    }
}

/// Most out points in one request for signature shares.
pub const MAX_SHARES_REQUEST: usize = 256;

/// The body of `POST /v1/mint/signatures`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct SharesRequest {
    /// The outputs to sign, at most [`MAX_SHARES_REQUEST`].
    #[encoding(list = MAX_SHARES_REQUEST)]
    pub out_points: Vec<OutPoint>,
}

/// Most shares in one answer: every output of the largest session.
pub const MAX_SHARES: usize = 1 << 19;

/// One guardian's blind signature shares, for out points or for all mint outputs of a session in order.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct SharesAnswer {
    /// For each out point its share; `None` for what is no accepted output of the mint.
    #[encoding(list = MAX_SHARES)]
    pub shares: Vec<(OutPoint, Option<G2Bytes>)>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::testing::{assert_round_trip, assert_strict};
    use proptest::{collection::vec, prelude::*};

    proptest! {
        #[test]
        fn parts_round_trip(denomination in any::<u8>(), point in vec(any::<u8>(), 96), nonce in any::<[u8; 32]>()) {
            let denomination = Denomination(denomination);
            let point = G2Bytes(point.try_into().unwrap());
            let output = MintOutput { denomination, blinded_nonce: point };
            assert_round_trip(&output);
            let input = MintInput { denomination, signature: point };
            assert_round_trip(&input);
            let nonce = SchnorrKey(nonce);
            prop_assert_eq!(MintInput::from_input(&input.clone().into_input(3, &nonce)), Ok((nonce, input)));
        }

        #[test]
        fn decoders_are_strict(bytes in vec(any::<u8>(), 0..200)) {
            assert_strict::<MintInput>(&bytes);
            assert_strict::<MintOutput>(&bytes);
            assert_strict::<MintConfig>(&bytes);
            assert_strict::<SharesRequest>(&bytes);
            assert_strict::<SharesAnswer>(&bytes);
        }
    }

    #[test]
    fn denominations_are_powers_of_two() {
        assert_eq!(Denomination(0).amount(), Some(Amount(1)));
        assert_eq!(Denomination(27).amount(), Some(Amount(134_217_728)));
        assert_eq!(Denomination(28).amount(), None);
    }
}
