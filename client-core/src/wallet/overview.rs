//! What a wallet shows: balance, history, outstanding tokens.

use core::cmp::Reverse;

use rekindle_protocol::{
    bytes::{Hash, TxId},
    modules::deposit::claim_nonce,
    ownership::OperationKind,
};
use zeroize::Zeroizing;

use super::{Wallet, WalletError, WalletResult, live::Live};
use crate::{
    context::WalletContext,
    modules::mint::{Token, TokenNote},
    sorted::SortedSet,
};

/// What a wallet holds, in sats. The three parts never overlap.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Balance {
    /// Notes in hand, ready to send.
    pub spendable: u64,
    /// On its way in: notes without signature, pending transactions' own outputs, unclaimed credits.
    pub pending: u64,
    /// Out as tokens that nobody has redeemed yet.
    pub outstanding: u64,
}

/// How far an operation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperationStatus {
    /// Stored and submitted, not yet in history.
    Pending,
    /// A sent token that nobody has redeemed yet.
    Outstanding,
    /// Final.
    Settled,
    /// A sent token whose money was taken back.
    Reclaimed,
}

/// One line of a wallet's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEntry {
    /// The transaction that did it: the same in every recovery.
    pub txid: TxId,
    /// What it did.
    pub kind: OperationKind,
    /// How much it moved, in sats.
    pub sats: u64,
    /// Milliseconds since 1970: its session's time, local time while pending.
    pub time: u64,
    /// How far it is.
    pub status: OperationStatus,
}

/// A sent token that nobody has redeemed yet. It has no `Debug`: it may hold the token.
pub struct OutstandingToken {
    /// The transaction that made it.
    pub txid: TxId,
    /// What it is worth, in sats.
    pub sats: u64,
    /// When it was made, milliseconds since 1970.
    pub time: u64,
    /// The token's text, once all its notes are signed.
    pub token: Option<Zeroizing<String>>,
}

impl Wallet {
    /// What the wallet holds.
    pub fn balance(&self) -> Balance {
        self.with_live(balance_of).unwrap_or_default()
    }

    /// The newest `limit` operations older than `before` (all if `None`), newest first.
    ///
    /// # Errors
    /// [`WalletError::OperationNotFound`] if `before` is none of the wallet's operations.
    pub fn history(&self, limit: usize, before: Option<TxId>) -> WalletResult<Vec<HistoryEntry>> {
        let entries = self.with_live(history_of).unwrap_or_default();
        let start = match before {
            None => 0,
            Some(txid) => {
                entries.iter().position(|e| e.txid == txid).ok_or(WalletError::OperationNotFound)? + 1
            }
        };
        Ok(entries.into_iter().skip(start).take(limit).collect())
    }

    /// Sent tokens that nobody has redeemed yet, newest first.
    pub fn outstanding(&self) -> Vec<OutstandingToken> {
        let context = self.context();
        let tokens = self.with_live(|live| {
            history_of(live)
                .into_iter()
                .filter(|entry| entry.status == OperationStatus::Outstanding)
                .map(|entry| OutstandingToken {
                    txid: entry.txid,
                    sats: live
                        .scanner
                        .modules
                        .mint
                        .token_notes(entry.txid)
                        .map(|(_, n)| n.amount().sats())
                        .sum(),
                    time: entry.time,
                    token: context.as_ref().and_then(|c| token_text(c, live, entry.txid)),
                })
                .collect()
        });
        tokens.unwrap_or_default()
    }
}

/// The text of the token that `send` made, if all its unspent notes are signed.
pub(super) fn token_text(context: &WalletContext, live: &Live, send: TxId) -> Option<Zeroizing<String>> {
    let notes = live
        .scanner
        .modules
        .mint
        .token_notes(send)
        .map(|(_, note)| {
            let key = context.secret.output(context.mint_id, &note.tweak, note.out_point.output).key;
            Some(TokenNote {
                denomination: note.denomination,
                secret: *key.to_bytes(),
                signature: note.signature?,
            })
        })
        .collect::<Option<Vec<_>>>()?;
    if notes.is_empty() { None } else { Some(Token::new(&context.federation, notes).to_text()) }
}

fn balance_of(live: &Live) -> Balance {
    let (mut balance, modules) = (Balance::default(), live.shown());
    for (nonce, note) in modules.mint.notes() {
        let sats = note.amount().sats();
        let reserved = live.is_reserved(&Hash(nonce.0));
        match (note.in_token, reserved, note.signature.is_some()) {
            // What a pending transaction spends comes back as its outputs.
            (_, true, _) => {}
            (true, false, _) => balance.outstanding += sats,
            (false, false, true) => balance.spendable += sats,
            (false, false, false) => balance.pending += sats,
        }
    }
    for pending in live.pending.values() {
        balance.pending += pending.incoming.sats();
        if pending.kind == OperationKind::Send {
            balance.outstanding += pending.amount.sats();
        }
    }
    for credit in modules.deposits.credits() {
        if !live.is_reserved(&claim_nonce(&credit.out_point)) {
            balance.pending += credit.amount.sats();
        }
    }
    balance
}

fn history_of(live: &Live) -> Vec<HistoryEntry> {
    let modules = live.shown();
    let reclaimed = modules.operations.reclaimed();
    let tokens: SortedSet<TxId> =
        modules.mint.notes().filter(|(_, n)| n.in_token).map(|(_, n)| n.out_point.txid).collect();
    let settled = modules.operations.iter().map(|(txid, operation)| HistoryEntry {
        txid: *txid,
        kind: operation.kind,
        sats: operation.amount.sats(),
        time: operation.time,
        status: match operation.kind {
            _ if live.is_attested(txid) => OperationStatus::Pending,
            OperationKind::Send if tokens.contains(txid) => OperationStatus::Outstanding,
            OperationKind::Send if reclaimed.contains(txid) => OperationStatus::Reclaimed,
            _ => OperationStatus::Settled,
        },
    });
    let pending = live.pending.iter().map(|(txid, pending)| HistoryEntry {
        txid: *txid,
        kind: pending.kind,
        sats: pending.amount.sats(),
        time: pending.time,
        status: OperationStatus::Pending,
    });
    let mut entries: Vec<HistoryEntry> = settled.chain(pending).collect();
    entries.sort_unstable_by_key(|entry| (Reverse(entry.time), entry.txid));
    entries
}
