//! A small state machine and federation for tests.

use redb::{ReadTransaction, ReadableTable, TableDefinition, WriteTransaction};
use rekindle_protocol::{
    amount::Amount,
    api::{Rejection, RejectionReason},
    bytes::{Hash, Memo, Tag, Tweak, TxId},
    transaction::{Input, Transaction},
};

use super::{Proposals, StateMachine};
use crate::dealer::{Deal, Dealt};

const SPENT: TableDefinition<&[u8; 32], u64> = TableDefinition::new("test_spent");

/// What this guardian wants frozen.
const FROZEN: TableDefinition<(), u8> = TableDefinition::new("test_frozen");

/// Accepts every nonce once, and nothing without inputs. Transactions with a tweak that two guardians propose to freeze
/// are not accepted while they do.
pub struct TestMachine;

impl TestMachine {
    fn judge(
        table: &impl ReadableTable<&'static [u8; 32], u64>,
        transaction: &Transaction,
    ) -> Result<Result<(), Rejection>, redb::Error> {
        let reject = |reason| Ok(Err(Rejection { reason, detail: String::new() }));
        if transaction.inputs.is_empty() {
            return reject(RejectionReason::Malformed);
        }
        for (number, input) in (0..).zip(&transaction.inputs) {
            if let Some(session) = table.get(&input.nonce.0)? {
                return reject(RejectionReason::AlreadySpent { input: number, session: session.value() });
            }
        }
        Ok(Ok(()))
    }

    /// Wants transactions with a tweak frozen, instead of those before.
    pub fn freeze(txn: &WriteTransaction, tweak: Option<u8>) -> Result<(), redb::Error> {
        let mut table = txn.open_table(FROZEN)?;
        match tweak {
            Some(tweak) => table.insert((), tweak)?,
            None => table.remove(())?,
        };
        Ok(())
    }
}

impl StateMachine for TestMachine {
    fn create_tables(&self, txn: &WriteTransaction) -> Result<(), redb::Error> {
        txn.open_table(SPENT)?;
        txn.open_table(FROZEN)?;
        Ok(())
    }

    fn proposal(&self, txn: &ReadTransaction) -> Result<Vec<u8>, redb::Error> {
        let frozen = txn.open_table(FROZEN)?.get(())?;
        Ok(frozen.map_or(vec![], |tweak| vec![tweak.value()]))
    }

    fn check(
        &self,
        txn: &ReadTransaction,
        transaction: &Transaction,
    ) -> Result<Result<(), Rejection>, redb::Error> {
        Self::judge(&txn.open_table(SPENT)?, transaction)
    }

    fn apply(
        &self,
        txn: &WriteTransaction,
        session: u64,
        proposals: &Proposals,
        transaction: &Transaction,
    ) -> Result<Result<(), Rejection>, redb::Error> {
        if proposals.values().filter(|tweak| **tweak == transaction.tweak.0[..1]).count() >= 2 {
            return Ok(Err(Rejection { reason: RejectionReason::IssuerSuspended, detail: String::new() }));
        }
        let mut table = txn.open_table(SPENT)?;
        let verdict = Self::judge(&table, transaction)?;
        if verdict.is_ok() {
            for input in &transaction.inputs {
                table.insert(&input.nonce.0, session)?;
            }
        }
        Ok(verdict)
    }

    fn replay(
        &self,
        txn: &WriteTransaction,
        session: u64,
        transaction: &Transaction,
        _: &TxId,
    ) -> Result<Result<(), Rejection>, redb::Error> {
        self.apply(txn, session, &Proposals::new(), transaction)
    }
}

/// A transaction that spends the nonce `nonce`; `tweak` tells apart those that spend the same.
pub fn spend(nonce: u32, tweak: u8) -> Transaction {
    let mut hash = [0; 32];
    hash[..4].copy_from_slice(&nonce.to_le_bytes());
    Transaction {
        tweak: Tweak([tweak; 16]),
        tag: Tag([0; 2]),
        memo: Memo([0; 64]),
        fee: Amount(0),
        inputs: vec![Input { module: 0, nonce: Hash(hash), body: vec![0; 100] }],
        outputs: vec![],
        signatures: vec![],
    }
}

/// The keys of a small federation.
pub fn deal(guardians: u16) -> Dealt {
    Deal { denominations: 1, ..Deal::new(guardians, String::new()) }.deal(&[9; 32])
}
