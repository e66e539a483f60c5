//! A list that honest guardians know to different lengths.

use super::{GuardianId, Heard, QueryStrategy, Quorum, Step, count::reached_by};

/// Believes the longest prefix that f + 1 of at least n - f answers share.
///
/// For the items of a session that is not signed yet: consensus gives all honest guardians the
/// same items in the same order, some of them a little later.
#[derive(Debug, Clone)]
pub struct PrefixAgreement<T> {
    heard: Heard,
    answers: Vec<Vec<T>>,
}

impl<T> PrefixAgreement<T> {
    /// For one question to a federation.
    pub fn new(quorum: Quorum) -> Self {
        PrefixAgreement { heard: Heard::new(quorum), answers: Vec::new() }
    }
}

impl<T: Clone + Eq> PrefixAgreement<T> {
    fn step(&self) -> Step<Vec<T>> {
        let missing = self.heard.quorum.all_honest().saturating_sub(self.answers.len());
        if missing > 0 { self.heard.ask(missing) } else { Step::Done(self.agreed()) }
    }

    /// The longest prefix that is shared by enough. Two different ones of the same length would need
    /// 2 (f + 1) guardians on two branches, one of them honest on each, and honest ones never differ.
    fn agreed(&self) -> Vec<T> {
        let all: Vec<&[T]> = self.answers.iter().map(Vec::as_slice).collect();
        let needed = self.heard.quorum.one_honest();
        let longest = all.iter().max_by_key(|candidate| shared_length(candidate, &all, needed));
        longest.map_or_else(Vec::new, |list| list[..shared_length(list, &all, needed)].to_vec())
    }
}

/// The length of the longest prefix of `list` that `needed` of `all` (itself included) begin with.
fn shared_length<T: Eq>(list: &[T], all: &[&[T]], needed: usize) -> usize {
    let shared = |other: &&[T]| list.iter().zip(other.iter()).take_while(|(a, b)| a == b).count() as u64;
    let lengths: Vec<u64> = all.iter().map(shared).collect();
    reached_by(&lengths, needed).and_then(|length| usize::try_from(length).ok()).unwrap_or(0)
}

impl<T: Clone + Eq> QueryStrategy<Vec<T>> for PrefixAgreement<T> {
    type Output = Vec<T>;

    fn start(&self) -> Step<Vec<T>> {
        self.step()
    }

    fn answer(&mut self, guardian: GuardianId, answer: Vec<T>) -> Step<Vec<T>> {
        if self.heard.first_word(guardian) {
            self.answers.push(answer);
        }
        self.step()
    }

    fn fail(&mut self, guardian: GuardianId) -> Step<Vec<T>> {
        self.heard.first_word(guardian);
        self.step()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn only_what_an_honest_guardian_said_is_believed(
            (n, order) in (1usize..11).prop_flat_map(|n| {
                (Just(n), Just((0..n as GuardianId).collect::<Vec<_>>()).prop_shuffle())
            }),
            lengths in prop::collection::vec(0usize..8, 11),
            lies in prop::collection::vec(prop::option::of(prop::collection::vec(0u8..4, 0..10)), 11),
        ) {
            let truth: Vec<u8> = vec![0, 1, 2, 3, 0, 1, 2];
            let quorum = Quorum::of(n);
            let mut query = PrefixAgreement::new(quorum);
            let mut heard = Vec::new();
            for guardian in order {
                let index = usize::from(guardian);
                let step = if index >= quorum.faulty() {
                    let known = truth[..lengths[index].min(truth.len())].to_vec();
                    heard.push(known.len());
                    query.answer(guardian, known)
                } else if let Some(lie) = &lies[index] {
                    query.answer(guardian, lie.clone())
                } else {
                    query.fail(guardian)
                };
                if let Step::Done(believed) = step {
                    prop_assert!(truth.starts_with(&believed));
                    let shortest = heard.iter().min().copied().unwrap_or(0);
                    prop_assert!(believed.len() >= shortest, "what all honest ones know is known");
                    return Ok(());
                }
                prop_assert!(matches!(step, Step::Ask(_)));
            }
            prop_assert!(false, "everybody was heard, and the query did not end");
        }
    }

    #[test]
    fn the_longest_agreed_prefix_wins() {
        let mut query = PrefixAgreement::new(Quorum::of(4));
        query.answer(0, vec!['a', 'b', 'c', 'd']);
        query.answer(1, vec!['a', 'x']);
        assert_eq!(query.answer(2, vec!['a', 'b', 'c']), Step::Done(vec!['a', 'b', 'c']));
    }
}
