//! A wallet's state in memory. It changes only by batches that the store has taken first.

use std::rc::Rc;

use rekindle_protocol::{
    bytes::{Hash, SchnorrKey, TxId},
    chain::ChainPosition,
    encoding::Canonical,
    transaction::Input,
};

use super::{
    WalletError, WalletResult,
    attested::Attested,
    keys,
    pending::{Decision, Pending},
};
use crate::{
    context::WalletContext,
    modules::mint::{Note, Token},
    platform::{Batch, Scan, Store},
    recovery::{IndexScan, ModuleFailure, Modules, Scanner, TransactionView},
    sorted::{SortedMap, SortedSet},
};

/// Everything that changes in a wallet.
#[derive(Clone)]
pub struct Live {
    context: Rc<WalletContext>,
    /// Position in history and the modules' states.
    pub scanner: Scanner,
    /// Transactions on their way.
    pub pending: SortedMap<TxId, Pending>,
    /// Tokens that were received and not redeemed yet.
    pub received: SortedMap<Hash, Token>,
    /// Transactions that history has shown to be impossible since the wallet was opened.
    pub impossible: SortedSet<TxId>,
    /// What is known of the session that is not signed yet. Never stored.
    pub attested: Attested,
}

impl Live {
    /// Loads the state, and says which modules' states are of no use.
    ///
    /// # Errors
    /// [`WalletError::Store`]; [`WalletError::Corrupt`] for records that do not decode and that history can't rebuild.
    pub async fn load(
        context: Rc<WalletContext>,
        store: &dyn Store,
    ) -> WalletResult<(Self, Vec<ModuleFailure>)> {
        let (modules, unreadable) = Modules::load_live(&context, store).await?;
        let (position, ahead) = match store.get(keys::POSITION.as_bytes()).await? {
            Some(bytes) => decode::<(ChainPosition, SortedSet<TxId>)>(&bytes)?,
            None => (ChainPosition::GENESIS, SortedSet::new()),
        };
        let mut pending = SortedMap::new();
        for (_, value) in store.scan(&Scan::prefix(keys::PENDING_PREFIX)).await? {
            let record: Pending = decode(&value)?;
            pending.insert(record.transaction.id(), record);
        }
        let mut received = SortedMap::new();
        for (key, value) in store.scan(&Scan::prefix(keys::RECEIVED_PREFIX)).await? {
            let id =
                std::str::from_utf8(&key[keys::RECEIVED_PREFIX.len()..]).ok().and_then(|id| id.parse().ok());
            let id = id.ok_or_else(|| WalletError::Corrupt("a received token's key".into()))?;
            received.insert(id, decode(&value)?);
        }
        let scanner = Scanner::new(context.clone(), position, modules, ahead);
        let (impossible, attested) = (SortedSet::new(), Attested::default());
        Ok((Self { context, scanner, pending, received, impossible, attested }, unreadable))
    }

    /// Adds position and modules to a batch.
    pub fn store_scanner(&self, batch: &mut Batch) {
        batch.put(keys::POSITION, (self.scanner.position, self.scanner.ahead.clone()).to_bytes());
        self.scanner.modules.store_live(batch);
    }

    /// Takes in a new pending transaction. It may be sent once the batch is committed.
    pub fn add_pending(&mut self, pending: Pending, batch: &mut Batch) -> TxId {
        let txid = pending.transaction.id();
        batch.put(keys::pending(&txid), pending.to_bytes());
        self.pending.insert(txid, pending);
        txid
    }

    /// Takes in a received token. Giving it again changes nothing.
    pub fn add_received(&mut self, id: Hash, token: Token, batch: &mut Batch) {
        batch.put(keys::received(&id), token.to_bytes());
        self.received.insert(id, token);
    }

    /// Applies a pending transaction that f+1 guardians attest to be in `session`. The session itself will be
    /// followed later and must not apply it again.
    ///
    /// # Errors
    /// [`WalletError::Corrupt`] if a module can't read the wallet's own transaction.
    pub fn accept(&mut self, txid: &TxId, session: u64, now: u64, batch: &mut Batch) -> WalletResult<()> {
        let Some(pending) = self.remove_pending(txid, batch) else { return Ok(()) };
        if session >= self.scanner.position.next && self.scanner.ahead.insert(*txid) {
            let view = TransactionView::new(&self.context, session, now, *txid, &pending.transaction);
            self.scanner.apply(&view)?;
        }
        self.store_scanner(batch);
        Ok(())
    }

    /// Does what history decided about a pending transaction.
    pub fn settle(&mut self, txid: &TxId, decision: Decision, batch: &mut Batch) {
        match decision {
            Decision::Accepted => {
                self.remove_pending(txid, batch);
            }
            Decision::Conflict { input } => {
                let Some(pending) = self.pending.remove(txid) else { return };
                batch.delete(keys::pending(txid));
                self.impossible.insert(*txid);
                // The note of a received token that is gone goes; the rest of the token stays to be tried again.
                let Some((id, spent)) = pending.received.zip(pending.transaction.inputs.get(input)) else {
                    return;
                };
                self.drop_received_note(id, spent, batch);
            }
        }
    }

    fn remove_pending(&mut self, txid: &TxId, batch: &mut Batch) -> Option<Pending> {
        let pending = self.pending.remove(txid)?;
        batch.delete(keys::pending(txid));
        if let Some(id) = pending.received {
            self.received.remove(&id);
            batch.delete(keys::received(&id));
        }
        Some(pending)
    }

    fn drop_received_note(&mut self, id: Hash, spent: &Input, batch: &mut Batch) {
        let Some(token) = self.received.get_mut(&id) else { return };
        token.notes.retain(|note| note.nonce().is_some_and(|nonce| nonce.0 != spent.nonce.0));
        if token.notes.is_empty() {
            self.received.remove(&id);
            batch.delete(keys::received(&id));
        } else {
            batch.put(keys::received(&id), token.to_bytes());
        }
    }

    /// What pending transactions spend, and what others are attested to have spent.
    fn reserved(&self) -> impl Iterator<Item = &Hash> {
        let pending = self.pending.values().flat_map(|pending| &pending.transaction.inputs);
        pending.chain(self.attested_inputs()).map(|input| &input.nonce)
    }

    /// Whether a pending or an attested transaction spends this.
    pub fn is_reserved(&self, nonce: &Hash) -> bool {
        self.reserved().any(|reserved| reserved == nonce)
    }

    /// Has the index scanned for spends that would decide a pending transaction.
    pub fn watch_pending(&self, scan: &mut IndexScan) {
        for input in self.pending.values().flat_map(|pending| &pending.transaction.inputs) {
            scan.watch(input.module, &input.nonce);
        }
    }

    /// Notes that can be spent now.
    pub fn spendable(&self) -> impl Iterator<Item = (&SchnorrKey, &Note)> {
        let reserved: SortedSet<[u8; 32]> = self.reserved().map(|nonce| nonce.0).collect();
        self.scanner.modules.mint.notes().filter(move |(nonce, note)| {
            !note.in_token && note.signature.is_some() && !reserved.contains(&nonce.0)
        })
    }

    /// Notes whose signature is still to be fetched, by session.
    pub fn unsigned(&self) -> SortedMap<u64, Vec<(SchnorrKey, Note)>> {
        let mut sessions: SortedMap<u64, Vec<_>> = SortedMap::new();
        for (nonce, note) in self.scanner.modules.mint.notes().filter(|(_, note)| note.signature.is_none()) {
            sessions.entry(note.session).or_default().push((*nonce, note.clone()));
        }
        sessions
    }
}

fn decode<T: Canonical>(bytes: &[u8]) -> WalletResult<T> {
    T::from_bytes(bytes).map_err(|error| WalletError::Corrupt(error.to_string()).into())
}
