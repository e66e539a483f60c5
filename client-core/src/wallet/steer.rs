//! Steering a recovery: pause and resume, give up, begin again.

use super::{Wallet, WalletError, WalletResult};
use crate::{
    platform::Batch,
    recovery::{Phase, RUNNING_PREFIX, RecoveryRecord},
};

/// What is to become of a recovery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Steer {
    /// It stops until it is resumed. What was read since the last snapshot is read again.
    Pause,
    /// It goes on, and modules that fail are tried at once; one that was given up begins again.
    Resume,
    /// It is given up, and its progress dropped. A wallet that was whole before is whole as before; any other moves no
    /// money until it is resumed or restarted.
    Cancel,
    /// All of history is read again from the beginning, also in a wallet that is whole. Until then no money is moved.
    Restart,
}

impl Wallet {
    /// Steers the recovery. What was submitted or received stays, whatever becomes of it.
    ///
    /// # Errors
    /// [`WalletError::RecoveryNotRunning`] if there is nothing to pause, resume or cancel; [`WalletError::NotJoined`],
    /// [`WalletError::Store`].
    pub async fn steer_recovery(&self, how: Steer) -> WalletResult<()> {
        self.joined()?;
        let record = self.record();
        let has = |test: fn(&RecoveryRecord) -> bool| record.as_deref().is_some_and(test);
        let how = match how {
            Steer::Resume if has(|record| record.phase == Phase::Cancelled) => Steer::Restart,
            how => how,
        };
        let is_possible = match how {
            Steer::Restart => true,
            Steer::Cancel => has(|record| record.phase == Phase::Running),
            Steer::Pause | Steer::Resume => has(|record| !record.is_done() || !record.aside.is_empty()),
        };
        if !is_possible {
            return Err(WalletError::RecoveryNotRunning.into());
        }
        // The flag stops the driver at once; the store learns of it when no snapshot is under way.
        self.change_record(|record| record.paused = how != Steer::Resume);
        self.wake();
        let _recovering = self.0.recovering.lock().await;
        let mut batch = Batch::new();
        if matches!(how, Steer::Cancel | Steer::Restart) {
            batch.delete_prefix(RUNNING_PREFIX);
        }
        let stored = self.commit_record(batch, &|record| apply(how, record)).await;
        self.change_record(|record| record.paused = how == Steer::Pause);
        self.wake();
        self.tell_progress();
        stored
    }

    /// Has a running recovery save what it has read as soon as a signature vouches for it, rather than within a second:
    /// for a page that may be gone by then.
    pub fn save_soon(&self) {
        if let Some(context) = self.context() {
            context.save_soon.set(true);
        }
    }
}

fn apply(how: Steer, record: &mut RecoveryRecord) {
    match how {
        Steer::Pause => {}
        Steer::Resume => record.aside.iter_mut().for_each(|aside| aside.next_attempt = 0),
        Steer::Cancel | Steer::Restart => {
            let was_whole = if record.is_live() { record.aside.is_empty() } else { record.was_whole };
            let phase = match how {
                Steer::Restart => Phase::Running,
                _ if was_whole => Phase::Done,
                _ => Phase::Cancelled,
            };
            *record = RecoveryRecord { was_whole, phase, ..RecoveryRecord::new(record.federation) };
        }
    }
}
