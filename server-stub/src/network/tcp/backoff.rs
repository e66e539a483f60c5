//! How long to wait before dialling again.

use std::time::Duration;

/// The pause after the first failure.
const FIRST_MS: u64 = 100;
/// Enough to reach the longest pause.
const MAX_DOUBLINGS: u32 = 7;
/// The longest pause.
const LONGEST_MS: u64 = 10_000;

/// The pause after `failures` attempts in a row have failed: it doubles with each up to 10 s, and chance takes up
/// to half of it away, so that guardians that lost each other at once do not return in step.
///
/// `random` is any uniformly random number.
pub fn pause(failures: u32, random: u64) -> Duration {
    let ceiling = (FIRST_MS << failures.saturating_sub(1).min(MAX_DOUBLINGS)).min(LONGEST_MS);
    let half = ceiling / 2;
    Duration::from_millis(half + random % (ceiling - half + 1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn stays_within_its_bounds(failures in any::<u32>(), random in any::<u64>()) {
            let pause = pause(failures, random);
            prop_assert!(pause >= Duration::from_millis(50) && pause <= Duration::from_secs(10));
        }
    }

    #[test]
    fn doubles_up_to_ten_seconds() {
        let longest = |failures| (0..20_000).map(|random| pause(failures, random)).max().unwrap();
        let expected = [100, 100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000];
        for (failures, expected) in (0..).zip(expected) {
            assert_eq!(longest(failures), Duration::from_millis(expected), "{failures}");
        }
        assert_eq!(longest(40), Duration::from_secs(10));
        assert_eq!(longest(100), Duration::from_secs(10));
    }
}
