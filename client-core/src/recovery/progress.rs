//! What a recovery tells of itself.

use super::Findings;

/// Where a recovery stands, from the outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecoveryState {
    /// Sessions are being read.
    Running,
    /// No guardian can serve the next sessions just now, or the mint was set aside; tried again by itself.
    Waiting,
    /// Paused by its owner.
    Paused,
    /// All sessions are read; notes are being completed.
    Finalizing,
    /// Given up by its owner.
    Failed,
    /// The wallet is whole, but for the modules that are failing.
    Done,
}

/// What stands in the way of a recovery that waits or has failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveryFault {
    /// A stable code.
    pub code: &'static str,
    /// The same for people.
    pub message: String,
    /// Whether trying again can help.
    pub retryable: bool,
}

/// A module that was set aside and recovers by itself, while the rest of the wallet goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailingModule {
    /// Its name.
    pub module: String,
    /// What stopped it last, for people.
    pub message: String,
    /// When it is tried again, milliseconds since 1970; in the past while it is being tried.
    pub next_attempt: u64,
}

/// A recovery's progress.
#[derive(Debug, Clone, PartialEq)]
pub struct RecoveryProgress {
    /// Where it stands.
    pub state: RecoveryState,
    /// Sessions read, their place in history verified.
    pub sessions_done: u64,
    /// Sessions there are.
    pub sessions_total: u64,
    /// Bytes of history read.
    pub bytes: u64,
    /// How much of the work is done, from 0 to 1, never less than before: sessions to read and notes to complete, by the
    /// time they take. 1 only once all is done.
    pub share: f64,
    /// Current speed of reading.
    pub sessions_per_second: f64,
    /// Estimated milliseconds left, once it can be trusted.
    pub time_left: Option<u64>,
    /// Guardians that served history lately, by id.
    pub guardians_in_use: Vec<u16>,
    /// What was found so far.
    pub found: Findings,
    /// When waiting: the next attempt, milliseconds since 1970.
    pub next_attempt: Option<u64>,
    /// What stands in the way.
    pub fault: Option<RecoveryFault>,
    /// Snapshots taken since the recovery began.
    pub snapshots: u64,
    /// Signatures verified since the recovery began: two pairings each.
    pub verifications: u64,
    /// How many sessions a backup at the guardians spared it, if it began with one.
    pub restored: Option<u64>,
    /// Why stored progress was dropped, if it was.
    pub dropped: Option<String>,
    /// The modules that were set aside.
    pub failing: Vec<FailingModule>,
}
