//! Progress that can be believed: it never goes back, and tells a time left only when there is ground for it.

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
    /// Current speed.
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

/// Milliseconds over which the moving average of the speed forgets.
const MEMORY_MS: f64 = 2_500.0;
/// The speed is measured over at least this many milliseconds.
const WINDOW_MS: u64 = 250;
/// A time left is told after this many milliseconds of measured speed.
const TRUSTED_AFTER_MS: u64 = 1_000;

/// Measures how fast a recovery goes.
#[derive(Debug, Clone)]
pub struct Speed {
    started: u64,
    window_start: u64,
    window_sessions: u64,
    average: Option<f64>,
}

impl Speed {
    /// Begins measuring at `now`, in milliseconds, with `sessions` done.
    pub fn new(now: u64, sessions: u64) -> Self {
        Self { started: now, window_start: now, window_sessions: sessions, average: None }
    }

    /// Takes in that `sessions` are done at `now`.
    pub fn measure(&mut self, now: u64, sessions: u64) {
        let elapsed = now.saturating_sub(self.window_start);
        if elapsed < WINDOW_MS {
            return;
        }
        let speed = sessions.saturating_sub(self.window_sessions) as f64 * 1_000.0 / elapsed as f64;
        // A longer window weighs more.
        let weight = elapsed as f64 / (elapsed as f64 + MEMORY_MS);
        self.average = Some(self.average.map_or(speed, |average| average + weight * (speed - average)));
        self.window_start = now;
        self.window_sessions = sessions;
    }

    /// Sessions per second.
    pub fn sessions_per_second(&self) -> f64 {
        self.average.unwrap_or(0.0)
    }

    /// Milliseconds left for `sessions`, if the measured speed can be trusted.
    pub fn time_left(&self, now: u64, sessions: u64) -> Option<u64> {
        let trusted = now.saturating_sub(self.started) >= TRUSTED_AFTER_MS;
        let speed = self.average.filter(|speed| trusted && *speed > 0.0)?;
        Some((sessions as f64 * 1_000.0 / speed) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_speed_is_told_exactly_and_only_after_a_while() {
        let mut speed = Speed::new(0, 0);
        for step in 1..=3u64 {
            speed.measure(step * 250, step * 500);
            assert_eq!(speed.time_left(step * 250, 10_000), None);
        }
        speed.measure(1_000, 2_000);
        assert_eq!(speed.sessions_per_second(), 2_000.0);
        assert_eq!(speed.time_left(1_000, 10_000), Some(5_000));
    }

    #[test]
    fn a_stall_lowers_the_speed_and_never_divides_by_zero() {
        let mut speed = Speed::new(0, 0);
        speed.measure(1_000, 0);
        assert_eq!(speed.time_left(5_000, 10), None);
        speed.measure(2_000, 1_000);
        let before = speed.sessions_per_second();
        speed.measure(3_000, 1_000);
        assert!(speed.sessions_per_second() < before);
    }
}
