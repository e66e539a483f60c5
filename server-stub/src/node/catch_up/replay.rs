//! Executing signed sessions again.

use redb::WriteTransaction;
use rekindle_protocol::{
    bytes::{FederationId, TxId},
    encoding::Canonical,
    session::HashedSession,
};

use super::VerifiedSession;
use crate::{
    db,
    node::{NodeError, StateMachine, state::NodeState},
};

/// What a replay changed, to take effect in memory once its database transaction is committed.
pub(in crate::node) struct Replayed {
    /// The state after it.
    pub state: NodeState,
    /// Transactions that are in history now.
    pub accepted: Vec<TxId>,
}

/// Executes sessions that the federation's signature vouches for, from the open one on, within `txn`: all of them
/// that are made by rules up to version `newest` or, upon an error, nothing once `txn` is dropped.
///
/// Every item must be accepted and every header reproduced. Curve arithmetic is not done again: it depends on
/// nothing but the transaction, and at least one correct guardian did it before it signed.
///
/// # Errors
/// [`NodeError::Fork`] and [`NodeError::Diverged`] if this guardian comes to another history.
pub(in crate::node) fn replay(
    txn: &WriteTransaction,
    federation: &FederationId,
    machine: &dyn StateMachine,
    state: &NodeState,
    newest: u32,
    sessions: Vec<VerifiedSession>,
) -> Result<Replayed, NodeError> {
    let mut replayed = Replayed { state: state.clone(), accepted: Vec::new() };
    for VerifiedSession { session, bytes } in sessions {
        if replayed.state.outgrown(newest).is_some() {
            break;
        }
        replay_session(txn, federation, machine, &mut replayed, session, &bytes)?;
    }
    Ok(replayed)
}

fn replay_session(
    txn: &WriteTransaction,
    federation: &FederationId,
    machine: &dyn StateMachine,
    replayed: &mut Replayed,
    session: HashedSession,
    bytes: &[u8],
) -> Result<(), NodeError> {
    let HashedSession { header, content, .. } = session;
    let index = replayed.state.open.index;
    let diverged = |reason: String| NodeError::Diverged { session: index, reason };
    let own = content.header(federation, replayed.state.previous.as_ref(), header.last_epoch, header.time);
    if own != header {
        let (signed, own) = (header.hash(federation), own.hash(federation));
        return Err(NodeError::Fork { session: index, signed, own });
    }
    if header.last_epoch.saturating_add(1) < replayed.state.next_epoch {
        return Err(diverged(format!("it ended with epoch {}, which is long over", header.last_epoch)));
    }
    // What this guardian had accepted in it before it fell behind must be its beginning.
    let before = db::take_open_items(txn)?;
    if !content.items.starts_with(&before) {
        return Err(diverged("this guardian accepted other items in it".into()));
    }
    for (txid, transaction) in content.transactions().skip(before.len()) {
        if db::is_accepted(txn, txid)? {
            return Err(diverged(format!("transaction {txid} is in an earlier session")));
        }
        let verdict = machine.replay(txn, index, transaction, txid).map_err(db::DbError::from)?;
        if let Err(rejection) = verdict {
            return Err(diverged(format!("transaction {txid} is not valid here: {}", rejection.detail)));
        }
        db::record_accepted(txn, txid, index)?;
    }
    let upgrade = content.upgrade();
    if upgrade.is_some_and(|version| version <= replayed.state.rules())
        || content.items.len() != content.txids.len() + usize::from(upgrade.is_some())
    {
        return Err(diverged("it decides upon an upgrade where there can be none".into()));
    }
    replayed.accepted.extend(&content.txids);
    let mut recovery = header.to_bytes();
    recovery.extend(content.recovery_entries());
    db::store_signed(txn, index, bytes, &recovery)?;
    replayed.state.follow(header, upgrade);
    Ok(())
}
