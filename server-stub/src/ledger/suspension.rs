//! Issuers that guardians want suspended, because their keys may be stolen.
//!
//! Each guardian keeps what its operator wants and proposes it with every contribution. An issuer is suspended for the
//! transactions of a batch if more than f guardians proposed it last in the session, this batch included. Each batch
//! has the contributions of at least f + 1 honest guardians, so once all honest operators want it nothing gets
//! through, and f guardians alone suspend nobody.

use std::collections::{BTreeMap, BTreeSet};

use redb::{ReadTransaction, ReadableTable, TableDefinition, WriteTransaction};
use rekindle_protocol::{
    encoding::{Canonical, Decode, Encode},
    modules::deposit::MAX_ISSUERS,
};

use super::tables::existing;
use crate::{consensus::GuardianId, node::Proposals};

/// The issuers, by id, that this guardian's operator wants suspended. Only this guardian knows them.
const SUSPENDED_HERE: TableDefinition<u16, ()> = TableDefinition::new("deposit_suspended_here");

/// What the ledger proposes.
#[derive(Debug, PartialEq, Eq, Encode, Decode)]
pub(super) struct Proposal {
    /// Ids of issuers to suspend.
    #[encoding(list = MAX_ISSUERS)]
    pub suspend: Vec<u16>,
}

/// Notes which issuers, by id, this guardian's operator wants suspended, instead of those before.
///
/// # Errors
/// If the database fails.
pub fn suspend(txn: &WriteTransaction, issuers: &BTreeSet<u16>) -> Result<(), redb::Error> {
    let mut table = txn.open_table(SUSPENDED_HERE)?;
    table.retain(|issuer, ()| issuers.contains(&issuer))?;
    for issuer in issuers {
        table.insert(issuer, ())?;
    }
    Ok(())
}

/// Which issuers, by id, this guardian's operator wants suspended.
///
/// # Errors
/// If the database fails.
pub fn suspended_here(txn: &ReadTransaction) -> Result<BTreeSet<u16>, redb::Error> {
    let Some(table) = existing(txn.open_table(SUSPENDED_HERE))? else { return Ok(BTreeSet::new()) };
    table.iter()?.map(|entry| Ok(entry?.0.value())).collect()
}

/// What this guardian proposes: nothing if its operator wants no issuer suspended.
pub(super) fn proposal(txn: &ReadTransaction) -> Result<Vec<u8>, redb::Error> {
    let suspend: Vec<u16> = suspended_here(txn)?.into_iter().collect();
    Ok(if suspend.is_empty() { Vec::new() } else { Proposal { suspend }.to_bytes() })
}

/// Who wants which issuer suspended. A proposal that does not decode, a faulty guardian's, suspends nobody.
pub fn suspenders(proposals: &Proposals) -> BTreeMap<u16, BTreeSet<GuardianId>> {
    let mut suspenders = BTreeMap::<_, BTreeSet<_>>::new();
    for (guardian, bytes) in proposals {
        for issuer in Proposal::from_bytes(bytes).map_or(vec![], |proposal| proposal.suspend) {
            suspenders.entry(issuer).or_default().insert(*guardian);
        }
    }
    suspenders
}

/// The issuers that more than `max_faulty` guardians want suspended.
pub fn suspended(proposals: &Proposals, max_faulty: usize) -> BTreeSet<u16> {
    let suspenders = suspenders(proposals).into_iter();
    suspenders.filter(|(_, guardians)| guardians.len() > max_faulty).map(|(issuer, _)| issuer).collect()
}
