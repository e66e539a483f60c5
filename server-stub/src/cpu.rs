//! Where this process's processor time goes: for operators and benches.
//!
//! A meter adds up the time that threads spend in some work, by the clock that runs only while the thread does, so
//! that waiting and other processes do not count. Reading it costs a fraction of a microsecond.

use std::sync::atomic::{AtomicU64, Ordering};

use rustix::time::{ClockId, Timespec, clock_gettime};

/// Spent in the consensus engine: its protocols and the coding of its messages.
pub static ENGINE: Meter = Meter::new();
/// Spent making and checking signatures: those of notes, spends, sessions and issuers.
pub static SIGNATURES: Meter = Meter::new();

/// Adds up processor time.
pub struct Meter(AtomicU64);

impl Meter {
    const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Does some work and counts its time. Work within it must not be metered again.
    pub fn measure<T>(&self, work: impl FnOnce() -> T) -> T {
        let start = nanoseconds(ClockId::ThreadCPUTime);
        let result = work();
        let spent = nanoseconds(ClockId::ThreadCPUTime).saturating_sub(start);
        self.0.fetch_add(spent, Ordering::Relaxed);
        result
    }

    /// The time so far, in seconds.
    pub fn seconds(&self) -> f64 {
        self.0.load(Ordering::Relaxed) as f64 / 1e9
    }
}

/// All processor time of this process, in seconds.
pub fn process_seconds() -> f64 {
    nanoseconds(ClockId::ProcessCPUTime) as f64 / 1e9
}

fn nanoseconds(clock: ClockId) -> u64 {
    let Timespec { tv_sec, tv_nsec } = clock_gettime(clock);
    // Processor time is never negative.
    (tv_sec as u64).saturating_mul(1_000_000_000).saturating_add(tv_nsec as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn counts_work_and_not_waiting() {
        let meter = Meter::new();
        meter.measure(|| std::thread::sleep(Duration::from_millis(50)));
        assert!(meter.seconds() < 0.04, "{}", meter.seconds());
        let before = process_seconds();
        meter.measure(|| {
            let start = nanoseconds(ClockId::ThreadCPUTime);
            while nanoseconds(ClockId::ThreadCPUTime) - start < 20_000_000 {
                std::hint::spin_loop();
            }
        });
        assert!(meter.seconds() >= 0.02);
        assert!(process_seconds() - before >= 0.02);
    }
}
