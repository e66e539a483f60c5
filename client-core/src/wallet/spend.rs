//! Moving money: send, redeem, reclaim, claim, withdraw.
//!
//! Each operation makes a transaction from the wallet's state, stores it, and only then submits it. What happens
//! after that (a crash, a dead federation, a lost answer) is settled by the stored transaction alone.

use rekindle_protocol::{
    amount::Amount,
    bytes::{Hash, Tweak, TxId},
    hash::Context,
    modules::deposit::{DepositAddress, DepositOutput, claim_nonce},
    modules::mint::{Denomination, MintConfig},
    ownership::{MemoContent, OperationKind},
};
use zeroize::Zeroizing;

use super::{
    Wallet, WalletError, WalletResult,
    draft::{Spends, build},
    live::Live,
    overview::token_text,
    pending::Pending,
    submit::Outcome,
};
use crate::{
    context::WalletContext,
    modules::{
        deposit::Credit,
        mint::{Claim, Note, Token, decompose, decompose_after_fees, select},
    },
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

/// What an operation brought in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received {
    /// The transaction.
    pub txid: TxId,
    /// What was added, in sats.
    pub sats: u64,
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

    /// Submits a stored transaction and makes the notes it brings spendable.
    async fn settle(&self, txid: TxId) -> WalletResult<Outcome> {
        let outcome = self.submit(&txid).await?;
        if outcome == Outcome::Accepted {
            self.complete_notes(Some(txid)).await?;
        }
        Ok(outcome)
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
        let change_sats = sum(&change);
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

    /// Stores a token and redeems it: its notes become the wallet's own.
    ///
    /// A token of which some notes are spent brings in the rest.
    ///
    /// # Errors
    /// [`WalletError::TokenInvalid`], [`WalletError::TokenOtherFederation`], [`WalletError::TokenSpent`] and what
    /// submitting can meet; then the token is stored and redeemed later.
    pub async fn redeem(&self, text: &str) -> WalletResult<Received> {
        let context = self.ready()?;
        let token = Token::parse(text)?;
        if token.federation != DepositAddress::federation_prefix(&context.federation) {
            return Err(WalletError::TokenOtherFederation.into());
        }
        let (mut claims, mut started) = (Vec::new(), self.platform().runtime.now());
        for note in &token.notes {
            let nonce = note.nonce().ok_or(WalletError::TokenInvalid)?;
            let claim = Claim::new(note.denomination, &nonce, &note.signature);
            claims.push(claim.map_err(|_| WalletError::TokenInvalid)?);
            self.breathe_at_times(&mut started).await;
        }
        if !self.verify(&context, &claims).await? {
            return Err(WalletError::TokenInvalid.into());
        }
        let id = token_id(&token);
        let mut update = self.update().await?;
        if !update.live.received.contains_key(&id) {
            update.live.add_received(id, token, &mut update.batch);
        }
        update.commit().await?;
        let _working = self.working().await;
        self.redeem_received(id).await
    }

    /// Redeems a stored token.
    pub(super) async fn redeem_received(&self, id: Hash) -> WalletResult<Received> {
        let context = self.ready()?;
        loop {
            // A transaction that was stored before goes on; a new one could only conflict with it.
            let stored = self.with_live(|live| {
                live.pending.iter().find(|(_, p)| p.received == Some(id)).map(|(txid, p)| (*txid, p.amount))
            });
            let (txid, amount) = match stored.flatten() {
                Some(stored) => stored,
                None => self.store_redeem(&context, id).await?,
            };
            match self.settle(txid).await? {
                Outcome::Accepted => return Ok(Received { txid, sats: amount.sats() }),
                // The spent note is gone from the stored token: try again with the rest.
                Outcome::Conflict => {}
            }
        }
    }

    async fn store_redeem(&self, context: &WalletContext, id: Hash) -> WalletResult<(TxId, Amount)> {
        let tweak = self.fresh_tweak()?;
        let now = self.platform().runtime.now();
        let mut update = self.update().await?;
        let token = update.live.received.get(&id).ok_or(WalletError::TokenSpent)?;
        let mut spends = Spends::default();
        for note in &token.notes {
            spends.token_note(context, note)?;
        }
        let input_fees = note_fees(context, &spends);
        let pending = collect(context, tweak, spends, token.amount(), input_fees, now, |amount| {
            MemoContent { kind: OperationKind::Redeem, amount, token_outputs: 0, reference: Hash([0; 32]) }
        })?;
        let pending = Pending { received: Some(id), ..pending };
        let amount = pending.amount;
        let txid = update.live.add_pending(pending, &mut update.batch);
        update.commit().await?;
        Ok((txid, amount))
    }

    /// Takes back a sent token that nobody has redeemed.
    ///
    /// # Errors
    /// [`WalletError::OperationNotFound`], [`WalletError::NotReclaimable`], [`WalletError::TokenSpent`] if somebody was
    /// faster, [`WalletError::UnderWay`].
    pub async fn reclaim(&self, send: &TxId) -> WalletResult<Received> {
        let context = self.ready()?;
        let _working = self.working().await;
        self.complete_notes(Some(*send)).await?;
        let tweak = self.fresh_tweak()?;
        let now = self.platform().runtime.now();
        let mut update = self.update().await?;
        self.ready()?;
        let modules = &update.live.scanner.modules;
        let sent = modules.operations.get(send).ok_or(WalletError::OperationNotFound)?;
        if sent.kind != OperationKind::Send {
            return Err(WalletError::NotReclaimable.into());
        }
        let mut spends = Spends::default();
        let mut total = 0;
        for (nonce, note) in modules.mint.token_notes(*send) {
            if update.live.is_reserved(&Hash(nonce.0)) {
                return Err(WalletError::NotReclaimable.into());
            }
            spends.note(&context, note)?;
            total += note.amount().sats();
        }
        if total == 0 {
            return Err(WalletError::NotReclaimable.into());
        }
        let input_fees = note_fees(&context, &spends);
        let pending = collect(&context, tweak, spends, Amount(total), input_fees, now, |amount| {
            MemoContent { kind: OperationKind::Reclaim, amount, token_outputs: 0, reference: Hash(send.0) }
        })?;
        let amount = pending.amount;
        let txid = update.live.add_pending(pending, &mut update.batch);
        update.commit().await?;
        match self.settle(txid).await.map_err(|error| error.under_way(txid))? {
            Outcome::Accepted => Ok(Received { txid, sats: amount.sats() }),
            Outcome::Conflict => {
                self.catch_up().await?;
                Err(WalletError::TokenSpent.into())
            }
        }
    }

    /// Claims every credit of the wallet's deposit addresses that it knows of. Gives what came in, one for each credit.
    ///
    /// # Errors
    /// What submitting can meet; credits that were not claimed stay to be claimed.
    pub async fn claim_deposits(&self) -> WalletResult<Vec<Received>> {
        self.ready()?;
        self.catch_up().await?;
        let _working = self.working().await;
        self.claim_known().await
    }

    /// Claims the credits that history has shown.
    pub(super) async fn claim_known(&self) -> WalletResult<Vec<Received>> {
        let context = self.ready()?;
        let mut claimed = Vec::new();
        while let Some((txid, amount)) = self.store_claim(&context).await? {
            match self.settle(txid).await? {
                Outcome::Accepted => claimed.push(Received { txid, sats: amount.sats() }),
                // Another device on the same seed was faster: what it did is in history, and so is the money.
                Outcome::Conflict => self.catch_up().await?,
            }
        }
        Ok(claimed)
    }

    /// Stores the claim of one unclaimed credit, if there is one.
    async fn store_claim(&self, context: &WalletContext) -> WalletResult<Option<(TxId, Amount)>> {
        let tweak = self.fresh_tweak()?;
        let now = self.platform().runtime.now();
        let mut update = self.update().await?;
        let Some(credit) = next_credit(context, &update.live) else { return Ok(None) };
        let mut spends = Spends::default();
        spends.credit(context, &credit);
        let fee = context.deposit.fees.input;
        let pending = collect(context, tweak, spends, credit.amount, fee, now, |amount| MemoContent {
            kind: OperationKind::Deposit,
            amount,
            token_outputs: 0,
            reference: Hash(credit.out_point.txid.0),
        })?;
        let amount = pending.amount;
        let txid = update.live.add_pending(pending, &mut update.batch);
        update.commit().await?;
        Ok(Some((txid, amount)))
    }
}

/// A credit that no pending transaction claims and that is worth more than claiming it costs.
fn next_credit(context: &WalletContext, live: &Live) -> Option<Credit> {
    let worth = context.deposit.fees.input.checked_add(context.mint.fees.output)?;
    live.scanner
        .modules
        .deposits
        .credits()
        .find(|credit| credit.amount > worth && !live.is_reserved(&claim_nonce(&credit.out_point)))
        .cloned()
}

fn note_fees(context: &WalletContext, spends: &Spends) -> Amount {
    // Both factors are small: 255 inputs, and a fee above a note's worth would make every note worthless.
    Amount(context.mint.fees.input.sats().saturating_mul(spends.len() as u64))
}

/// A transaction that turns all it spends, `total`, into own notes. `input_fees` is what the inputs cost together.
fn collect(
    context: &WalletContext,
    tweak: Tweak,
    spends: Spends,
    total: Amount,
    input_fees: Amount,
    now: u64,
    memo: impl FnOnce(Amount) -> MemoContent,
) -> WalletResult<Pending> {
    let left = total.checked_sub(input_fees).ok_or(WalletError::AmountInvalid)?;
    let (notes, _) = decompose_after_fees(left, context.mint.fees.output, &context.mint);
    let amount = Amount(sum(&notes));
    if amount == Amount::ZERO {
        return Err(WalletError::AmountInvalid.into());
    }
    let fee = total.checked_sub(amount).ok_or(WalletError::Internal("notes above what pays for them"))?;
    let memo = memo(amount);
    let kind = memo.kind;
    let transaction = build(context, tweak, spends, &notes, None, fee, &memo)?;
    Ok(Pending { transaction, kind, amount, incoming: amount, time: now, received: None })
}

fn sum(notes: &[Denomination]) -> u64 {
    notes.iter().filter_map(|note| note.amount()).map(Amount::sats).sum()
}

fn token_id(token: &Token) -> Hash {
    // Any hash that depends on the notes alone will do; this one says nothing about their secrets.
    let nonces: Vec<[u8; 32]> =
        token.notes.iter().filter_map(|note| note.nonce()).map(|nonce| nonce.0).collect();
    Context::SpentNonce.hash(&[b"token.", nonces.as_flattened()])
}
