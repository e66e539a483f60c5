//! Transactions on their way: stored before they are sent, and kept until a signed session decides.

use rekindle_protocol::{
    amount::Amount,
    bytes::{Hash, TxId},
    encoding::{Decode, Encode},
    ownership::OperationKind,
    session::{HashedItems, Item},
    transaction::{ModuleId, Transaction},
};

use crate::sorted::SortedMap;

/// A transaction that was stored and may have been sent.
///
/// It has no `Debug`: a transaction that spends a received token holds notes.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct Pending {
    /// The bytes that are sent, again and again the same.
    pub transaction: Transaction,
    /// What it does.
    pub kind: OperationKind,
    /// How much it moves, in sats.
    pub amount: Amount,
    /// How much of it comes back to this wallet as its own notes, in sats.
    pub incoming: Amount,
    /// Local time of its making, milliseconds since 1970.
    pub time: u64,
    /// The received token that it redeems.
    pub received: Option<Hash>,
}

/// What history says of a pending transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It is in history.
    Accepted,
    /// Another transaction spent one of its inputs, this one by number: it can never be accepted.
    Conflict {
        /// The first input that is spent elsewhere.
        input: usize,
    },
}

/// What the items of a session decide about `transaction`.
pub fn decide(txid: &TxId, transaction: &Transaction, content: &HashedItems) -> Option<Decision> {
    if content.txids.contains(txid) {
        return Some(Decision::Accepted);
    }
    let spent = |module: ModuleId, nonce: &Hash| {
        content
            .items
            .iter()
            .filter_map(Item::transaction)
            .any(|other| other.inputs.iter().any(|input| input.module == module && input.nonce == *nonce))
    };
    let input = transaction.inputs.iter().position(|input| spent(input.module, &input.nonce))?;
    Some(Decision::Conflict { input })
}

/// What a session decides about all pending transactions.
pub fn decide_all(pending: &SortedMap<TxId, Pending>, content: &HashedItems) -> Vec<(TxId, Decision)> {
    pending
        .iter()
        .filter_map(|(txid, pending)| Some((*txid, decide(txid, &pending.transaction, content)?)))
        .collect()
}
