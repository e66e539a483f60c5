//! What f + 1 guardians attest of a session that is not signed yet: it counts for what the wallet shows and spends, and
//! is neither stored nor believed any longer than until that session is signed.

use std::borrow::Cow;

use rekindle_protocol::{
    bytes::{SchnorrKey, TxId},
    session::{HashedItems, Item},
    transaction::{Input, Transaction},
};

use super::{Wallet, WalletError, WalletResult, live::Live};
use crate::{
    federation::KnownSession,
    recovery::{Modules, Ownership, TransactionView},
};

/// The attested transactions that concern the wallet.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Attested {
    /// The number of the session that they will be in.
    session: u64,
    /// When they were asked for, milliseconds since 1970: a session's time is known when it is signed.
    time: u64,
    transactions: Vec<(TxId, Transaction)>,
}

impl Live {
    /// The attested transactions that the wallet has not applied, and that are not its own on their way.
    fn attested(&self) -> impl Iterator<Item = &(TxId, Transaction)> {
        // Once the session is signed, history says what was in it.
        let is_next = self.attested.session == self.scanner.position.next;
        let transactions = if is_next { &*self.attested.transactions } else { &[] };
        transactions
            .iter()
            .filter(|(txid, _)| !self.scanner.ahead.contains(txid) && !self.pending.contains_key(txid))
    }

    /// What attested transactions spend.
    pub fn attested_inputs(&self) -> impl Iterator<Item = &Input> {
        self.attested().flat_map(|(_, transaction)| &transaction.inputs)
    }

    /// Whether a transaction is attested, and not in signed history yet.
    pub fn is_attested(&self, txid: &TxId) -> bool {
        self.attested().any(|(attested, _)| attested == txid)
    }

    /// The modules as they will be when what is attested is signed.
    pub fn shown(&self) -> Cow<'_, Modules> {
        if self.attested().next().is_none() {
            return Cow::Borrowed(&self.scanner.modules);
        }
        let mut scanner = self.scanner.clone();
        for (txid, transaction) in self.attested() {
            let Attested { session, time, .. } = self.attested;
            let view = TransactionView::new(scanner.context(), session, time, *txid, transaction);
            if scanner.apply(&view).is_err() {
                // What a module can't read it says when the session comes.
                return Cow::Borrowed(&self.scanner.modules);
            }
        }
        Cow::Owned(scanner.modules)
    }

    /// Whether a transaction may change what the wallet holds.
    fn concerns(&self, view: &TransactionView<'_>) -> bool {
        let (mint_id, mint) = (self.scanner.context().mint_id, &self.scanner.modules.mint);
        let mut inputs = view.transaction.inputs.iter();
        view.ownership != Ownership::Stranger
            || inputs.any(|input| input.module == mint_id && mint.holds(&SchnorrKey(input.nonce.0)))
    }
}

impl Wallet {
    /// Asks what the first session holds that is not signed yet.
    pub(super) async fn look_ahead(&self) -> WalletResult<()> {
        let session = self.with_live(|live| live.scanner.position.next).ok_or(WalletError::NotJoined)?;
        if let KnownSession::Pending(items) = self.api()?.begun_session(session).await? {
            self.attest(session, items).await;
        }
        // Else it has been signed meanwhile, and is followed next.
        Ok(())
    }

    /// Takes in what is attested of a session. Less than before says only that others were asked.
    pub(super) async fn attest(&self, session: u64, items: Vec<Item>) {
        let time = self.platform().runtime.now();
        let content = HashedItems::new(items);
        let _committing = self.0.committing.lock().await;
        let has_changed = self.0.joined.borrow_mut().as_mut().is_some_and(|joined| {
            let live = &mut joined.live;
            let mut transactions = Vec::new();
            for (txid, transaction) in content.transactions() {
                let context = live.scanner.context();
                let view = TransactionView::new(context, session, time, *txid, transaction);
                if live.concerns(&view) {
                    transactions.push((*txid, transaction.clone()));
                }
            }
            let known = &live.attested;
            if known.session == session && known.transactions.len() >= transactions.len() {
                return false;
            }
            let has_changed = transactions != known.transactions;
            live.attested = Attested { session, time, transactions };
            has_changed
        });
        if has_changed {
            self.notify();
        }
    }
}
