//! History as modules get to see it: verified, decoded once, and with its owner's transactions found.

use rekindle_protocol::{
    bytes::TxId, ownership::MemoContent, session::HashedSession, transaction::Transaction,
};

use crate::context::WalletContext;

/// Whose a transaction is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ownership {
    /// Somebody else's.
    Stranger,
    /// Its tag is this wallet's, but its memo does not open: a credit of a deposit address, one false hit in 65,536,
    /// or a copy that somebody planted. Only what a derived key confirms may be believed of it.
    Tagged,
    /// This wallet made it.
    Own(MemoContent),
}

/// One accepted transaction.
#[derive(Debug, Clone)]
pub struct TransactionView<'a> {
    /// The session that holds it.
    pub session: u64,
    /// The session's time, milliseconds since 1970.
    pub time: u64,
    /// The transaction's id.
    pub txid: TxId,
    /// The transaction.
    pub transaction: &'a Transaction,
    /// Whose it is.
    pub ownership: Ownership,
    /// Whether it was applied before its session came: then what it makes is known. What it spends may have come to be
    /// known since, where another device on the same seed made it.
    pub is_applied: bool,
}

impl<'a> TransactionView<'a> {
    /// Looks at a transaction with the wallet's view key.
    pub fn new(
        context: &WalletContext,
        session: u64,
        time: u64,
        txid: TxId,
        transaction: &'a Transaction,
    ) -> Self {
        let ownership = if context.secret.tag(&transaction.tweak) != transaction.tag {
            Ownership::Stranger
        } else {
            MemoContent::open(&context.secret, &context.federation, transaction)
                .map_or(Ownership::Tagged, Ownership::Own)
        };
        Self { session, time, txid, transaction, ownership, is_applied: false }
    }
}

/// One session, whose place in history has been verified by hashes.
#[derive(Debug, Clone)]
pub struct SessionView<'a> {
    /// Its number.
    pub index: u64,
    /// Its transactions in order.
    pub transactions: Vec<TransactionView<'a>>,
}

impl<'a> SessionView<'a> {
    /// Looks at a session with the wallet's view key.
    pub fn new(context: &WalletContext, session: &'a HashedSession) -> Self {
        let header = &session.header;
        let transactions = session
            .content
            .transactions()
            .map(|(txid, transaction)| {
                TransactionView::new(context, header.index, header.time, *txid, transaction)
            })
            .collect();
        Self { index: header.index, transactions }
    }
}
