//! When a backup is written: soon after there is something new, but not so soon that guardians could tell by its time
//! which payment was this wallet's. No I/O: time and random numbers are arguments.

use rekindle_protocol::{
    bytes::Hash,
    encoding::{Decode, Encode},
};

/// How often a wallet looks whether there is something new, in milliseconds.
const CHECK_MS: u64 = 5_000;
/// The first backup is written within so many milliseconds: it says that the seed is in use.
const FIRST_MS: u64 = 5_000;
/// There are at least so many milliseconds between two backups.
const PAUSE_MS: u64 = 5 * 60_000;
/// What is new is written after so many milliseconds at least,
const DELAY_MS: u64 = 60_000;
/// and after up to so many more, by chance.
const SPREAD_MS: u64 = 10 * 60_000;
/// A backup that could not be written is tried again after so many milliseconds, and up to as many more,
const RETRY_MS: u64 = 60_000;
/// twice as many after each further failure, so often:
const RETRY_DOUBLINGS: u32 = 4;
/// The longest that a backup can be put off; a time beyond it is of a clock that was wrong.
const LONGEST_MS: u64 = (RETRY_MS << RETRY_DOUBLINGS) + RETRY_MS;
/// Without anything new a backup is renewed after so many sessions: a recovery reads them in well under a second.
const RENEW_SESSIONS: u64 = 1_000;

/// The last backup that was written, and when the next one is due.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct Schedule {
    written: Option<Written>,
    /// Milliseconds since 1970.
    due: Option<u64>,
    /// How often writing has failed since it last did not.
    failures: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct Written {
    sessions: u64,
    content: Hash,
    /// Milliseconds since 1970.
    at: u64,
}

/// What to do about the backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Write it now.
    Write,
    /// Look again after so many milliseconds.
    Look(u64),
}

impl Schedule {
    /// What to do at `now`, in milliseconds since 1970, when the wallet has followed `sessions` sessions and what it found
    /// hashes to `content`. `random` is any uniformly random number.
    pub fn next(&mut self, now: u64, sessions: u64, content: &Hash, random: u64) -> Next {
        let (earliest, spread) = match &self.written {
            None => (now, FIRST_MS),
            Some(written) if written.content == *content && sessions < written.sessions + RENEW_SESSIONS => {
                self.due = None;
                return Next::Look(CHECK_MS);
            }
            Some(written) => {
                let after_pause = written.at.saturating_add(PAUSE_MS);
                (after_pause.clamp(now, now + PAUSE_MS) + DELAY_MS, SPREAD_MS)
            }
        };
        let due = self.due.filter(|due| *due <= now + LONGEST_MS).unwrap_or(earliest + random % spread);
        self.due = Some(due);
        if due <= now { Next::Write } else { Next::Look(CHECK_MS.min(due - now)) }
    }

    /// How many sessions the last backup covers. Guardians keep no other one of so many.
    pub fn written_sessions(&self) -> Option<u64> {
        self.written.as_ref().map(|written| written.sessions)
    }

    /// When the last backup was written, in milliseconds since 1970.
    pub fn written_at(&self) -> Option<u64> {
        self.written.as_ref().map(|written| written.at)
    }

    /// A backup of this is stored.
    pub fn written(&mut self, now: u64, sessions: u64, content: Hash) {
        *self = Self { written: Some(Written { sessions, content, at: now }), ..Self::default() };
    }

    /// It could not be stored.
    pub fn failed(&mut self, now: u64, random: u64) {
        self.due = Some(now + (RETRY_MS << self.failures.min(RETRY_DOUBLINGS)) + random % RETRY_MS);
        self.failures = self.failures.saturating_add(1);
    }

    /// The wallet was opened at `now`. What became due while it was closed waits a little more: whoever opens a wallet
    /// often does so to pay.
    pub fn opened(&mut self, now: u64, random: u64) {
        if let Some(due) = &mut self.due {
            *due = (*due).max(now + DELAY_MS / 2 + random % DELAY_MS);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MINUTE: u64 = 60_000;

    /// When it writes, looking as it is told, with these contents at these times.
    fn writes(
        schedule: &mut Schedule,
        start: u64,
        until: u64,
        random: u64,
        content: impl Fn(u64) -> (u64, u8),
    ) -> Vec<u64> {
        let (mut now, mut written) = (start, Vec::new());
        while now < until {
            let (sessions, content) = content(now);
            match schedule.next(now, sessions, &Hash([content; 32]), random) {
                Next::Write => {
                    schedule.written(now, sessions, Hash([content; 32]));
                    written.push(now);
                }
                Next::Look(pause) => {
                    assert!((1..=CHECK_MS).contains(&pause));
                    now += pause;
                }
            }
        }
        written
    }

    proptest! {
        #[test]
        fn a_payment_is_backed_up_minutes_later_and_not_at_a_time_that_tells_it(
            random in any::<u64>(), payment in 10 * MINUTE..20 * MINUTE,
        ) {
            let mut schedule = Schedule::default();
            let content = |now| (1, u8::from(now >= payment));
            let written = writes(&mut schedule, 0, 60 * MINUTE, random, content);
            prop_assert_eq!(written.len(), 2, "once for the wallet, once for the payment: {:?}", written);
            prop_assert!(written[0] < FIRST_MS);
            let later = written[1] - payment;
            prop_assert!((DELAY_MS..=DELAY_MS + SPREAD_MS + CHECK_MS).contains(&later), "{later}");
        }

        #[test]
        fn a_busy_wallet_writes_now_and_then(random in any::<u64>()) {
            let mut schedule = Schedule::default();
            let written = writes(&mut schedule, 0, 600 * MINUTE, random, |now| (now / 1_000, (now / 7_000) as u8));
            for pair in written.windows(2) {
                prop_assert!((PAUSE_MS..=PAUSE_MS + DELAY_MS + SPREAD_MS + CHECK_MS).contains(&(pair[1] - pair[0])));
            }
        }

        #[test]
        fn no_clock_puts_it_off_for_ever(wrong in any::<u32>(), random in any::<u64>()) {
            let mut schedule = Schedule::default();
            let wrong = u64::from(wrong) * MINUTE;
            schedule.written(wrong, 1, Hash([0; 32]));
            schedule.next(wrong, 1, &Hash([1; 32]), random);
            let written = writes(&mut schedule, 0, 60 * MINUTE, random, |_| (1, 1));
            prop_assert_eq!(written.len(), 1);
        }
    }

    #[test]
    fn a_quiet_wallet_is_renewed_after_many_sessions() {
        let mut schedule = Schedule::default();
        schedule.written(0, 5, Hash([1; 32]));
        let quiet = writes(&mut schedule, 0, 600 * MINUTE, 0, |_| (4 + RENEW_SESSIONS, 1));
        assert_eq!(quiet, []);
        let renewed = writes(&mut schedule, 600 * MINUTE, 1_200 * MINUTE, 0, |_| (5 + RENEW_SESSIONS, 1));
        assert_eq!(renewed.len(), 1);
    }

    #[test]
    fn a_failure_is_tried_again_later() {
        let mut schedule = Schedule::default();
        assert_eq!(schedule.next(0, 1, &Hash([1; 32]), 0), Next::Write);
        schedule.failed(0, 7);
        let again = writes(&mut schedule.clone(), 0, 10 * MINUTE, 0, |_| (1, 1));
        assert_eq!(again, [RETRY_MS + 7]);
        schedule.failed(0, 7);
        let again = writes(&mut schedule.clone(), 0, 10 * MINUTE, 0, |_| (1, 1));
        assert_eq!(again, [2 * RETRY_MS + 7]);
        (0..100).for_each(|_| schedule.failed(0, RETRY_MS - 1));
        let again = writes(&mut schedule, 0, 60 * MINUTE, 0, |_| (1, 1));
        assert_eq!(again, [LONGEST_MS - 1]);
    }

    #[test]
    fn what_became_due_while_the_wallet_was_closed_waits_a_little() {
        let mut schedule = Schedule::default();
        schedule.written(0, 1, Hash([1; 32]));
        assert!(matches!(schedule.next(0, 1, &Hash([2; 32]), 0), Next::Look(_)));
        schedule.opened(100 * MINUTE, 3);
        let written = writes(&mut schedule, 100 * MINUTE, 200 * MINUTE, 0, |_| (1, 2));
        assert_eq!(written, [100 * MINUTE + DELAY_MS / 2 + 3]);
        // Nothing was due: nothing is now.
        let mut quiet = schedule.clone();
        quiet.opened(300 * MINUTE, 3);
        assert_eq!(quiet, schedule);
    }
}
