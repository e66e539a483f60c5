//! Making transactions: everything that has to be right before a transaction may be stored and sent.

use rekindle_protocol::{
    amount::Amount,
    bytes::{Memo, SchnorrSignature, Tweak},
    modules::{
        deposit::{DepositInput, DepositOutput},
        mint::{Denomination, MintInput},
    },
    ownership::MemoContent,
    schnorr::SecretKey,
    transaction::{Input, MAX_INPUTS, MAX_OUTPUTS, Transaction},
};

use super::{WalletError, WalletResult};
use crate::{
    context::WalletContext,
    modules::{
        deposit::Credit,
        mint::{Note, TokenNote, blind_output},
    },
};

/// What a transaction spends and with which keys.
#[derive(Default)]
pub struct Spends(Vec<(Input, SecretKey)>);

impl Spends {
    /// Adds one of the wallet's own notes.
    ///
    /// # Errors
    /// [`WalletError::Internal`] for a note without signature, which selection never offers.
    pub fn note(&mut self, context: &WalletContext, note: &Note) -> WalletResult<()> {
        let signature = note.signature.ok_or(WalletError::Internal("a note without signature was chosen"))?;
        let key = context.secret.output(context.mint_id, &note.tweak, note.out_point.output).key;
        self.add_note(context, note.denomination, signature, key);
        Ok(())
    }

    /// Adds a note of a token.
    ///
    /// # Errors
    /// [`WalletError::TokenInvalid`] for a note without a key.
    pub fn token_note(&mut self, context: &WalletContext, note: &TokenNote) -> WalletResult<()> {
        let key = SecretKey::from_bytes(&note.secret).map_err(|_| WalletError::TokenInvalid)?;
        self.add_note(context, note.denomination, note.signature, key);
        Ok(())
    }

    fn add_note(
        &mut self,
        context: &WalletContext,
        denomination: Denomination,
        signature: rekindle_protocol::bytes::G2Bytes,
        key: SecretKey,
    ) {
        let input = MintInput { denomination, signature }.into_input(context.mint_id, &key.public_key());
        self.0.push((input, key));
    }

    /// Adds the claim of a credit.
    pub fn credit(&mut self, context: &WalletContext, credit: &Credit) {
        let key = context.secret.output(context.deposit_id, &credit.tweak, 0).key;
        let input = DepositInput::Claim { credit: credit.out_point }.into_input(context.deposit_id);
        self.0.push((input, key));
    }

    /// How many inputs there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

/// What notes are worth together, in sats.
pub fn worth(notes: &[Denomination]) -> u64 {
    notes.iter().filter_map(|note| note.amount()).map(Amount::sats).sum()
}

/// Makes and signs a transaction that issues notes of `denominations` and, after them, perhaps a withdrawal.
///
/// `tweak` must be fresh: a memo's key derives from it.
///
/// # Errors
/// [`WalletError::AmountTooLarge`] for more inputs or outputs than a transaction may have.
pub fn build(
    context: &WalletContext,
    tweak: Tweak,
    spends: Spends,
    denominations: &[Denomination],
    withdrawal: Option<DepositOutput>,
    fee: Amount,
    memo: &MemoContent,
) -> WalletResult<Transaction> {
    let outputs = denominations.len() + usize::from(withdrawal.is_some());
    if spends.len() > MAX_INPUTS || outputs > MAX_OUTPUTS {
        return Err(WalletError::AmountTooLarge.into());
    }
    let (inputs, keys): (Vec<Input>, Vec<SecretKey>) = spends.0.into_iter().unzip();
    let mut transaction = Transaction {
        tweak,
        tag: context.secret.tag(&tweak),
        memo: Memo([0; Memo::LEN]),
        fee,
        inputs,
        outputs: (0..=u8::MAX)
            .zip(denominations)
            .map(|(number, denomination)| blind_output(context, &tweak, number, *denomination))
            .chain(withdrawal.map(|output| output.into_output(context.deposit_id)))
            .collect(),
        signatures: Vec::new(),
    };
    memo.seal(&context.secret, &context.federation, &mut transaction);
    let digest = transaction.spend_digest(&context.federation);
    transaction.signatures = keys.iter().map(|key| key.sign(&digest)).collect::<Vec<SchnorrSignature>>();
    Ok(transaction)
}
