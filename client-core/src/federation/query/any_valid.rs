//! One valid answer is enough.

use super::{GuardianId, Heard, QueryStrategy, Quorum, Step};

/// Believes the first answer. For answers that prove themselves: whoever drives it checks the proof
/// and reports an answer that fails the check as a failure.
#[derive(Debug, Clone)]
pub struct AnyValid {
    heard: Heard,
}

impl AnyValid {
    /// For one question to a federation.
    pub fn new(quorum: Quorum) -> Self {
        AnyValid { heard: Heard::new(quorum) }
    }
}

impl<A> QueryStrategy<A> for AnyValid {
    type Output = A;

    fn start(&self) -> Step<A> {
        self.heard.ask(1)
    }

    fn answer(&mut self, guardian: GuardianId, answer: A) -> Step<A> {
        if self.heard.first_word(guardian) { Step::Done(answer) } else { self.heard.ask(1) }
    }

    fn fail(&mut self, guardian: GuardianId) -> Step<A> {
        self.heard.first_word(guardian);
        self.heard.ask(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fails_over_until_nobody_is_left() {
        let mut query = AnyValid::new(Quorum::of(4));
        let mut steps: Vec<Step<&str>> = vec![query.start()];
        steps.extend((0..3).map(|guardian| query.fail(guardian)));
        assert_eq!(steps, vec![Step::Ask(1); 4]);
        assert_eq!(query.clone().answer(3, "valid"), Step::Done("valid"));
        assert_eq!(QueryStrategy::<&str>::fail(&mut query, 3), Step::Undecidable);
    }

    #[test]
    fn a_stranger_is_not_believed() {
        let mut query = AnyValid::new(Quorum::of(4));
        assert_eq!(query.answer(4, "forged"), Step::Ask(1));
    }
}
