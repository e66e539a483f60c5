//! f + 1 identical answers.

use super::{GuardianId, Heard, QueryStrategy, Quorum, Step};

/// Believes an answer that f + 1 guardians gave alike.
#[derive(Debug, Clone)]
pub struct ThresholdAgreement<A> {
    heard: Heard,
    /// Each distinct answer and how many gave it. At most n of them, so a list will do.
    votes: Vec<(A, usize)>,
}

impl<A> ThresholdAgreement<A> {
    /// For one question to a federation.
    pub fn new(quorum: Quorum) -> Self {
        ThresholdAgreement { heard: Heard::new(quorum), votes: Vec::new() }
    }

    fn step(&self) -> Step<A>
    where
        A: Clone,
    {
        let needed = self.heard.quorum.one_honest();
        match self.votes.iter().max_by_key(|(_, votes)| *votes) {
            Some((answer, votes)) if *votes >= needed => Step::Done(answer.clone()),
            Some((_, votes)) => self.heard.ask(needed - votes),
            None => self.heard.ask(needed),
        }
    }
}

impl<A: Clone + Eq> QueryStrategy<A> for ThresholdAgreement<A> {
    type Output = A;

    fn start(&self) -> Step<A> {
        self.step()
    }

    fn answer(&mut self, guardian: GuardianId, answer: A) -> Step<A> {
        if self.heard.first_word(guardian) {
            match self.votes.iter_mut().find(|(known, _)| *known == answer) {
                Some((_, votes)) => *votes += 1,
                None => self.votes.push((answer, 1)),
            }
        }
        self.step()
    }

    fn fail(&mut self, guardian: GuardianId) -> Step<A> {
        self.heard.first_word(guardian);
        self.step()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A federation's guardians in the order in which they are heard; the first f lie.
    fn order() -> impl Strategy<Value = (usize, Vec<GuardianId>)> {
        (1usize..14)
            .prop_flat_map(|n| (Just(n), Just((0..n as GuardianId).collect::<Vec<_>>()).prop_shuffle()))
    }

    proptest! {
        #[test]
        fn honest_agreement_wins_over_any_lies(
            (n, order) in order(),
            lies in prop::collection::vec(prop::option::of(0u8..3), 14),
        ) {
            let quorum = Quorum::of(n);
            let mut query = ThresholdAgreement::new(quorum);
            let mut last = query.start();
            for guardian in order {
                prop_assert!(matches!(last, Step::Ask(needed) if needed >= 1));
                let liar = usize::from(guardian) < quorum.faulty();
                last = match (liar, lies[usize::from(guardian)]) {
                    (false, _) => query.answer(guardian, 9),
                    (true, Some(lie)) => query.answer(guardian, lie),
                    (true, None) => query.fail(guardian),
                };
                if let Step::Done(answer) = last {
                    prop_assert_eq!(answer, 9);
                    return Ok(());
                }
            }
            prop_assert!(false, "all honest guardians agreed, and the query did not end");
        }

        #[test]
        fn what_is_believed_was_said_by_enough(
            (n, order) in order(),
            answers in prop::collection::vec(prop::option::of(0u8..3), 14),
        ) {
            let quorum = Quorum::of(n);
            let mut query = ThresholdAgreement::new(quorum);
            let mut said = Vec::new();
            for guardian in order {
                let step = match answers[usize::from(guardian)] {
                    Some(answer) => {
                        said.push(answer);
                        query.answer(guardian, answer)
                    }
                    None => query.fail(guardian),
                };
                match step {
                    Step::Done(answer) => {
                        let votes = said.iter().filter(|said| **said == answer).count();
                        prop_assert_eq!(votes, quorum.one_honest());
                        return Ok(());
                    }
                    Step::Ask(needed) => prop_assert!(needed >= 1),
                    Step::Undecidable => return Ok(()),
                }
            }
            prop_assert!(false, "everybody was heard, and the query did not end");
        }
    }

    #[test]
    fn one_guardian_cannot_repeat_itself_into_a_majority() {
        let mut query = ThresholdAgreement::new(Quorum::of(4));
        assert_eq!(query.answer(2, "lie"), Step::Ask(1));
        assert_eq!(query.answer(2, "lie"), Step::Ask(1));
        assert_eq!(query.answer(0, "truth"), Step::Ask(1));
        assert_eq!(query.answer(1, "truth"), Step::Done("truth"));
    }
}
