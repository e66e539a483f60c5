//! The wallet's history of operations, which the memos of its own transactions bring back.

use std::rc::Rc;

use async_trait::async_trait;
use rekindle_protocol::{
    amount::Amount,
    bytes::{Hash, TxId},
    encoding::{Decode, Encode},
    ownership::OperationKind,
};

use super::versioned;
use crate::{
    context::WalletContext,
    recovery::{Findings, ModuleError, Ownership, RecoveryFromHistory, TransactionView},
    sorted::{SortedMap, SortedSet},
};

/// Something that the wallet did and that history holds.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Operation {
    /// What it did.
    pub kind: OperationKind,
    /// How much it moved, in sats.
    pub amount: Amount,
    /// Its session's time, milliseconds since 1970.
    pub time: u64,
    /// What it refers to: a claimed credit's or a reclaimed token's transaction.
    pub reference: Hash,
}

/// All operations, by the transaction that did them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Operations {
    operations: SortedMap<TxId, Operation>,
}

const VERSION: u8 = 1;

impl Operations {
    /// The module's name in the store.
    pub const KIND: &'static str = "operations";

    /// All operations, in no order that means anything.
    pub fn iter(&self) -> impl Iterator<Item = (&TxId, &Operation)> {
        self.operations.iter()
    }

    /// One operation.
    pub fn get(&self, txid: &TxId) -> Option<&Operation> {
        self.operations.get(txid)
    }

    /// The sends whose tokens were taken back.
    pub fn reclaimed(&self) -> SortedSet<TxId> {
        let reclaims = self.operations.values().filter(|operation| operation.kind == OperationKind::Reclaim);
        reclaims.map(|operation| TxId(operation.reference.0)).collect()
    }
}

#[async_trait(?Send)]
impl RecoveryFromHistory for Operations {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    fn new(_context: Rc<WalletContext>, snapshot: Option<&[u8]>) -> Result<Self, ModuleError> {
        let operations = snapshot.map_or(Ok(SortedMap::new()), |bytes| versioned::read(VERSION, bytes))?;
        Ok(Self { operations })
    }

    fn snapshot(&self) -> Vec<u8> {
        versioned::write(VERSION, &self.operations)
    }

    fn findings(&self) -> Findings {
        Findings { operations: self.operations.len() as u64, ..Findings::default() }
    }

    fn handle_transaction(&mut self, view: &TransactionView<'_>) -> Result<(), ModuleError> {
        if let Ownership::Own(memo) = &view.ownership {
            // Applied again, its time is no guess any more.
            let operation = Operation {
                kind: memo.kind,
                amount: memo.amount,
                time: view.time,
                reference: memo.reference,
            };
            self.operations.insert(view.txid, operation);
        }
        Ok(())
    }
}
