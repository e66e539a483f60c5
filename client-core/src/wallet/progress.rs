//! What a recovery tells while it runs.

use std::rc::Rc;

use futures::{
    future::{Either, select},
    pin_mut,
};

use super::Wallet;
use crate::{
    modules::mint::Mint,
    recovery::{
        Aside, FailingModule, Findings, Pace, Phase, ReadAhead, RecoveryFault, RecoveryProgress,
        RecoveryRecord, RecoveryState, Work,
    },
    wallet::WalletError,
};

/// A running recovery in memory, beside its stored record.
#[derive(Clone, Default)]
pub(super) struct Running {
    pub pace: Pace,
    pub read_ahead: ReadAhead,
    pub found: Findings,
    fault: Option<(RecoveryFault, u64)>,
    /// When progress was told last, milliseconds since 1970.
    told_at: u64,
}

/// Progress is told at least this often while there is something to do, in milliseconds.
const TELL_MS: u64 = 200;
/// The share of a recovery that lacks nothing but its last word.
const NEARLY_ALL: f64 = 0.999;

impl Wallet {
    /// The recovery's progress; `None` for a wallet that was created and has always been whole.
    pub fn recovery(&self) -> Option<RecoveryProgress> {
        let record = self.record()?;
        let running = self.0.running.borrow().clone();
        let now = self.platform().runtime.now();
        let (state, fault, next_attempt) = state_of(&record, &running, now);
        let work = self.work_of(&record, &running);
        let restored = record.restored.unwrap_or(0);
        let is_busy = matches!(state, RecoveryState::Running | RecoveryState::Finalizing);
        let is_reading = state == RecoveryState::Running;
        Some(RecoveryProgress {
            state,
            sessions_done: restored + work.sessions,
            sessions_total: restored + work.all_sessions,
            bytes: record.bytes + running.read_ahead.bytes,
            share: if state == RecoveryState::Done { 1.0 } else { running.pace.share().min(NEARLY_ALL) },
            sessions_per_second: if is_reading { running.pace.sessions_per_second() } else { 0.0 },
            time_left: if is_busy { running.pace.time_left(now, &work) } else { None },
            guardians_in_use: running.read_ahead.guardians,
            found: running.found,
            next_attempt: next_attempt.filter(|_| state == RecoveryState::Waiting),
            fault,
            snapshots: record.snapshots,
            verifications: record.verifications,
            restored: record.restored,
            dropped: record.dropped.clone(),
            failing: record.aside.iter().map(FailingModule::from).collect(),
        })
    }

    /// What it has cost to save the progress of recoveries since the wallet was opened, in milliseconds: what arrives
    /// while the store is busy is taken in. Checking signatures is not part of it.
    pub fn snapshot_ms(&self) -> u64 {
        self.0.snapshot_ms.get()
    }

    /// Calls `listener` several times a second while a recovery runs, and when its state changes. There is one
    /// listener; a new one replaces it.
    pub fn on_recovery(&self, listener: Rc<dyn Fn(RecoveryProgress)>) {
        *self.0.recovery_listener.borrow_mut() = Some(listener);
    }

    /// Takes in how far reading is, and tells it.
    pub(super) fn observe(&self, read_ahead: ReadAhead) {
        self.0.running.borrow_mut().read_ahead = read_ahead;
        self.tell_progress();
    }

    /// Remembers what stands in the way and when the next attempt is made, or that nothing does.
    pub(super) fn set_fault(&self, fault: Option<(&WalletError, u64)>) {
        if !self.is_recovering() {
            return;
        }
        self.0.running.borrow_mut().fault = fault.map(|(error, next_attempt)| {
            let (code, message, retryable) = (error.code(), error.to_string(), error.retryable());
            (RecoveryFault { code, message, retryable }, next_attempt)
        });
        self.tell_progress();
    }

    /// What there is to do, and what of it is done. What a backup spared is no work.
    fn work_of(&self, record: &RecoveryRecord, running: &Running) -> Work {
        let restored = record.restored.unwrap_or(0);
        let sessions = (record.position.next + running.read_ahead.sessions).saturating_sub(restored);
        let all_sessions = record.total.saturating_sub(restored).max(sessions);
        let all_notes = running.found.notes;
        let unsigned =
            self.with_live(|live| live.unsigned().iter().map(|(_, notes)| notes.len() as u64).sum());
        let notes = if record.is_live() { all_notes.saturating_sub(unsigned.unwrap_or(0)) } else { 0 };
        Work { sessions, all_sessions, notes, all_notes }
    }

    /// Does some work and tells progress at times.
    pub(super) async fn telling<T>(&self, work: impl Future<Output = T>) -> T {
        let runtime = &self.platform().runtime;
        pin_mut!(work);
        loop {
            let due = self.0.running.borrow().told_at.saturating_add(TELL_MS);
            match select(work.as_mut(), runtime.sleep(due.saturating_sub(runtime.now()))).await {
                Either::Left((done, _)) => return done,
                Either::Right(_) if self.is_recovering() => self.tell_progress(),
                Either::Right(_) => self.0.running.borrow_mut().told_at = runtime.now(),
            }
        }
    }

    pub(super) fn tell_progress(&self) {
        if let Some(record) = self.record() {
            let mut running = self.0.running.borrow_mut();
            let now = self.platform().runtime.now();
            let work = self.work_of(&record, &running);
            running.pace.measure(now, &work);
            running.told_at = now;
        }
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

impl From<&Aside> for FailingModule {
    fn from(aside: &Aside) -> Self {
        Self { module: aside.module.clone(), message: aside.reason.clone(), next_attempt: aside.next_attempt }
    }
}
