//! Driving a recovery, and the record of it.

use std::rc::Rc;

use futures::{
    future::{Either, select},
    pin_mut,
};

use super::{Wallet, WalletResult, background::Next, keys, lane::PROGRESS_MS, waker::Waker};
use crate::{
    platform::Batch,
    recovery::{Phase, ReadAhead, RecoveryRecord},
};

impl Wallet {
    /// Whether a recovery has not come to its end. Modules that were set aside may still be on their way after that.
    pub fn is_recovering(&self) -> bool {
        self.record().is_some_and(|record| !record.is_done())
    }

    /// Goes on with reading as far as it will go.
    pub(super) async fn recover_on(&self) -> WalletResult<Next> {
        let _recovering = self.0.recovering.lock().await;
        self.tell_progress();
        if self.record().is_none_or(|record| record.phase != Phase::Running || record.paused) {
            return Ok(Next::WaitForWake);
        }
        let reading = self.read_lane(None);
        let paused = self.until_paused();
        pin_mut!(reading, paused);
        let outcome = match select(reading, paused).await {
            Either::Left((result, _)) => result.map(|_| Next::Continue),
            Either::Right(_) => Ok(Next::Continue),
        };
        // What was read since the last snapshot is gone.
        let mut running = self.0.running.borrow_mut();
        running.read_ahead = ReadAhead::default();
        running.pace.interrupt();
        drop(running);
        outcome
    }

    async fn until_paused(&self) {
        while self.record().is_some_and(|record| !record.paused) {
            self.platform().runtime.sleep(PROGRESS_MS).await;
        }
    }

    /// Recovers a module whenever it is set aside. Never returns.
    pub(super) async fn tend_aside(&self, kind: &'static str, waker: &Waker) {
        let runtime = self.platform().runtime.clone();
        let mut wakes = waker.wakes().await;
        loop {
            let attempt_at = self.attempt_at(kind);
            let attempt = async {
                let Some(attempt_at) = attempt_at else { return std::future::pending().await };
                runtime.sleep(attempt_at.saturating_sub(runtime.now())).await;
                let failure = match self.read_lane(Some(kind)).await {
                    Ok(None) => return,
                    Ok(Some(failure)) => failure.error.to_string(),
                    Err(error) => error.to_string(),
                };
                let now = runtime.now();
                let rest = |record: &mut RecoveryRecord| {
                    if let Some(position) = record.aside(kind).map(|aside| aside.position) {
                        record.set_aside(kind, position, failure.clone(), now);
                    }
                };
                if self.commit_record(Batch::new(), &rest).await.is_err() {
                    runtime.sleep(PROGRESS_MS).await;
                }
                self.tell_progress();
            };
            let changed = async {
                loop {
                    wakes.next().await;
                    if self.attempt_at(kind) != attempt_at {
                        break;
                    }
                }
            };
            pin_mut!(attempt, changed);
            select(attempt, changed).await;
        }
    }

    /// When a module that was set aside is to be tried, milliseconds since 1970; `None` while it is not.
    fn attempt_at(&self, kind: &str) -> Option<u64> {
        let record = self.record().filter(|record| !record.paused)?;
        record.aside(kind).map(|aside| aside.next_attempt)
    }

    /// The recovery is done once all notes have their signatures.
    pub(super) async fn finish_recovery(&self) -> WalletResult<()> {
        let is_finalizing = self.record().is_some_and(|record| record.phase == Phase::Finalizing);
        if is_finalizing && self.with_live(|live| live.unsigned().is_empty()) == Some(true) {
            self.commit_record(Batch::new(), &|record| record.phase = Phase::Done).await?;
            self.notify();
            self.tell_progress();
        }
        Ok(())
    }

    /// The record of the recovery, as it is now.
    pub(super) fn record(&self) -> Option<Rc<RecoveryRecord>> {
        self.0.joined.borrow().as_ref().and_then(|joined| joined.recovery.clone())
    }

    pub(super) fn change_record(&self, change: impl FnOnce(&mut RecoveryRecord)) {
        if let Some(record) = self.0.joined.borrow_mut().as_mut().and_then(|joined| joined.recovery.as_mut())
        {
            change(Rc::make_mut(record));
        }
    }

    /// Takes in what was stored.
    pub(super) fn set_record(&self, mut record: Rc<RecoveryRecord>) {
        if let Some(joined) = self.0.joined.borrow_mut().as_mut() {
            // Pausing waits for nobody.
            let paused = joined.recovery.as_ref().is_some_and(|current| current.paused);
            Rc::make_mut(&mut record).paused = paused;
            joined.recovery = Some(record);
        }
    }

    /// Commits a change of the record together with a batch. A wallet that was created gets a record by it.
    pub(super) async fn commit_record(
        &self,
        batch: Batch,
        change: &dyn Fn(&mut RecoveryRecord),
    ) -> WalletResult<()> {
        let federation = self.joined()?.federation;
        let _committing = self.0.committing.lock().await;
        let mut record = self.record().unwrap_or_else(|| RecoveryRecord::whole(federation).into());
        change(Rc::make_mut(&mut record));
        self.store_record(record, batch).await
    }

    /// Commits a record together with a batch. For whoever holds the lock for it.
    pub(super) async fn store_record(
        &self,
        record: Rc<RecoveryRecord>,
        mut batch: Batch,
    ) -> WalletResult<()> {
        batch.put(keys::RECOVERY, record.write());
        self.platform().store.commit(batch).await?;
        self.set_record(record);
        Ok(())
    }
}
