//! What the rest of the process sees of a running node.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Mutex,
};

use rekindle_protocol::{api::Rejection, bytes::TxId};

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
}

/// How many rejections are remembered for their submitters.
const REMEMBERED_REJECTIONS: usize = 10_000;

/// What is known of transactions besides the accepted ones, which the database knows.
#[derive(Default)]
pub(super) struct Undecided(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    pending: HashSet<TxId>,
    pending_bytes: usize,
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

    /// How many transactions wait, and their bytes.
    pub fn load(&self) -> (usize, usize) {
        let inner = self.lock();
        (inner.pending.len(), inner.pending_bytes)
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
        assert_eq!(undecided.load(), (1, 10));
        undecided.clear_pending(&txid(1), 10);
        assert_eq!(undecided.load(), (0, 0));
    }
}
