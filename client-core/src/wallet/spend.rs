//! Moving money out: send and withdraw.
//!
//! Each operation makes a transaction from the wallet's state, stores it, and only then submits it. What happens
//! after that (a crash, a dead federation, a lost answer) is settled by the stored transaction alone.

use rekindle_protocol::{
    amount::Amount,
    bytes::{Hash, TxId},
    modules::deposit::{DepositAddress, DepositOutput},
    modules::mint::{Denomination, MintConfig},
    ownership::{MemoContent, OperationKind},
};
use zeroize::Zeroizing;

use super::{
    Wallet, WalletError, WalletResult,
    draft::{Spends, build, worth},
    overview::token_text,
    pending::Pending,
    submit::Outcome,
};
use crate::{
    context::WalletContext,
    modules::mint::{Note, decompose, decompose_after_fees, select},
};

/// How often a spend is made anew after another device spent one of its notes.
const MAX_ATTEMPTS: usize = 5;

/// The most that one token can hold: more could need more notes than a transaction has outputs.
const MAX_SEND_SATS: u64 = 100 << (MintConfig::MAX_DENOMINATIONS - 1);

/// A token ready to be handed to somebody. It has no `Debug`: whoever has the text has the money.
pub struct SentToken {
    /// The transaction that made its notes.
    pub txid: TxId,
    /// What it is worth, in sats.
    pub sats: u64,
    /// The token's text.
    pub token: Zeroizing<String>,
}

/// Where a transaction's value goes.
struct Plan {
    tokens: Vec<Denomination>,
    withdrawal: Option<DepositOutput>,
    /// What leaves: the token or the withdrawal, in sats.
    leaving: Amount,
}

impl Wallet {
    /// Makes a fresh deposit address. It needs no storing: history shows its credits to the seed.
    ///
    /// # Errors
    /// [`WalletError::NotJoined`], [`WalletError::Random`].
    pub fn deposit_address(&self) -> WalletResult<String> {
        let context = self.joined()?;
        let tweak = self.fresh_tweak()?;
        let address: DepositAddress =
            context.secret.deposit_address(&context.federation, context.deposit_id, tweak);
        Ok(address.to_string())
    }

    /// Takes `amount` out of the wallet as a token. The notes are reissued first, so that the token is exact and a
    /// restored wallet knows which notes are out.
    ///
    /// # Errors
    /// [`WalletError`]; nothing is lost by any of them. After [`WalletError::UnderWay`] the token is made by itself.
    pub async fn send(&self, amount: Amount) -> WalletResult<SentToken> {
        let context = self.ready()?;
        if amount.sats() > MAX_SEND_SATS {
            return Err(WalletError::AmountTooLarge.into());
        }
        let tokens = decompose(amount, &context.mint);
        let plan = Plan { tokens, withdrawal: None, leaving: amount };
        let txid = self.spend_notes(&context, OperationKind::Send, plan).await?;
        let token = self.with_live(|live| token_text(&context, live, txid)).flatten();
        let token = token.ok_or(WalletError::Internal("a sent token's notes are incomplete"))?;
        Ok(SentToken { txid, sats: amount.sats(), token })
    }

    /// Burns `amount` toward issuer number `issuer`, who pays it out as `reference` says.
    ///
    /// # Errors
    /// As for [`Wallet::send`].
    pub async fn withdraw(&self, issuer: u16, amount: Amount, reference: Hash) -> WalletResult<TxId> {
        let context = self.ready()?;
        if usize::from(issuer) >= context.deposit.issuers.len() {
            return Err(WalletError::OperationNotFound.into());
        }
        let withdrawal = Some(DepositOutput::Withdrawal { issuer, amount, reference });
        let plan = Plan { tokens: Vec::new(), withdrawal, leaving: amount };
        self.spend_notes(&context, OperationKind::Withdrawal, plan).await
    }

    /// Spends own notes for `plan` and takes back the change.
    async fn spend_notes(
        &self,
        context: &WalletContext,
        kind: OperationKind,
        plan: Plan,
    ) -> WalletResult<TxId> {
        if plan.leaving == Amount::ZERO {
            return Err(WalletError::AmountInvalid.into());
        }
        let _working = self.working().await;
        for _ in 0..MAX_ATTEMPTS {
            let txid = self.store_spend(context, kind, &plan).await?;
            match self.settle(txid).await.map_err(|error| error.under_way(txid))? {
                Outcome::Accepted => return Ok(txid),
                // Another device on the same seed spent a note first: see what it did, and choose again.
                Outcome::Conflict => self.catch_up().await?,
            }
        }
        Err(WalletError::Contended.into())
    }

    /// Stores a transaction for `plan`.
    async fn store_spend(
        &self,
        context: &WalletContext,
        kind: OperationKind,
        plan: &Plan,
    ) -> WalletResult<TxId> {
        let tweak = self.fresh_tweak()?;
        let now = self.platform().runtime.now();
        let mut update = self.update().await?;
        // The mint may have been set aside meanwhile.
        self.ready()?;
        let fees = context.mint.fees;
        let withdrawal_fee = plan.withdrawal.as_ref().map_or(Amount::ZERO, |_| context.deposit.fees.output);
        let token_fee = fees.output.sats().saturating_mul(plan.tokens.len() as u64);
        let needed = Amount::checked_sum([plan.leaving, Amount(token_fee), withdrawal_fee])
            .ok_or(WalletError::AmountTooLarge)?;
        let available: Vec<_> = update.live.spendable().map(|(_, note)| note.clone()).collect();
        let amounts: Vec<Amount> = available.iter().map(Note::amount).collect();
        let chosen = select(&amounts, needed, fees.input).ok_or(WalletError::InsufficientBalance {
            available: amounts.iter().map(|a| a.sats()).sum(),
            needed: needed.sats(),
        })?;
        let mut spends = Spends::default();
        let mut total = 0;
        for at in chosen {
            spends.note(context, &available[at])?;
            total += amounts[at].sats() - fees.input.sats();
        }
        let (change, _) = decompose_after_fees(Amount(total - needed.sats()), fees.output, &context.mint);
        let change_sats = worth(&change);
        let memo = MemoContent {
            kind,
            amount: plan.leaving,
            token_outputs: u8::try_from(plan.tokens.len()).map_err(|_| WalletError::AmountTooLarge)?,
            reference: Hash([0; 32]),
        };
        // What neither leaves nor comes back is the fee.
        let spent = total + fees.input.sats() * spends.len() as u64;
        let fee = Amount(spent - plan.leaving.sats() - change_sats);
        let denominations: Vec<Denomination> = plan.tokens.iter().chain(&change).copied().collect();
        let transaction = build(context, tweak, spends, &denominations, plan.withdrawal.clone(), fee, &memo)?;
        let incoming = Amount(change_sats);
        let pending =
            Pending { transaction, kind, amount: plan.leaving, incoming, time: now, received: None };
        let txid = update.live.add_pending(pending, &mut update.batch);
        update.commit().await?;
        Ok(txid)
    }
}
