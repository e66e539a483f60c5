//! Applying a batch.

use std::collections::HashSet;

use redb::WriteTransaction;
use rekindle_protocol::{
    api::Rejection,
    bytes::{FederationId, TxId},
    encoding::Canonical,
    session::{HashedItems, Item, SessionHeader},
    transaction::Transaction,
};

use super::{Contribution, Settings, StateMachine, session::Quorum, state::NodeState};
use crate::{
    consensus::{Batch, Fault, FaultKind, GuardianId},
    db::{self, ClosedSession, DbError},
};

/// What a batch changed, to take effect in memory once its database transaction is committed.
pub(super) struct Applied {
    /// The state after it.
    pub state: NodeState,
    /// Transactions that are in history now, by this batch or an earlier one.
    pub accepted: Vec<TxId>,
    /// Transactions that are not valid.
    pub rejected: Vec<(TxId, Rejection)>,
    /// The session that closed with it.
    pub closed: Option<SessionHeader>,
    /// What the batch's guardians propose.
    pub proposals: Vec<(GuardianId, Vec<u8>)>,
    /// Contributions that do not decode.
    pub faults: Vec<Fault>,
}

/// What applying needs besides the batch.
pub(super) struct Rules<'a> {
    pub federation: &'a FederationId,
    pub machine: &'a dyn StateMachine,
    pub settings: &'a Settings,
    pub quorum: Quorum,
}

impl Rules<'_> {
    /// Applies a batch to `state` within `txn`, all of it or, upon an error, nothing once `txn` is dropped.
    ///
    /// Everything here depends on the batch, the state and the database alone: all guardians do the same.
    pub fn apply(
        &self,
        txn: &WriteTransaction,
        state: &NodeState,
        batch: &Batch,
    ) -> Result<Applied, DbError> {
        let mut applied = Applied {
            state: state.clone(),
            accepted: Vec::new(),
            rejected: Vec::new(),
            closed: None,
            proposals: Vec::new(),
            faults: Vec::new(),
        };
        let mut transactions = Vec::new();
        for (guardian, bytes) in &batch.contributions {
            let Some(contribution) = Contribution::read(bytes, self.settings.contribution_bytes) else {
                let kind = FaultKind::Malformed("a contribution that does not decode");
                applied.faults.push(Fault { culprit: *guardian, kind, evidence: bytes.clone().into() });
                continue;
            };
            if let Some(latest) = applied.state.latest_times.get_mut(usize::from(*guardian)) {
                *latest = contribution.time.max(*latest);
            }
            if let Some(session) = contribution.close_vote {
                applied.state.open.vote(*guardian, session);
            }
            if let Some(version) = contribution.upgrade {
                applied.state.open.signal(*guardian, version);
            }
            applied.state.open.propose(*guardian, contribution.proposal.clone());
            applied.proposals.push((*guardian, contribution.proposal));
            transactions.push(contribution.transactions);
        }
        // Once all of the batch are heard: what was proposed holds from the first transaction of a session on.
        let mut items = Vec::new();
        let mut decided = HashSet::new();
        for transaction in transactions.into_iter().flatten() {
            self.judge(txn, transaction, &mut decided, &mut items, &mut applied)?;
        }
        applied.state.next_epoch = batch.epoch + 1;
        db::append_items(txn, batch.epoch, &items)?;
        if applied.state.open.closes(batch.epoch, self.quorum, self.settings, state.rules()) {
            applied.closed = Some(self.close(txn, &mut applied.state, batch.epoch)?);
        }
        Ok(applied)
    }

    fn judge(
        &self,
        txn: &WriteTransaction,
        transaction: Transaction,
        decided: &mut HashSet<TxId>,
        items: &mut Vec<Item>,
        applied: &mut Applied,
    ) -> Result<(), DbError> {
        let encoded = transaction.to_bytes();
        let txid = Transaction::id_of_bytes(&encoded);
        let open = &mut applied.state.open;
        // What does not fit is left out and will be proposed again. What several guardians propose is judged once.
        if !open.has_room(encoded.len() + 1) || !decided.insert(txid) {
            return Ok(());
        }
        if db::is_accepted(txn, &txid)? {
            applied.accepted.push(txid);
            return Ok(());
        }
        match self.machine.apply(txn, open.index, &open.proposals, &transaction)? {
            Ok(()) => {
                db::record_accepted(txn, &txid, open.index)?;
                open.add(encoded.len() + 1);
                items.push(Item::Transaction(transaction));
                applied.accepted.push(txid);
            }
            Err(rejection) => applied.rejected.push((txid, rejection)),
        }
        Ok(())
    }

    fn close(
        &self,
        txn: &WriteTransaction,
        state: &mut NodeState,
        last_epoch: u64,
    ) -> Result<SessionHeader, DbError> {
        let mut items = db::take_open_items(txn)?;
        // In history, so that whoever gets the session signed learns the decision with it.
        let upgrade = state.open.upgrade(self.quorum.least(), state.rules());
        items.extend(upgrade.map(|version| Item::Upgrade { version }));
        let content = HashedItems::new(items);
        let time = state.session_time();
        let header = content.header(self.federation, state.previous.as_ref(), last_epoch, time);
        db::close_session(txn, &ClosedSession { header, items: content.items })?;
        state.follow(header, upgrade);
        Ok(header)
    }
}
