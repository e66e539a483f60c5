//! When to try again.
//!
//! Two pure pieces of state. A [`Backoff`] belongs to one guardian and says how long to leave it
//! alone after it failed: exponential from 10 ms to 120 s, jittered so that many wallets that lost
//! the same guardian don't return in step, and never earlier than the guardian asked for. A
//! [`RetryBudget`] is shared by everything a wallet retries: each success earns a part of a retry
//! and time earns a few per second, so that a federation that is down sees a trickle from each
//! wallet, however many requests were in flight when it went down.

/// The shortest pause after a failure, in milliseconds.
pub const MIN_DELAY_MS: u64 = 10;

/// The longest pause that the schedule chooses, in milliseconds.
pub const MAX_DELAY_MS: u64 = 120_000;

/// The longest `Retry-After` that is believed, in milliseconds: a guardian that by mistake sends
/// a date in the next century is asked again after a quarter of an hour.
pub const MAX_RETRY_AFTER_MS: u64 = 15 * 60_000;

/// Consecutive failures of one guardian.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Records a failure and gives the pause before the next attempt, in milliseconds.
    ///
    /// `random` is any uniformly random number: the pause is between half of the schedule's value
    /// and all of it. `retry_after` is what the guardian asked for, in milliseconds.
    pub fn fail(&mut self, retry_after: Option<u64>, random: u64) -> u64 {
        let doubled = MIN_DELAY_MS.checked_shl(self.failures.min(32)).unwrap_or(MAX_DELAY_MS);
        self.failures = self.failures.saturating_add(1);
        let ceiling = doubled.clamp(MIN_DELAY_MS, MAX_DELAY_MS);
        let floor = (ceiling / 2).max(MIN_DELAY_MS);
        let delay = floor + random % (ceiling - floor + 1);
        delay.max(retry_after.unwrap_or(0).min(MAX_RETRY_AFTER_MS))
    }

    /// Records a success: the next failure starts from the shortest pause.
    pub fn succeed(&mut self) {
        self.failures = 0;
    }

    /// Failures since the last success.
    pub fn failures(&self) -> u32 {
        self.failures
    }
}

/// Permission to retry, shared by all requests of a wallet. It is counted in thousandths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryBudget {
    thousandths: u64,
    updated: u64,
}

impl RetryBudget {
    /// What can be saved up: this many retries at once.
    pub const CAPACITY: u64 = 64;

    /// What time earns: this many retries per second.
    pub const PER_SECOND: u64 = 4;

    /// What successes earn: one retry for this many.
    pub const SUCCESSES_PER_RETRY: u64 = 4;

    /// A full budget; `now` in milliseconds.
    pub fn new(now: u64) -> Self {
        RetryBudget { thousandths: Self::CAPACITY * 1_000, updated: now }
    }

    /// Takes one retry, or says for how many milliseconds there is none.
    pub fn take(&mut self, now: u64) -> Result<(), u64> {
        // A clock that was set back earns nothing until it has caught up, and loses nothing.
        let elapsed = now.saturating_sub(self.updated);
        self.updated = now;
        self.earn(elapsed.saturating_mul(Self::PER_SECOND));
        match self.thousandths.checked_sub(1_000) {
            Some(rest) => {
                self.thousandths = rest;
                Ok(())
            }
            None => Err((1_000 - self.thousandths).div_ceil(Self::PER_SECOND)),
        }
    }

    /// Records a success.
    pub fn succeed(&mut self) {
        self.earn(1_000 / Self::SUCCESSES_PER_RETRY);
    }

    fn earn(&mut self, thousandths: u64) {
        self.thousandths = self.thousandths.saturating_add(thousandths).min(Self::CAPACITY * 1_000);
    }
}

/// Reads a `Retry-After` of seconds (RFC 9110, section 10.2.3) into milliseconds.
///
/// The form with a date is not read: guardians send seconds, and a proxy's date would have to be
/// compared with a clock that may be wrong by more than the pause.
pub fn retry_after_ms(value: &str) -> Option<u64> {
    value.trim_ascii().parse::<u64>().ok()?.checked_mul(1_000)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sorted::SortedSet;

    proptest! {
        #[test]
        fn pauses_stay_within_the_schedule(randoms in prop::collection::vec(any::<u64>(), 1..40)) {
            let mut backoff = Backoff::default();
            for (index, random) in randoms.into_iter().enumerate() {
                let delay = backoff.fail(None, random);
                let ceiling = (MIN_DELAY_MS << index.min(20)).min(MAX_DELAY_MS);
                prop_assert!(delay >= MIN_DELAY_MS && delay >= ceiling / 2 && delay <= ceiling);
            }
        }

        #[test]
        fn pauses_are_spread_over_half_their_length(failures in 3..30, random: u64) {
            let pause = |random| {
                let mut backoff = Backoff::default();
                for _ in 0..failures {
                    backoff.fail(None, random);
                }
                backoff.fail(None, random)
            };
            let longest = (MIN_DELAY_MS << failures.min(20)).min(MAX_DELAY_MS);
            let within: SortedSet<u64> = (0..64).map(|step| pause(random.wrapping_add(step * longest / 127))).collect();
            let (first, last) = (within.iter().min(), within.iter().max());
            prop_assert!(first < Some(&(longest * 5 / 8)) && last > Some(&(longest * 7 / 8)), "{within:?} of {longest}");
        }

        #[test]
        fn a_guardian_is_never_asked_earlier_than_it_wishes(
            asked in 0..=MAX_RETRY_AFTER_MS, failures in 0..30, random: u64,
        ) {
            let mut backoff = Backoff::default();
            for _ in 0..failures {
                backoff.fail(None, random);
            }
            prop_assert!(backoff.fail(Some(asked), random) >= asked);
        }

        #[test]
        fn a_budget_bounds_retries(steps in prop::collection::vec((0u64..200, any::<bool>()), 0..500)) {
            let (mut now, mut taken, mut successes) = (1_000, 0, 0);
            let mut budget = RetryBudget::new(now);
            for (pause, success) in steps {
                now += pause;
                if success {
                    budget.succeed();
                    successes += 1;
                }
                match budget.take(now) {
                    Ok(()) => taken += 1,
                    Err(wait) => {
                        prop_assert!(wait > 0);
                        now += wait;
                        prop_assert_eq!(budget.take(now), Ok(()), "the promised wait was too short");
                        taken += 1;
                    }
                }
                let thousandths = RetryBudget::CAPACITY * 1_000
                    + (now - 1_000) * RetryBudget::PER_SECOND
                    + successes * 1_000 / RetryBudget::SUCCESSES_PER_RETRY;
                let allowed = thousandths / 1_000;
                prop_assert!(taken <= allowed, "{} retries, {} allowed", taken, allowed);
            }
        }
    }

    #[test]
    fn success_starts_over() {
        let mut backoff = Backoff::default();
        for _ in 0..100 {
            backoff.fail(None, 0);
        }
        assert_eq!(backoff.fail(None, u64::MAX - 1) / 60_000, 1);
        backoff.succeed();
        assert_eq!(backoff.fail(None, 7), MIN_DELAY_MS);
    }

    #[test]
    fn an_absurd_retry_after_is_bounded() {
        assert_eq!(Backoff::default().fail(Some(u64::MAX), 0), MAX_RETRY_AFTER_MS);
    }

    #[test]
    fn a_clock_set_back_breaks_nothing() {
        let mut budget = RetryBudget::new(1_000_000);
        for _ in 0..RetryBudget::CAPACITY {
            assert_eq!(budget.take(5), Ok(()));
        }
        assert_eq!(budget.take(5), Err(250));
        assert_eq!(budget.take(255), Ok(()));
    }

    #[test]
    fn retry_after_is_read_in_seconds() {
        assert_eq!(retry_after_ms(" 3 "), Some(3_000));
        assert_eq!(retry_after_ms("-1"), None);
        assert_eq!(retry_after_ms("Fri, 31 Dec 1999 23:59:59 GMT"), None);
        assert_eq!(retry_after_ms("18446744073709551615"), None);
    }
}
