//! What the rest of the process sees of a running node.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque},
    sync::Mutex,
};

use rekindle_protocol::{api::Rejection, bytes::TxId};

use super::Proposals;
use crate::consensus::GuardianId;

/// How far a node is. Watch it through [`super::NodeHandle::progress`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Number of the open session; all before it are closed.
    pub session_count: u64,
    /// Number of the first session that is not signed yet.
    pub signed_count: u64,
    /// The current epoch.
    pub epoch: u64,
    /// For each guardian the last epoch with a contribution of its, if any since the start.
    pub latest_contributions: Vec<Option<u64>>,
    /// For each guardian the epoch that it is known to have reached since the start; this one's own is not kept.
    pub peer_epochs: Vec<Option<u64>>,
    /// For each guardian the newest proof that it misbehaves, in words, since the start.
    pub accused: BTreeMap<GuardianId, String>,
    /// Guardians that are not listened to until the next start, because they sent what does not decode.
    pub banned: BTreeSet<GuardianId>,
    /// What each guardian's machine proposed last, if it was heard since the start; empty for nothing.
    pub proposals: Proposals,
    /// Whether this guardian gets from others what it missed.
    pub catching_up: bool,
    /// The version of the rules that its operator has signalled.
    pub upgrade_signal: Option<u32>,
}

/// How many rejections are remembered for their submitters.
const REMEMBERED_REJECTIONS: usize = 10_000;

/// What is known of transactions besides the accepted ones, which the database knows.
#[derive(Default)]
pub(super) struct Undecided(Mutex<Inner>);

/// Room for a transaction until it is pending or refused; dropping it gives it back.
pub(super) struct Room<'a> {
    undecided: &'a Undecided,
    bytes: usize,
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        let inner = &mut *self.undecided.lock();
        inner.reserved -= 1;
        inner.reserved_bytes -= self.bytes;
    }
}

#[derive(Default)]
struct Inner {
    pending: HashSet<TxId>,
    pending_bytes: usize,
    /// Submissions that are being checked or stored, and their bytes.
    reserved: usize,
    reserved_bytes: usize,
    rejected: HashMap<TxId, Rejection>,
    order: VecDeque<TxId>,
}

impl Undecided {
    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        // Nothing that holds the lock panics; were it to, the sets are still whole.
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub fn is_pending(&self, txid: &TxId) -> bool {
        self.lock().pending.contains(txid)
    }

    pub fn rejection(&self, txid: &TxId) -> Option<Rejection> {
        self.lock().rejected.get(txid).cloned()
    }

    /// How many transactions wait to be ordered.
    pub fn pending_count(&self) -> usize {
        self.lock().pending.len()
    }

    /// Room for one more transaction of so many bytes, unless there are `transactions` or `limit` bytes already.
    pub fn reserve(&self, bytes: usize, transactions: usize, limit: usize) -> Option<Room<'_>> {
        let inner = &mut *self.lock();
        let full = inner.pending.len() + inner.reserved >= transactions
            || inner.pending_bytes + inner.reserved_bytes + bytes > limit;
        if full {
            return None;
        }
        inner.reserved += 1;
        inner.reserved_bytes += bytes;
        Some(Room { undecided: self, bytes })
    }

    pub fn set_pending(&self, txid: TxId, bytes: usize) {
        let inner = &mut *self.lock();
        if inner.pending.insert(txid) {
            inner.pending_bytes += bytes;
        }
        inner.rejected.remove(&txid);
    }

    pub fn clear_pending(&self, txid: &TxId, bytes: usize) {
        let inner = &mut *self.lock();
        if inner.pending.remove(txid) {
            inner.pending_bytes -= bytes;
        }
    }

    /// Remembers why a transaction was rejected, and forgets the oldest rejection beyond the limit.
    pub fn set_rejected(&self, txid: TxId, rejection: Rejection) {
        let inner = &mut *self.lock();
        if inner.rejected.insert(txid, rejection).is_none() {
            inner.order.push_back(txid);
        }
        while inner.order.len() > REMEMBERED_REJECTIONS {
            if let Some(oldest) = inner.order.pop_front() {
                inner.rejected.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rekindle_protocol::api::RejectionReason;

    use super::*;

    #[test]
    fn so_many_transactions_wait_and_so_many_bytes_of_them() {
        let undecided = Undecided::default();
        let (first, second) = (TxId([1; 32]), TxId([2; 32]));
        let room = undecided.reserve(60, 2, 100).unwrap();
        assert!(undecided.reserve(41, 2, 100).is_none(), "bytes");
        undecided.set_pending(first, 60);
        drop(room);
        let room = undecided.reserve(40, 2, 100).unwrap();
        undecided.set_pending(second, 1);
        drop(room);
        assert!(undecided.reserve(1, 2, 100).is_none(), "transactions");
        undecided.clear_pending(&first, 60);
        assert!(undecided.reserve(99, 2, 100).is_some());
    }

    #[test]
    fn rejections_are_bounded_and_undone_by_resubmission() {
        let undecided = Undecided::default();
        let txid = |number: u32| {
            let mut id = [0; 32];
            id[..4].copy_from_slice(&number.to_le_bytes());
            TxId(id)
        };
        let rejection = Rejection { reason: RejectionReason::Malformed, detail: String::new() };
        for number in 0..=u32::try_from(REMEMBERED_REJECTIONS).unwrap() {
            undecided.set_rejected(txid(number), rejection.clone());
        }
        assert_eq!(undecided.rejection(&txid(0)), None);
        assert!(undecided.rejection(&txid(1)).is_some());
        undecided.set_pending(txid(1), 10);
        assert_eq!(undecided.rejection(&txid(1)), None);
        assert_eq!(undecided.pending_count(), 1);
        undecided.clear_pending(&txid(1), 10);
        assert_eq!(undecided.pending_count(), 0);
    }

    #[test]
    fn what_is_being_checked_counts_as_waiting() {
        let undecided = Undecided::default();
        undecided.set_pending(TxId([1; 32]), 10);
        let room = undecided.reserve(20, 2, 100);
        assert!(room.is_some());
        assert!(undecided.reserve(1, 2, 100).is_none(), "two of two");
        assert!(undecided.reserve(71, 3, 100).is_none(), "101 bytes of 100");
        assert!(undecided.reserve(70, 3, 100).is_some());
        drop(room);
        assert!(undecided.reserve(90, 2, 100).is_some());
    }
}
