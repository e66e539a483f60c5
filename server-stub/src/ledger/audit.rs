//! Whether the federation owes what it was given.

use redb::ReadTransaction;

use super::tables::{Total, total};

/// Sums over all accepted transactions, in sats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Audit {
    /// Notes issued.
    pub issued: u128,
    /// Notes spent.
    pub redeemed: u128,
    /// What issuers credited.
    pub credited: u128,
    /// Credits claimed.
    pub claimed: u128,
    /// What was burned toward issuers.
    pub withdrawn: u128,
    /// What the federation kept.
    pub fees: u128,
}

impl Audit {
    /// The sums as of a read transaction.
    ///
    /// # Errors
    /// If the database fails.
    pub fn read(txn: &ReadTransaction) -> Result<Self, redb::Error> {
        Ok(Self {
            issued: total(txn, Total::Issued)?,
            redeemed: total(txn, Total::Redeemed)?,
            credited: total(txn, Total::Credited)?,
            claimed: total(txn, Total::Claimed)?,
            withdrawn: total(txn, Total::Withdrawn)?,
            fees: total(txn, Total::Fees)?,
        })
    }

    /// What the federation owes: notes in circulation and unclaimed credits. `None` if more was taken than ever
    /// was there.
    pub fn liabilities(&self) -> Option<u128> {
        self.issued.checked_sub(self.redeemed)?.checked_add(self.credited.checked_sub(self.claimed)?)
    }

    /// What it must owe: credits less withdrawals and fees.
    pub fn backing(&self) -> Option<u128> {
        self.credited.checked_sub(self.withdrawn)?.checked_sub(self.fees)
    }

    /// Whether it owes just what it must.
    pub fn is_balanced(&self) -> bool {
        self.liabilities().is_some_and(|owed| Some(owed) == self.backing())
    }
}
