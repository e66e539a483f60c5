//! The ledger's tables. Everything is keyed by what it is looked up by, fixed-width, big numbers first.

use redb::{
    ReadOnlyTable, ReadTransaction, ReadableTable, Table, TableDefinition, TableError, WriteTransaction,
};
use rekindle_protocol::{
    amount::Amount,
    bytes::{SchnorrKey, TxId},
    encoding::Canonical,
    modules::mint::MintOutput,
    transaction::{Input, ModuleId, OutPoint},
};

/// Module (2 bytes, big endian) and nonce (32) of an input.
pub(super) type SpendKey = [u8; 34];
/// Module (2 bytes, big endian), transaction (32) and number of an output (1).
type OutputKey = [u8; 35];

/// Session (8 bytes, big endian) and transaction (32).
type IssuedKey = [u8; 40];

/// What was spent -> the session that spent it.
pub(super) const SPENT: TableDefinition<&SpendKey, u64> = TableDefinition::new("ledger_spent_in");
/// Credit outputs -> claim key and amount in sats. Claimed ones stay: they are in [`SPENT`].
const CREDITS: TableDefinition<&OutputKey, (&[u8; SchnorrKey::LEN], u64)> =
    TableDefinition::new("ledger_credits");
/// Sessions and transactions -> the transactions' mint outputs, an encoded list of output numbers and outputs. One
/// record for a transaction, because small records are dear; in the order of sessions, because a record in a random
/// place is a page to be written.
pub(super) const ISSUED: TableDefinition<&IssuedKey, &[u8]> = TableDefinition::new("mint_issued_in");
/// Sums for the audit, in sats.
const TOTALS: TableDefinition<u8, u128> = TableDefinition::new("ledger_totals");

/// What is summed up for the audit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Total {
    Issued,
    Redeemed,
    Credited,
    Claimed,
    Withdrawn,
    Fees,
}

/// Where something was spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spend {
    pub session: u64,
}

/// Value waiting at a deposit address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Credit {
    pub claim_key: SchnorrKey,
    pub amount: Amount,
}

/// What judging reads.
pub(super) trait State {
    /// Where what this input spends was spent before.
    fn spend(&self, input: &Input) -> Result<Option<Spend>, redb::Error>;

    /// The credit at this output, claimed or not.
    fn credit(&self, module: ModuleId, at: &OutPoint) -> Result<Option<Credit>, redb::Error>;
}

fn spend_key(input: &Input) -> SpendKey {
    let mut key = [0; 34];
    key[..2].copy_from_slice(&input.module.to_be_bytes());
    key[2..].copy_from_slice(&input.nonce.0);
    key
}

fn output_key(module: ModuleId, at: &OutPoint) -> OutputKey {
    let mut key = [0; 35];
    key[..2].copy_from_slice(&module.to_be_bytes());
    key[2..34].copy_from_slice(&at.txid.0);
    key[34] = at.output;
    key
}

pub(super) fn issued_key(session: u64, txid: &TxId) -> IssuedKey {
    let mut key = [0; 40];
    key[..8].copy_from_slice(&session.to_be_bytes());
    key[8..].copy_from_slice(&txid.0);
    key
}

fn read_spend(
    table: &impl ReadableTable<&'static SpendKey, u64>,
    input: &Input,
) -> Result<Option<Spend>, redb::Error> {
    Ok(table.get(&spend_key(input))?.map(|guard| Spend { session: guard.value() }))
}

fn read_credit(
    table: &impl ReadableTable<&'static OutputKey, (&'static [u8; SchnorrKey::LEN], u64)>,
    module: ModuleId,
    at: &OutPoint,
) -> Result<Option<Credit>, redb::Error> {
    Ok(table.get(&output_key(module, at))?.map(|guard| {
        let (claim_key, amount) = guard.value();
        Credit { claim_key: SchnorrKey(*claim_key), amount: Amount(amount) }
    }))
}

/// The tables as of a read transaction. Before the ledger's first write there are none.
pub(super) struct Reader {
    spent: Option<ReadOnlyTable<&'static SpendKey, u64>>,
    credits: Option<ReadOnlyTable<&'static OutputKey, (&'static [u8; SchnorrKey::LEN], u64)>>,
}

impl Reader {
    pub fn open(txn: &ReadTransaction) -> Result<Self, redb::Error> {
        Ok(Self { spent: existing(txn.open_table(SPENT))?, credits: existing(txn.open_table(CREDITS))? })
    }
}

pub(super) fn existing<T>(table: Result<T, TableError>) -> Result<Option<T>, redb::Error> {
    match table {
        Ok(table) => Ok(Some(table)),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

impl State for Reader {
    fn spend(&self, input: &Input) -> Result<Option<Spend>, redb::Error> {
        self.spent.as_ref().map_or(Ok(None), |table| read_spend(table, input))
    }

    fn credit(&self, module: ModuleId, at: &OutPoint) -> Result<Option<Credit>, redb::Error> {
        self.credits.as_ref().map_or(Ok(None), |table| read_credit(table, module, at))
    }
}

/// The tables within a write transaction, for what happens in a session.
pub(super) struct Writer<'txn> {
    session: u64,
    spent: Table<'txn, &'static SpendKey, u64>,
    credits: Table<'txn, &'static OutputKey, (&'static [u8; SchnorrKey::LEN], u64)>,
    issued: Table<'txn, &'static IssuedKey, &'static [u8]>,
    totals: Table<'txn, u8, u128>,
}

impl<'txn> Writer<'txn> {
    pub fn open(txn: &'txn WriteTransaction, session: u64) -> Result<Self, redb::Error> {
        Ok(Self {
            session,
            spent: txn.open_table(SPENT)?,
            credits: txn.open_table(CREDITS)?,
            issued: txn.open_table(ISSUED)?,
            totals: txn.open_table(TOTALS)?,
        })
    }

    pub fn record_spend(&mut self, input: &Input) -> Result<(), redb::Error> {
        self.spent.insert(&spend_key(input), self.session)?;
        Ok(())
    }

    pub fn record_credit(
        &mut self,
        module: ModuleId,
        at: &OutPoint,
        credit: &Credit,
    ) -> Result<(), redb::Error> {
        self.credits.insert(&output_key(module, at), (&credit.claim_key.0, credit.amount.0))?;
        Ok(())
    }

    pub fn record_issued(&mut self, txid: &TxId, outputs: &[(u8, MintOutput)]) -> Result<(), redb::Error> {
        self.issued.insert(&issued_key(self.session, txid), outputs.to_vec().to_bytes().as_slice())?;
        Ok(())
    }

    pub fn add(
        &mut self,
        total: Total,
        amounts: impl IntoIterator<Item = Amount>,
    ) -> Result<(), redb::Error> {
        // 2^64 transactions of 2^64 sats each would fit.
        let sum: u128 = amounts.into_iter().map(|amount| u128::from(amount.0)).sum();
        if sum == 0 {
            return Ok(());
        }
        let before = self.totals.get(total as u8)?.map_or(0, |guard| guard.value());
        self.totals.insert(total as u8, before.saturating_add(sum))?;
        Ok(())
    }
}

impl State for Writer<'_> {
    fn spend(&self, input: &Input) -> Result<Option<Spend>, redb::Error> {
        read_spend(&self.spent, input)
    }

    fn credit(&self, module: ModuleId, at: &OutPoint) -> Result<Option<Credit>, redb::Error> {
        read_credit(&self.credits, module, at)
    }
}

/// The mint outputs of a transaction that was accepted in a session; none if it was not.
pub(super) fn issued(
    txn: &ReadTransaction,
    session: u64,
    txid: &TxId,
) -> Result<Vec<(u8, MintOutput)>, redb::Error> {
    let Some(table) = existing(txn.open_table(ISSUED))? else { return Ok(Vec::new()) };
    let Some(guard) = table.get(&issued_key(session, txid))? else { return Ok(Vec::new()) };
    Vec::from_bytes(guard.value())
        .map_err(|error| redb::Error::Corrupted(format!("the issued notes of {txid}: {error}")))
}

/// A sum of the audit.
pub(super) fn total(txn: &ReadTransaction, total: Total) -> Result<u128, redb::Error> {
    let Some(table) = existing(txn.open_table(TOTALS))? else { return Ok(0) };
    Ok(table.get(total as u8)?.map_or(0, |guard| guard.value()))
}

/// Every entry of every table, for comparison.
#[cfg(test)]
pub(super) fn dump(txn: &ReadTransaction) -> Vec<String> {
    fn entries<K: redb::Key + 'static, V: redb::Value + 'static>(
        txn: &ReadTransaction,
        definition: TableDefinition<'static, K, V>,
        out: &mut Vec<String>,
    ) {
        let Some(table) = existing(txn.open_table(definition)).unwrap() else { return };
        for entry in table.iter().unwrap() {
            let (key, value) = entry.unwrap();
            out.push(format!("{definition} {:?} {:?}", key.value(), value.value()));
        }
    }
    let mut out = Vec::new();
    entries(txn, SPENT, &mut out);
    entries(txn, CREDITS, &mut out);
    entries(txn, ISSUED, &mut out);
    entries(txn, TOTALS, &mut out);
    out
}
