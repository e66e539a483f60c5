//! The ledger: which transactions are valid, and what the valid ones change.
//!
//! # How it works
//!
//! [`StateMachine::apply`] judges one transaction against the tables and, only if nothing is wrong with it, writes
//! what it changes. All reads come before the first write, so a rejected transaction leaves no trace even
//! though the caller's database transaction goes on. What the envelope promises to all modules is checked in
//! `envelope`: sizes, one signature for each input, nothing spent twice, inputs equal to outputs plus the fee.
//! What only a module knows is asked of it through `Module`: what an input is worth, who must sign for it,
//! whether the note or credit behind it is real.
//!
//! # Determinism and cost
//!
//! A verdict depends on the transaction, the config, the tables and what the session's batches proposed, never on time,
//! order of arrival or memory, so all guardians accept the same. Curve arithmetic is the expensive part (a note costs two pairings, about
//! a millisecond) and the only part that is remembered: the ids of transactions whose signatures and points are known
//! to be good. An id covers every byte of a transaction, so the memory only saves work. [`StateMachine::check`]
//! judges without writing, at submission and before a batch is applied, and fills that memory outside the
//! database's only write transaction.
//!
//! # Suspension
//!
//! Operators whose issuer's key may be stolen have their guardians propose to suspend it. While more than f guardians
//! do, its credits and withdrawals toward it are rejected; what it credited before can be claimed. See `suspension`.
//!
//! # Value
//!
//! Each module counts what enters and leaves it. [`Audit`] compares: notes in circulation plus unclaimed
//! credits are what issuers credited, less withdrawals and fees.

mod audit;
mod deposit;
mod envelope;
mod judge;
mod migrations;
mod mint;
mod module;
mod refusal;
mod shares;
mod suspension;
mod tables;

#[cfg(test)]
mod histories;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, num::NonZeroUsize, sync::Mutex};

use lru::LruCache;
use redb::{ReadTransaction, WriteTransaction};
use rekindle_protocol::{
    api::Rejection,
    bytes::{FederationId, TxId},
    config::{ClientConfig, ConfigError},
    modules::{deposit::DepositConfig, mint::MintConfig},
    transaction::Transaction,
};

use crate::{
    db::TableGroup,
    node::{Proposals, StateMachine},
};

pub use audit::Audit;
pub use shares::{Issued, ShareSigner, issued_at, issued_by};
pub use suspension::{suspend, suspended, suspended_here, suspenders};

use deposit::Deposit;
use mint::Mint;
use module::Module;
use refusal::Refusal;
use tables::{Reader, Total, Writer};

/// How many transactions are remembered as correctly signed: a few full sessions, less than a mebibyte.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(10_000).expect("not zero");

/// Why a federation's config gives no ledger.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// The config is unusable for wallets too.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A kind of module that this version can't judge; running without it would be a fork.
    #[error("this version has no module of the kind {0:?}")]
    UnknownKind(String),
    /// Two modules of one kind.
    #[error("the config has more than one {0:?} module")]
    Repeated(String),
}

/// Judges transactions and keeps what they change. See the [module documentation](self).
pub struct Ledger {
    federation: FederationId,
    mint: Mint,
    deposit: Deposit,
    correctly_signed: Mutex<LruCache<TxId, ()>>,
}

impl Ledger {
    /// The groups of tables that have a version: the ledger's own, and one for each module.
    pub const TABLES: [TableGroup; 3] = [
        TableGroup { name: "ledger", key: "schema/ledger", migrations: &[migrations::SPENT_IN_SESSIONS] },
        TableGroup { name: "mint", key: "schema/mint", migrations: &[migrations::ISSUED_BY_SESSION] },
        TableGroup { name: "deposit", key: "schema/deposit", migrations: &[] },
    ];

    /// The ledger of a federation.
    ///
    /// # Errors
    /// [`LedgerError`] for a config that breaks the rules or names modules that this version does not have.
    pub fn new(config: &ClientConfig) -> Result<Self, LedgerError> {
        config.validate()?;
        let mut kinds = BTreeSet::new();
        for module in &config.modules {
            if ![MintConfig::KIND, DepositConfig::KIND].contains(&module.kind.as_str()) {
                return Err(LedgerError::UnknownKind(module.kind.clone()));
            }
            if !kinds.insert(&module.kind) {
                return Err(LedgerError::Repeated(module.kind.clone()));
            }
        }
        let (mint, mint_config) = config.mint()?;
        let (deposit, deposit_config) = config.deposit()?;
        Ok(Self {
            federation: config.federation_id(),
            mint: Mint::new(mint, &mint_config)?,
            deposit: Deposit::new(deposit, deposit_config, config.max_faulty()),
            correctly_signed: Mutex::new(LruCache::new(REMEMBERED)),
        })
    }

    fn execute(
        &self,
        txn: &WriteTransaction,
        session: u64,
        proposals: &Proposals,
        transaction: &Transaction,
        txid: &TxId,
    ) -> Result<Result<(), Rejection>, redb::Error> {
        let mut writer = Writer::open(txn, session)?;
        let verdict = match Refusal::split(self.judge(&writer, proposals, transaction, txid))? {
            Ok(verdict) => verdict,
            Err(rejection) => return Ok(Err(rejection)),
        };
        for input in &transaction.inputs {
            writer.record_spend(input)?;
        }
        self.mint.record(&mut writer, transaction, txid, &verdict)?;
        self.deposit.record(&mut writer, transaction, txid, &verdict)?;
        writer.add(Total::Fees, [transaction.fee])?;
        Ok(Ok(()))
    }
}

impl StateMachine for Ledger {
    fn tables(&self) -> &[TableGroup] {
        &Self::TABLES
    }

    fn create_tables(&self, txn: &WriteTransaction) -> Result<(), redb::Error> {
        Writer::open(txn, 0).map(drop)
    }

    fn proposal(&self, txn: &ReadTransaction) -> Result<Vec<u8>, redb::Error> {
        suspension::proposal(txn)
    }

    /// Takes up to a second of CPU for the largest transaction, and remembers what curve arithmetic said.
    fn check(
        &self,
        txn: &ReadTransaction,
        transaction: &Transaction,
    ) -> Result<Result<(), Rejection>, redb::Error> {
        let reader = Reader::open(txn)?;
        Refusal::split(self.judge(&reader, &Proposals::new(), transaction, &transaction.id()).map(drop))
    }

    fn apply(
        &self,
        txn: &WriteTransaction,
        session: u64,
        proposals: &Proposals,
        transaction: &Transaction,
    ) -> Result<Result<(), Rejection>, redb::Error> {
        self.execute(txn, session, proposals, transaction, &transaction.id())
    }

    /// Leaves out curve arithmetic, which depends on nothing but the transaction: f+1 guardians have signed that it
    /// was right.
    fn replay(
        &self,
        txn: &WriteTransaction,
        session: u64,
        transaction: &Transaction,
        txid: &TxId,
    ) -> Result<Result<(), Rejection>, redb::Error> {
        self.remember_correctly_signed(*txid);
        self.execute(txn, session, &Proposals::new(), transaction, txid)
    }
}
