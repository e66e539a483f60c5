//! Driving a recovery: snapshots, finalization, pause and resume, progress.

use std::rc::Rc;

use futures::{
    future::{Either, select},
    pin_mut,
};

use super::{Wallet, WalletError, background::Next, keys};
use crate::{
    context::WalletContext,
    platform::Batch,
    recovery::{
        Findings, ModuleError, Modules, Phase, RUNNING_PREFIX, ReadAhead, RecoveryFault, RecoveryProgress,
        RecoveryRecord, RecoveryState, RelevantHistory, Scanner, Speed,
    },
};

/// A portion of history ends after this many bytes, so that memory stays flat.
const PORTION_BYTES: u64 = 16 << 20;
/// How often progress is told, in milliseconds.
const PROGRESS_MS: u64 = 200;

/// A running recovery in memory, beside its stored record.
#[derive(Clone, Default)]
pub(super) struct Running {
    speed: Option<Speed>,
    read_ahead: ReadAhead,
    found: Findings,
    fault: Option<(RecoveryFault, u64)>,
}

impl Wallet {
    /// Whether a recovery has not come to its end.
    pub fn is_recovering(&self) -> bool {
        self.record().is_some_and(|record| !record.is_done())
    }

    /// The recovery's progress; `None` for a wallet that was created.
    pub fn recovery(&self) -> Option<RecoveryProgress> {
        let record = self.record()?;
        let running = self.0.running.borrow().clone();
        let waiting = running.fault.clone();
        let (state, fault) = match (&record.phase, waiting) {
            (Phase::Done, _) => (RecoveryState::Done, None),
            (Phase::Failed { module, reason }, _) => {
                let message = format!("the {module} module stopped: {reason}");
                (RecoveryState::Failed, Some(RecoveryFault { code: "internal", message, retryable: true }))
            }
            _ if record.paused => (RecoveryState::Paused, None),
            (_, Some((fault, _))) => (RecoveryState::Waiting, Some(fault)),
            (Phase::Running, None) if running.read_ahead.next_attempt.is_some() => {
                let message = "no guardian serves the next sessions just now".to_owned();
                let fault = RecoveryFault { code: "federation_unreachable", message, retryable: true };
                (RecoveryState::Waiting, Some(fault))
            }
            (Phase::Running, None) => (RecoveryState::Running, None),
            (Phase::Finalizing, None) => (RecoveryState::Finalizing, None),
        };
        let done = record.position.next + running.read_ahead.sessions;
        let now = self.platform().runtime.now();
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
            next_attempt: match state {
                RecoveryState::Waiting => running.fault.map(|(_, at)| at).or(running.read_ahead.next_attempt),
                _ => None,
            },
            fault,
            snapshots: record.snapshots,
            verifications: record.verifications,
            dropped: record.dropped,
        })
    }

    /// Calls `listener` several times a second while a recovery runs, and when its state changes. There is one
    /// listener; a new one replaces it.
    pub fn on_recovery(&self, listener: Rc<dyn Fn(RecoveryProgress)>) {
        *self.0.recovery_listener.borrow_mut() = Some(listener);
    }

    /// Stops a running recovery until [`Wallet::resume_recovery`]. What was read since the last snapshot is read again.
    ///
    /// # Errors
    /// [`WalletError::RecoveryNotRunning`], [`WalletError::Store`].
    pub async fn pause_recovery(&self) -> Result<(), WalletError> {
        self.set_paused(true).await
    }

    /// Goes on with a paused recovery, or tries a failed one again from the beginning.
    ///
    /// # Errors
    /// [`WalletError::RecoveryNotRunning`], [`WalletError::Store`].
    pub async fn resume_recovery(&self) -> Result<(), WalletError> {
        self.set_paused(false).await
    }

    /// Has a running recovery save what it has read as soon as a signature vouches for it, rather than within a second:
    /// for a page that may be gone by then.
    pub fn save_soon(&self) {
        if let Some(context) = self.context() {
            context.save_soon.set(true);
        }
    }

    async fn set_paused(&self, paused: bool) -> Result<(), WalletError> {
        let record =
            self.record().filter(|record| !record.is_done()).ok_or(WalletError::RecoveryNotRunning)?;
        // The flag stops the driver at once; the store learns of it when no snapshot is under way.
        self.change_record(|record| record.paused = paused);
        self.wake();
        let _recovering = self.0.recovering.lock().await;
        let mut batch = Batch::new();
        if matches!(record.phase, Phase::Failed { .. }) && !paused {
            let record = RecoveryRecord { total: record.total, ..RecoveryRecord::new(record.federation) };
            batch.delete_prefix(RUNNING_PREFIX);
            self.commit_record(record, batch).await?;
        } else if let Some(record) = self.record() {
            self.commit_record(record, batch).await?;
        }
        self.wake();
        self.tell_progress();
        Ok(())
    }

    /// Goes on with the recovery as far as it will go.
    pub(super) async fn recover_on(&self) -> Result<Next, WalletError> {
        let _recovering = self.0.recovering.lock().await;
        let context = self.joined()?;
        self.tell_progress();
        let Some(record) = self.record().filter(|record| !record.paused) else {
            return Ok(Next::WaitForWake);
        };
        match record.phase {
            Phase::Done => Ok(Next::Continue),
            Phase::Failed { .. } => Ok(Next::WaitForWake),
            Phase::Running => {
                let reading = self.read_history(&context, record);
                let paused = self.until_paused();
                pin_mut!(reading, paused);
                let outcome = match select(reading, paused).await {
                    Either::Left((result, _)) => result.map(|()| Next::Continue),
                    Either::Right(_) => Ok(Next::Continue),
                };
                // What was read since the last snapshot is gone.
                self.0.running.borrow_mut().read_ahead = ReadAhead::default();
                outcome
            }
            Phase::Finalizing => {
                self.complete_notes(None).await?;
                let record = RecoveryRecord { phase: Phase::Done, ..record };
                self.commit_record(record, Batch::new()).await?;
                self.notify();
                self.tell_progress();
                Ok(Next::Continue)
            }
        }
    }

    async fn until_paused(&self) {
        while self.record().is_some_and(|record| !record.paused) {
            self.platform().runtime.sleep(PROGRESS_MS).await;
        }
    }

    /// Reads history from the last snapshot to the present, then makes what was found the wallet's state.
    async fn read_history(
        &self,
        context: &Rc<WalletContext>,
        mut record: RecoveryRecord,
    ) -> Result<(), WalletError> {
        let platform = self.platform().clone();
        let modules = match Modules::load_running(context, &*platform.store).await {
            // Whatever lies there at the beginning is left over from progress that was dropped.
            _ if record.position.next == 0 => Modules::new(context)?,
            Ok(Some(modules)) => modules,
            Ok(None) => return self.start_over("the modules' snapshots are missing".into()).await,
            Err(ModuleError::Undecodable(error)) => return self.start_over(error.to_string()).await,
            Err(error) => return Err(error.into()),
        };
        let mut scanner = Scanner::new(context.clone(), record.position, modules, Default::default());
        self.0.running.borrow_mut().found = scanner.modules.findings();
        loop {
            record.total = self.api()?.session_count().await?.max(record.total);
            self.change_record(|current| current.total = record.total);
            if record.position.next >= record.total {
                return self.finalize(scanner, record).await;
            }
            let (api, runtime) = (self.api()?, platform.runtime.clone());
            let (from, end) = (record.position, record.total);
            let (scan, form) = (scanner.index_scan(), self.form(&scanner.modules));
            let mut history = RelevantHistory::new(api, runtime, scan, form, from, end, PORTION_BYTES);
            while let Some(portion) = history.next_portion(&mut |ahead| self.observe(ahead)).await? {
                portion.sessions.iter().for_each(|session| scanner.take(session));
                scanner.position = portion.position;
                record.bytes += portion.bytes;
                record.verifications += portion.verifications;
                self.0.running.borrow_mut().found = scanner.modules.findings();
                self.snapshot(&scanner, &mut record).await?;
            }
        }
    }

    /// Takes in how far reading is, and tells it.
    fn observe(&self, read_ahead: ReadAhead) {
        let now = self.platform().runtime.now();
        let done = self.record().map_or(0, |record| record.position.next) + read_ahead.sessions;
        {
            let mut running = self.0.running.borrow_mut();
            running.speed.get_or_insert_with(|| Speed::new(now, done)).measure(now, done);
            running.read_ahead = read_ahead;
        }
        self.tell_progress();
    }

    /// Commits modules, position and progress together.
    async fn snapshot(&self, scanner: &Scanner, record: &mut RecoveryRecord) -> Result<(), WalletError> {
        record.position = scanner.position;
        record.snapshots += 1;
        let mut batch = Batch::new();
        for module in scanner.modules.each() {
            module.store(&mut batch);
        }
        self.commit_record(record.clone(), batch).await?;
        // What was read ahead is part of the record now.
        let mut running = self.0.running.borrow_mut();
        running.read_ahead = ReadAhead { sessions: 0, bytes: 0, ..std::mem::take(&mut running.read_ahead) };
        Ok(())
    }

    /// Makes what was found the live state, and removes the recovery's snapshots: one batch.
    async fn finalize(&self, scanner: Scanner, record: RecoveryRecord) -> Result<(), WalletError> {
        if let Some(failure) = scanner.failures.first() {
            let (module, reason) = (failure.kind.to_owned(), failure.error.to_string());
            let record = RecoveryRecord { phase: Phase::Failed { module, reason }, ..record };
            return self.commit_record(record, Batch::new()).await;
        }
        let record = RecoveryRecord { phase: Phase::Finalizing, ..record };
        self.update(|live, batch| {
            live.scanner = scanner;
            live.store_scanner(batch);
            for module in live.scanner.modules.each() {
                module.finalize(batch);
            }
            batch.put(keys::RECOVERY, record.write());
            Ok(())
        })
        .await?;
        self.change_record(|current| *current = record);
        self.tell_progress();
        Ok(())
    }

    fn record(&self) -> Option<RecoveryRecord> {
        self.0.joined.borrow().as_ref().and_then(|joined| joined.recovery.clone())
    }

    fn change_record(&self, change: impl FnOnce(&mut RecoveryRecord)) {
        if let Some(record) = self.0.joined.borrow_mut().as_mut().and_then(|joined| joined.recovery.as_mut())
        {
            change(record);
        }
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

    fn tell_progress(&self) {
        let listener = self.0.recovery_listener.borrow().clone();
        if let (Some(listener), Some(progress)) = (listener, self.recovery()) {
            listener(progress);
        }
    }

    async fn start_over(&self, reason: String) -> Result<(), WalletError> {
        let mut batch = Batch::new();
        batch.delete_prefix(RUNNING_PREFIX);
        let federation = self.joined()?.federation;
        self.commit_record(RecoveryRecord::from_scratch(federation, reason), batch).await
    }

    async fn commit_record(&self, record: RecoveryRecord, mut batch: Batch) -> Result<(), WalletError> {
        batch.put(keys::RECOVERY, record.write());
        self.platform().store.commit(batch).await?;
        let paused = self.record().is_some_and(|current| current.paused);
        self.change_record(|current| *current = RecoveryRecord { paused, ..record });
        Ok(())
    }
}
