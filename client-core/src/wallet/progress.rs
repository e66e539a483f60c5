//! What a recovery tells while it runs.

use std::rc::Rc;

use super::Wallet;
use crate::{
    modules::mint::Mint,
    recovery::{
        Aside, FailingModule, Findings, Phase, ReadAhead, RecoveryFault, RecoveryProgress, RecoveryRecord,
        RecoveryState, Speed,
    },
    wallet::WalletError,
};

/// A running recovery in memory, beside its stored record.
#[derive(Clone, Default)]
pub(super) struct Running {
    pub speed: Option<Speed>,
    pub read_ahead: ReadAhead,
    pub found: Findings,
    fault: Option<(RecoveryFault, u64)>,
}

impl Wallet {
    /// The recovery's progress; `None` for a wallet that was created and has always been whole.
    pub fn recovery(&self) -> Option<RecoveryProgress> {
        let record = self.record()?;
        let running = self.0.running.borrow().clone();
        let now = self.platform().runtime.now();
        let (state, fault, next_attempt) = state_of(&record, &running, now);
        let done = record.position.next + running.read_ahead.sessions;
        let total = record.total.max(done);
        let speed = running.speed.filter(|_| state == RecoveryState::Running);
        Some(RecoveryProgress {
            state,
            sessions_done: done,
            sessions_total: total,
            bytes: record.bytes + running.read_ahead.bytes,
            sessions_per_second: speed.as_ref().map_or(0.0, Speed::sessions_per_second),
            time_left: speed.and_then(|speed| speed.time_left(now, total - done)),
            guardians_in_use: running.read_ahead.guardians,
            found: running.found,
            next_attempt: next_attempt.filter(|_| state == RecoveryState::Waiting),
            fault,
            snapshots: record.snapshots,
            verifications: record.verifications,
            restored: record.restored,
            dropped: record.dropped,
            failing: record.aside.into_iter().map(FailingModule::from).collect(),
        })
    }

    /// Calls `listener` several times a second while a recovery runs, and when its state changes. There is one
    /// listener; a new one replaces it.
    pub fn on_recovery(&self, listener: Rc<dyn Fn(RecoveryProgress)>) {
        *self.0.recovery_listener.borrow_mut() = Some(listener);
    }

    /// Takes in how far reading is, and tells it.
    pub(super) fn observe(&self, read_ahead: ReadAhead) {
        let now = self.platform().runtime.now();
        let done = self.record().map_or(0, |record| record.position.next) + read_ahead.sessions;
        {
            let mut running = self.0.running.borrow_mut();
            running.speed.get_or_insert_with(|| Speed::new(now, done)).measure(now, done);
            running.read_ahead = read_ahead;
        }
        self.tell_progress();
    }

    /// Remembers what stands in the way and when the next attempt is made, or that nothing does.
    pub(super) fn set_fault(&self, fault: Option<(WalletError, u64)>) {
        if !self.is_recovering() {
            return;
        }
        self.0.running.borrow_mut().fault = fault.map(|(error, next_attempt)| {
            let (code, message, retryable) = (error.code(), error.to_string(), error.retryable());
            (RecoveryFault { code, message, retryable }, next_attempt)
        });
        self.tell_progress();
    }

    pub(super) fn tell_progress(&self) {
        let listener = self.0.recovery_listener.borrow().clone();
        if let (Some(listener), Some(progress)) = (listener, self.recovery()) {
            listener(progress);
        }
    }
}

/// The state, what stands in the way, and when the next attempt is made.
fn state_of(
    record: &RecoveryRecord,
    running: &Running,
    now: u64,
) -> (RecoveryState, Option<RecoveryFault>, Option<u64>) {
    let fault = |code, message: &str| Some(RecoveryFault { code, message: message.into(), retryable: true });
    match (&record.phase, &running.fault) {
        (Phase::Done, _) => match record.aside(Mint::KIND) {
            None => (RecoveryState::Done, None, None),
            Some(_) if record.paused => (RecoveryState::Paused, None, None),
            Some(mint) if mint.next_attempt > now => {
                (RecoveryState::Waiting, fault("module_failed", &mint.reason), Some(mint.next_attempt))
            }
            Some(_) => (RecoveryState::Running, None, None),
        },
        (Phase::Cancelled, _) => {
            (RecoveryState::Failed, fault("recovery_cancelled", "the recovery was given up"), None)
        }
        _ if record.paused => (RecoveryState::Paused, None, None),
        (_, Some((fault, at))) => (RecoveryState::Waiting, Some(fault.clone()), Some(*at)),
        (Phase::Running, None) => match running.read_ahead.next_attempt {
            None => (RecoveryState::Running, None, None),
            at => {
                let message = "no guardian serves the next sessions just now";
                (RecoveryState::Waiting, fault("federation_unreachable", message), at)
            }
        },
        (Phase::Finalizing, None) => (RecoveryState::Finalizing, None, None),
    }
}

impl From<Aside> for FailingModule {
    fn from(aside: Aside) -> Self {
        Self { module: aside.module, message: aside.reason, next_attempt: aside.next_attempt }
    }
}
