//! Moving money in: redeem, reclaim, claim.
//!
//! As with all operations ([`super::spend`]), a transaction is stored before it is submitted.

use rekindle_protocol::{
    amount::Amount,
    bytes::{Hash, Tweak, TxId},
    hash::Context,
    modules::deposit::{DepositAddress, claim_nonce},
    ownership::{MemoContent, OperationKind},
};

use super::{
    Wallet, WalletError, WalletResult,
    draft::{Spends, build, worth},
    live::Live,
    pending::Pending,
    submit::Outcome,
};
use crate::{
    context::WalletContext,
    modules::{
        deposit::Credit,
        mint::{Claim, Token, decompose_after_fees},
    },
};

/// What an operation brought in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received {
    /// The transaction.
    pub txid: TxId,
    /// What was added, in sats.
    pub sats: u64,
}

impl Wallet {
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
    let costs = context.deposit.fees.input.checked_add(context.mint.fees.output)?;
    live.scanner
        .modules
        .deposits
        .credits()
        .find(|credit| credit.amount > costs && !live.is_reserved(&claim_nonce(&credit.out_point)))
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
    let amount = Amount(worth(&notes));
    if amount == Amount::ZERO {
        return Err(WalletError::AmountInvalid.into());
    }
    let fee = total.checked_sub(amount).ok_or(WalletError::Internal("notes above what pays for them"))?;
    let memo = memo(amount);
    let kind = memo.kind;
    let transaction = build(context, tweak, spends, &notes, None, fee, &memo)?;
    Ok(Pending { transaction, kind, amount, incoming: amount, time: now, received: None })
}

fn token_id(token: &Token) -> Hash {
    // Any hash that depends on the notes alone will do; this one says nothing about their secrets.
    let nonces: Vec<[u8; 32]> =
        token.notes.iter().filter_map(|note| note.nonce()).map(|nonce| nonce.0).collect();
    Context::SpentNonce.hash(&[b"token.", nonces.as_flattened()])
}
