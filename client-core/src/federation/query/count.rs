//! A number that only grows.

use super::{GuardianId, Heard, QueryStrategy, Quorum, Step};

/// Believes the (f + 1)-th largest of at least n - f answers.
#[derive(Debug, Clone)]
pub struct CountStrategy {
    heard: Heard,
    answers: Vec<u64>,
}

impl CountStrategy {
    /// For one question to a federation.
    pub fn new(quorum: Quorum) -> Self {
        CountStrategy { heard: Heard::new(quorum), answers: Vec::new() }
    }

    fn step(&self) -> Step<u64> {
        let quorum = self.heard.quorum;
        let missing = quorum.all_honest().saturating_sub(self.answers.len());
        if missing > 0 {
            return self.heard.ask(missing);
        }
        // n - f answers are at least f + 1, because n > 2f.
        Step::Done(reached_by(&self.answers, quorum.one_honest()).unwrap_or_default())
    }
}

/// The `count`-th largest of `numbers`: the largest that so many of them reach. None if they are fewer.
pub(super) fn reached_by<T: Ord + Copy>(numbers: &[T], count: usize) -> Option<T> {
    // Quadratic in the number of guardians, and no code for sorting.
    let reached = |least: &&T| numbers.iter().filter(|number| number >= least).count() >= count;
    numbers.iter().filter(reached).max().copied()
}

impl QueryStrategy<u64> for CountStrategy {
    type Output = u64;

    fn start(&self) -> Step<u64> {
        self.step()
    }

    fn answer(&mut self, guardian: GuardianId, answer: u64) -> Step<u64> {
        if self.heard.first_word(guardian) {
            self.answers.push(answer);
        }
        self.step()
    }

    fn fail(&mut self, guardian: GuardianId) -> Step<u64> {
        self.heard.first_word(guardian);
        self.step()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Guardians 0..f say anything or nothing; the others, at different heights, the truth.
        #[test]
        fn liars_cannot_move_it_out_of_the_honest_range(
            (n, order) in (1usize..14).prop_flat_map(|n| {
                (Just(n), Just((0..n as GuardianId).collect::<Vec<_>>()).prop_shuffle())
            }),
            honest in prop::collection::vec(1_000u64..1_010, 14),
            lies in prop::collection::vec(prop::option::of(any::<u64>()), 14),
        ) {
            let quorum = Quorum::of(n);
            let mut query = CountStrategy::new(quorum);
            let mut heard = Vec::new();
            for guardian in order {
                let index = usize::from(guardian);
                let step = if index >= quorum.faulty() {
                    heard.push(honest[index]);
                    query.answer(guardian, honest[index])
                } else if let Some(lie) = lies[index] {
                    query.answer(guardian, lie)
                } else {
                    query.fail(guardian)
                };
                match step {
                    Step::Done(count) => {
                        let lowest = heard.iter().min().copied().unwrap_or(u64::MAX);
                        let highest = heard.iter().max().copied().unwrap_or(0);
                        prop_assert!((lowest..=highest).contains(&count));
                        return Ok(());
                    }
                    Step::Ask(needed) => prop_assert!(needed >= 1),
                    Step::Undecidable => prop_assert!(false, "all honest guardians answer"),
                }
            }
            prop_assert!(false, "everybody was heard, and the query did not end");
        }
    }

    #[test]
    fn too_many_failures_leave_it_undecidable() {
        let mut query = CountStrategy::new(Quorum::of(4));
        assert_eq!(query.start(), Step::Ask(3));
        assert_eq!(query.fail(0), Step::Ask(3));
        assert_eq!(query.answer(1, 7), Step::Ask(2));
        assert_eq!(query.fail(2), Step::Undecidable);
    }

    #[test]
    fn a_federation_of_one_is_believed() {
        assert_eq!(CountStrategy::new(Quorum::of(1)).answer(0, 5), Step::Done(5));
    }
}
