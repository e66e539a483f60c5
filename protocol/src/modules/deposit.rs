//! Deposits: value enters and leaves through issuers that the config names.
//!
//! A credit is a transaction like any other: its input is the issuer's promise, spent once for each
//! (issuer, reference) pair; its output can be claimed by the key of a deposit address, whose tweak and tag
//! the transaction carries, so that the address's owner finds it in history. A claim spends the credit's out
//! point. A withdrawal is an output that burns value toward an issuer.

use serde::{Deserialize, Serialize};

use crate::{
    amount::Amount,
    bytes::{FederationId, Hash, Memo, SchnorrKey, SchnorrSignature, Tag, Tweak},
    config::{Fees, MAX_NAME_BYTES, MAX_URL_BYTES},
    encoding::{Canonical, Decode, DecodeError, Encode},
    hash::Context,
    schnorr,
    text::{self, TextError},
    transaction::{Input, ModuleId, OutPoint, Output, Transaction},
};

/// Most issuers of a federation.
pub const MAX_ISSUERS: usize = 100;

/// Who may credit deposit addresses and pays withdrawals. Its id is its place in the list.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct Issuer {
    /// A name for people.
    #[encoding(text = MAX_NAME_BYTES)]
    pub name: String,
    /// The key that signs its credits.
    pub key: SchnorrKey,
    /// Whether it gives to anyone who asks: a faucet of a test federation.
    pub faucet: bool,
    /// Where people or wallets reach it; may be empty.
    #[encoding(text = MAX_URL_BYTES)]
    pub url: String,
}

/// The deposit module's part of the config.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct DepositConfig {
    /// The issuers, at most [`MAX_ISSUERS`].
    #[encoding(list = MAX_ISSUERS)]
    pub issuers: Vec<Issuer>,
    /// What the module keeps of each claim and withdrawal.
    pub fees: Fees,
}

impl DepositConfig {
    /// The module kind's name in the config.
    pub const KIND: &'static str = "deposit";
}

/// The deposit module's part of an input.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DepositInput {
    /// An issuer's promise; signed with the issuer's key. Its nonce is [`credit_nonce`].
    Credit {
        /// The issuer's id.
        issuer: u16,
        /// The issuer's reference: accepted once, for ever.
        reference: Hash,
        /// How much enters, in sats.
        amount: Amount,
    },
    /// Takes a credit; signed with the claim key of the credit's output. Its nonce is [`claim_nonce`].
    Claim {
        /// The output that credited the address.
        credit: OutPoint,
    },
}

/// What a credit's input spends: the issuer's reference.
pub fn credit_nonce(issuer: u16, reference: &Hash) -> Hash {
    Context::SpentNonce.hash(&[b"credit", &issuer.to_le_bytes(), &reference.0])
}

/// What a claim's input spends: the credit's out point.
pub fn claim_nonce(credit: &OutPoint) -> Hash {
    Context::SpentNonce.hash(&[b"claim.", &credit.txid.0, &[credit.output]])
}

impl DepositInput {
    /// The nonce that the whole input must carry.
    pub fn nonce(&self) -> Hash {
        match self {
            Self::Credit { issuer, reference, .. } => credit_nonce(*issuer, reference),
            Self::Claim { credit } => claim_nonce(credit),
        }
    }

    /// The whole input.
    pub fn into_input(self, module: ModuleId) -> Input {
        Input { module, nonce: self.nonce(), body: self.to_bytes() }
    }
}

/// The deposit module's part of an output.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DepositOutput {
    /// Value waiting for its owner's claim.
    Credit {
        /// The key of the deposit address.
        claim_key: SchnorrKey,
        /// How much, in sats.
        amount: Amount,
    },
    /// Value leaving toward an issuer, who pays it out once it sees it in a signed session.
    Withdrawal {
        /// The issuer's id.
        issuer: u16,
        /// How much, in sats.
        amount: Amount,
        /// What the issuer needs to know where to pay.
        reference: Hash,
    },
}

impl DepositOutput {
    /// The whole output.
    pub fn into_output(self, module: ModuleId) -> Output {
        Output { module, body: self.to_bytes() }
    }
}

/// Where an issuer sends value: what a wallet hands out. Holds its own tweak and tag, so that credits can be found in
/// history. May be credited more than once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct DepositAddress {
    /// First bytes of the federation id, so that an address of another federation is noticed.
    pub federation: [u8; 8],
    /// The tweak that the owner's claim key derives from.
    pub tweak: Tweak,
    /// The tag that the owner finds the credit by.
    pub tag: Tag,
    /// The key that may claim.
    pub claim_key: SchnorrKey,
}

impl DepositAddress {
    const PREFIX: &'static str = "rkdeposit";

    /// The first bytes of a federation's id, as addresses hold them.
    pub fn federation_prefix(federation: &FederationId) -> [u8; 8] {
        let mut prefix = [0; 8];
        prefix.copy_from_slice(&federation.0[..8]);
        prefix
    }

    /// Reads an address from text, bech32m with the prefix `rkdeposit`.
    ///
    /// # Errors
    /// [`TextError`].
    pub fn parse(text: &str) -> Result<Self, TextError> {
        Self::from_bytes(&text::decode(Self::PREFIX, text)?).map_err(|_| TextError::Unreadable)
    }
}

impl core::fmt::Display for DepositAddress {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&text::encode(Self::PREFIX, &self.to_bytes()).ok_or(core::fmt::Error)?)
    }
}

/// The body of `POST /v1/issuer/credits`: everything that the credit's transaction is made of.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct CreditRequest {
    /// The issuer's id.
    pub issuer: u16,
    /// Unique among the issuer's credits.
    pub reference: Hash,
    /// How much, in sats.
    pub amount: Amount,
    /// The address, as text.
    #[encoding(text = 200)]
    pub address: String,
    /// The issuer's signature on the transaction's spend digest: over federation, address, amount and reference.
    pub signature: SchnorrSignature,
}

impl CreditRequest {
    /// Signs a credit.
    pub fn sign(
        federation: &FederationId,
        module: ModuleId,
        issuer: u16,
        key: &schnorr::SecretKey,
        address: &DepositAddress,
        amount: Amount,
        reference: Hash,
    ) -> Self {
        let unsigned = credit_transaction(module, issuer, address, amount, reference);
        let signature = key.sign(&unsigned.spend_digest(federation));
        Self { issuer, reference, amount, address: address.to_string(), signature }
    }

    /// The transaction that the guardians order.
    ///
    /// # Errors
    /// [`TextError`] for a bad address.
    pub fn transaction(&self, module: ModuleId) -> Result<Transaction, TextError> {
        let address = DepositAddress::parse(&self.address)?;
        let mut transaction = credit_transaction(module, self.issuer, &address, self.amount, self.reference);
        transaction.signatures.push(self.signature);
        Ok(transaction)
    }
}

fn credit_transaction(
    module: ModuleId,
    issuer: u16,
    address: &DepositAddress,
    amount: Amount,
    reference: Hash,
) -> Transaction {
    Transaction {
        tweak: address.tweak,
        tag: address.tag,
        // The issuer has no key to seal a memo with; the owner knows the credit by its claim key.
        memo: Memo([0; Memo::LEN]),
        fee: Amount::ZERO,
        inputs: vec![DepositInput::Credit { issuer, reference, amount }.into_input(module)],
        outputs: vec![DepositOutput::Credit { claim_key: address.claim_key, amount }.into_output(module)],
        signatures: Vec::new(),
    }
}

impl DepositOutput {
    /// Reads an output of the deposit module.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn from_output(output: &Output) -> Result<Self, DecodeError> {
        Self::from_bytes(&output.body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        bytes::TxId,
        encoding::testing::{assert_round_trip, assert_strict},
    };
    use proptest::{collection::vec, prelude::*};

    proptest! {
        #[test]
        fn parts_round_trip(issuer in any::<u16>(), hash in any::<[u8; 32]>(), amount in any::<u64>(), tweak in any::<[u8; 16]>()) {
            let (amount, reference) = (Amount(amount), Hash(hash));
            assert_round_trip(&DepositInput::Credit { issuer, reference, amount });
            assert_round_trip(&DepositInput::Claim { credit: OutPoint { txid: TxId(hash), output: 1 } });
            assert_round_trip(&DepositOutput::Credit { claim_key: SchnorrKey(hash), amount });
            assert_round_trip(&DepositOutput::Withdrawal { issuer, amount, reference });
            let address = DepositAddress {
                federation: [4; 8], tweak: Tweak(tweak), tag: Tag([1, 2]), claim_key: SchnorrKey(hash),
            };
            prop_assert_eq!(DepositAddress::parse(&address.to_string()), Ok(address));
        }

        #[test]
        fn decoders_are_strict(bytes in vec(any::<u8>(), 0..200)) {
            assert_strict::<DepositInput>(&bytes);
            assert_strict::<DepositOutput>(&bytes);
            assert_strict::<DepositConfig>(&bytes);
            assert_strict::<CreditRequest>(&bytes);
        }
    }

    #[test]
    fn an_issuers_signature_binds_address_amount_and_reference() {
        let federation = FederationId([1; 32]);
        let key = schnorr::SecretKey::from_bytes(&[6; 32]).unwrap();
        let address = DepositAddress {
            federation: DepositAddress::federation_prefix(&federation),
            tweak: Tweak([1; 16]),
            tag: Tag([2; 2]),
            claim_key: SchnorrKey([3; 32]),
        };
        let request = CreditRequest::sign(&federation, 1, 0, &key, &address, Amount(5), Hash([7; 32]));
        assert_round_trip(&request);
        let valid = |request: &CreditRequest| {
            let transaction = request.transaction(1).unwrap();
            schnorr::verify(
                &key.public_key(),
                &transaction.spend_digest(&federation),
                &transaction.signatures[0],
            )
        };
        assert!(valid(&request));
        assert!(!valid(&CreditRequest { amount: Amount(6), ..request.clone() }));
        assert!(!valid(&CreditRequest { reference: Hash([8; 32]), ..request.clone() }));
        let other = DepositAddress { claim_key: SchnorrKey([4; 32]), ..address };
        assert!(!valid(&CreditRequest { address: other.to_string(), ..request }));
    }
}
