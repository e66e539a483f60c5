//! How many guardians must say a thing before the wallet believes it.
//!
//! Of n guardians up to f = (n - 1) / 3 may lie, be silent, or answer differently each time. What
//! carries a proof can come from any of them ([`AnyValid`]). What does not is believed when f + 1
//! say the same, because at least one of those is honest ([`ThresholdAgreement`]). A list that
//! honest guardians know to different lengths is believed as far as f + 1 agree
//! ([`PrefixAgreement`]), and a number that only grows is the (f + 1)-th largest of at least n - f
//! answers ([`CountStrategy`]): f liars can't push it above what an honest guardian said, nor below
//! what the slowest honest one said.
//!
//! Strategies are state machines without I/O. They are told answers and failures, each with the
//! guardian it came from, and say after each what is still needed. Whoever drives them chooses
//! which guardians to ask, and asks each at most once.

mod agreement;
mod any_valid;
mod count;
mod prefix;

pub use agreement::ThresholdAgreement;
pub use any_valid::AnyValid;
pub use count::CountStrategy;
pub use prefix::PrefixAgreement;

use crate::sorted::SortedSet;

/// A guardian's number: its place in the config, from 0.
pub type GuardianId = u16;

/// The number of guardians of a federation and of liars it bears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quorum {
    guardians: usize,
}

impl Quorum {
    /// For a federation of so many guardians; at least one.
    pub fn of(guardians: usize) -> Self {
        Quorum { guardians: guardians.max(1) }
    }

    /// n: how many there are.
    pub fn guardians(self) -> usize {
        self.guardians
    }

    /// f: how many may be faulty.
    pub fn faulty(self) -> usize {
        (self.guardians - 1) / 3
    }

    /// f + 1: so many include an honest one.
    pub fn one_honest(self) -> usize {
        self.faulty() + 1
    }

    /// n - f: so many answer even if all faulty ones are silent.
    pub fn all_honest(self) -> usize {
        self.guardians - self.faulty()
    }
}

/// Where a query stands after an answer or a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step<T> {
    /// Undecided. At least so many further answers are needed: keep that many questions open.
    Ask(usize),
    /// Decided. Later answers change nothing.
    Done(T),
    /// Too few guardians are left to decide. Another round may fare better.
    Undecidable,
}

impl<T> Step<T> {
    /// The same step with another outcome.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Step<U> {
        match self {
            Step::Ask(needed) => Step::Ask(needed),
            Step::Done(output) => Step::Done(change(output)),
            Step::Undecidable => Step::Undecidable,
        }
    }
}

/// A rule for believing answers of type `A`.
pub trait QueryStrategy<A> {
    /// What is believed in the end.
    type Output;

    /// Where the query stands before anything was heard.
    fn start(&self) -> Step<Self::Output>;

    /// `guardian` answered. Only its first answer or failure counts.
    fn answer(&mut self, guardian: GuardianId, answer: A) -> Step<Self::Output>;

    /// `guardian` gave no usable answer.
    fn fail(&mut self, guardian: GuardianId) -> Step<Self::Output>;
}

/// Who has been heard, so that no guardian counts twice and none that does not exist counts.
#[derive(Debug, Clone)]
struct Heard {
    quorum: Quorum,
    from: SortedSet<GuardianId>,
}

impl Heard {
    fn new(quorum: Quorum) -> Self {
        Heard { quorum, from: SortedSet::new() }
    }

    /// Whether this is the first word from a member.
    fn first_word(&mut self, guardian: GuardianId) -> bool {
        usize::from(guardian) < self.quorum.guardians() && self.from.insert(guardian)
    }

    /// Asks for `needed` more answers, if there are so many guardians left.
    fn ask<T>(&self, needed: usize) -> Step<T> {
        if needed > self.quorum.guardians() - self.from.len() { Step::Undecidable } else { Step::Ask(needed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quorums_are_those_of_byzantine_agreement() {
        let sizes = [1, 4, 5, 6, 7, 10, 16].map(|n| {
            let quorum = Quorum::of(n);
            (quorum.faulty(), quorum.one_honest(), quorum.all_honest())
        });
        assert_eq!(sizes, [(0, 1, 1), (1, 2, 3), (1, 2, 4), (1, 2, 5), (2, 3, 5), (3, 4, 7), (5, 6, 11)]);
    }
}
