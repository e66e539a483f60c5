//! Memos: what a transaction was for, readable by its owner alone.
//!
//! ChaCha20-Poly1305 under a key that derives from the tweak, with the rest of the transaction as associated
//! data: whoever copies a wallet's tweak into another transaction cannot make its memo open.

use chacha20poly1305::{AeadInOut, ChaCha20Poly1305, Key, KeyInit, Nonce, Tag};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::WalletSecret;
use crate::{
    amount::Amount,
    bytes::{FederationId, Hash, Memo},
    encoding::{Canonical, Decode, Decoder, Encode},
    hash::Context,
    transaction::Transaction,
};

/// What a wallet did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperationKind {
    /// Claimed a credit of an issuer.
    Deposit,
    /// Made notes to be given away as a token.
    Send,
    /// Took in a token of somebody else.
    Redeem,
    /// Took back the notes of a token that nobody redeemed.
    Reclaim,
    /// Burned notes toward an issuer.
    Withdrawal,
}

/// What a memo says: 48 bytes in the clear, 64 sealed.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct MemoContent {
    /// What the transaction did.
    pub kind: OperationKind,
    /// How much it moved from the owner's point of view, in sats, without change and fees.
    pub amount: Amount,
    /// How many of the first outputs are notes that leave the wallet as a token.
    pub token_outputs: u8,
    /// What it refers to: a credit's or a sent token's transaction; zeros for nothing.
    pub reference: Hash,
}

const SEAL_BYTES: usize = 16;
const CLEAR_BYTES: usize = Memo::LEN - SEAL_BYTES;

impl MemoContent {
    /// Seals this into `transaction.memo`. Call it when everything but the memo and the signatures stands.
    ///
    /// A tweak must never be used for two different transactions: the key derives from it, with a fixed nonce.
    pub fn seal(&self, secret: &WalletSecret, federation: &FederationId, transaction: &mut Transaction) {
        let mut clear = [0; CLEAR_BYTES];
        let bytes = self.to_bytes();
        clear[..bytes.len()].copy_from_slice(&bytes);
        let seal = cipher(secret, transaction)
            .encrypt_inout_detached(
                &Nonce::default(),
                &transaction.memo_digest(federation).0,
                clear.as_mut_slice().into(),
            )
            .expect("48 bytes are within the cipher's limit");
        transaction.memo.0[..CLEAR_BYTES].copy_from_slice(&clear);
        transaction.memo.0[CLEAR_BYTES..].copy_from_slice(&seal);
    }

    /// Opens the memo of a transaction whose tag fits; `None` means that the transaction is not this wallet's.
    pub fn open(secret: &WalletSecret, federation: &FederationId, transaction: &Transaction) -> Option<Self> {
        let mut clear = [0; CLEAR_BYTES];
        clear.copy_from_slice(&transaction.memo.0[..CLEAR_BYTES]);
        let mut seal = Tag::default();
        seal.copy_from_slice(&transaction.memo.0[CLEAR_BYTES..]);
        cipher(secret, transaction)
            .decrypt_inout_detached(
                &Nonce::default(),
                &transaction.memo_digest(federation).0,
                clear.as_mut_slice().into(),
                &seal,
            )
            .ok()?;
        let mut decoder = Decoder::new(&clear);
        let content = Self::decode(&mut decoder);
        let padding = decoder.take_rest();
        (decoder.end().is_ok() && padding.iter().all(|byte| *byte == 0)).then_some(content)
    }
}

fn cipher(secret: &WalletSecret, transaction: &Transaction) -> ChaCha20Poly1305 {
    let key = Zeroizing::new(Context::MemoKey.hash(&[&secret.secret, &transaction.tweak.0]).0);
    ChaCha20Poly1305::new(&Key::from(*key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transaction::testing::any_transaction;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn opens_for_its_owner_and_its_transaction_only(
            transaction in any_transaction(), amount in any::<u64>(), reference in any::<[u8; 32]>(),
        ) {
            let federation = FederationId([1; 32]);
            let owner = WalletSecret::new(&[1; 32], &federation);
            let memo = MemoContent {
                kind: OperationKind::Send,
                amount: Amount(amount),
                token_outputs: 3,
                reference: Hash(reference),
            };
            let mut sealed = transaction;
            memo.seal(&owner, &federation, &mut sealed);
            prop_assert_eq!(MemoContent::open(&owner, &federation, &sealed), Some(memo));
            let stranger = WalletSecret::new(&[2; 32], &federation);
            prop_assert_eq!(MemoContent::open(&stranger, &federation, &sealed), None);
            prop_assert_eq!(MemoContent::open(&owner, &FederationId([2; 32]), &sealed), None);

            // A copy of tweak, tag and memo in another transaction is not the owner's.
            let mut planted = sealed.clone();
            planted.fee = Amount(planted.fee.0 ^ 1);
            prop_assert_eq!(MemoContent::open(&owner, &federation, &planted), None);
            // Signatures come after the memo.
            let mut signed = sealed;
            signed.signatures.push(crate::bytes::SchnorrSignature([0; 64]));
            prop_assert!(MemoContent::open(&owner, &federation, &signed).is_some());
        }
    }
}
