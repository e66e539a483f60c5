//! What a federation's answers come down to.

use rekindle_protocol::{
    api::{Rejection, TransactionStatus},
    session::{Item, SessionStatus, SignedSession},
};

use super::{
    GuardianId,
    query::{PrefixAgreement, QueryStrategy, Quorum, Step},
};

/// Something that proves itself, and who served it: whoever finds fault with it later knows whom to blame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served<T> {
    /// Who served it.
    pub guardian: GuardianId,
    /// What was served.
    pub value: T,
}

/// What is known of one session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KnownSession {
    /// It is signed: its signature, index and items root have been checked, its place in the chain has not.
    Complete(Box<SignedSession>),
    /// It is not signed yet. These first items are attested alike by f + 1 guardians; none if it has not begun.
    Pending(Vec<Item>),
}

/// What a guardian's signature shares are good for, as the wallet that asked for them finds out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SharesVerdict {
    /// Together with those before, they are enough.
    Enough,
    /// They are good, or missing for now; more are needed.
    More,
    /// They are invalid: the guardian is at fault.
    Wrong,
}

/// What became of submitting a transaction. It says what was heard, not what will be: a wallet believes
/// a signed session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submitted {
    /// How many guardians took it.
    pub taken_by: usize,
    /// How many rejected it at once.
    pub rejected_by: usize,
    /// A rejection, if a guardian gave one at once.
    pub rejection: Option<Rejection>,
}

/// A signed session from anybody, else the longest prefix of items that f + 1 attest.
pub(crate) struct SessionQuery(PrefixAgreement<Item>);

impl SessionQuery {
    pub fn new(quorum: Quorum) -> Self {
        SessionQuery(PrefixAgreement::new(quorum))
    }
}

impl QueryStrategy<SessionStatus> for SessionQuery {
    type Output = KnownSession;

    fn start(&self) -> Step<KnownSession> {
        self.0.start().map(KnownSession::Pending)
    }

    /// A complete session has been checked by whoever drives the query.
    fn answer(&mut self, guardian: GuardianId, answer: SessionStatus) -> Step<KnownSession> {
        let items = match answer {
            SessionStatus::Complete(session) => return Step::Done(KnownSession::Complete(Box::new(session))),
            SessionStatus::Pending(items) => items,
            SessionStatus::Initial => Vec::new(),
        };
        self.0.answer(guardian, items).map(KnownSession::Pending)
    }

    fn fail(&mut self, guardian: GuardianId) -> Step<KnownSession> {
        self.0.fail(guardian).map(KnownSession::Pending)
    }
}

/// What f + 1 guardians attest of a transaction.
///
/// Guardians learn of it one after the other, so honest ones may differ. If no f + 1 say the same once
/// n - f have answered, it is on its way.
pub(crate) struct StatusQuery {
    quorum: Quorum,
    heard: Vec<(GuardianId, Option<TransactionStatus>)>,
}

impl StatusQuery {
    pub fn new(quorum: Quorum) -> Self {
        StatusQuery { quorum, heard: Vec::new() }
    }

    fn hear(&mut self, guardian: GuardianId, status: Option<TransactionStatus>) -> Step<TransactionStatus> {
        let member = usize::from(guardian) < self.quorum.guardians();
        if member && self.heard.iter().all(|(known, _)| *known != guardian) {
            self.heard.push((guardian, status));
        }
        self.step()
    }

    fn step(&self) -> Step<TransactionStatus> {
        let answers: Vec<_> = self.heard.iter().filter_map(|(_, status)| status.as_ref()).collect();
        let needed = self.quorum.one_honest();
        let votes = |status| answers.iter().filter(|other| say_the_same(status, other)).count();
        if let Some(agreed) = answers.iter().find(|status| votes(status) >= needed) {
            return Step::Done((*agreed).clone());
        }
        if answers.len() >= self.quorum.all_honest() {
            return Step::Done(TransactionStatus::Pending);
        }
        let missing = needed.saturating_sub(answers.len()).max(1);
        let left = self.quorum.guardians() - self.heard.len();
        if missing > left { Step::Undecidable } else { Step::Ask(missing) }
    }
}

/// Explanations for people may differ.
fn say_the_same(one: &TransactionStatus, other: &TransactionStatus) -> bool {
    match (one, other) {
        (TransactionStatus::Rejected(one), TransactionStatus::Rejected(other)) => one.reason == other.reason,
        _ => one == other,
    }
}

impl QueryStrategy<TransactionStatus> for StatusQuery {
    type Output = TransactionStatus;

    fn start(&self) -> Step<TransactionStatus> {
        self.step()
    }

    fn answer(&mut self, guardian: GuardianId, answer: TransactionStatus) -> Step<TransactionStatus> {
        self.hear(guardian, Some(answer))
    }

    fn fail(&mut self, guardian: GuardianId) -> Step<TransactionStatus> {
        self.hear(guardian, None)
    }
}

/// So many answers, whatever they say.
pub(crate) struct Enough<A> {
    needed: usize,
    guardians: usize,
    heard: usize,
    answers: Vec<A>,
}

impl<A> Enough<A> {
    pub fn new(needed: usize, quorum: Quorum) -> Self {
        Enough { needed, guardians: quorum.guardians(), heard: 0, answers: Vec::new() }
    }

    fn step(&mut self) -> Step<Vec<A>> {
        let missing = self.needed.saturating_sub(self.answers.len());
        if missing == 0 {
            return Step::Done(std::mem::take(&mut self.answers));
        }
        match self.guardians - self.heard {
            0 if self.answers.is_empty() => Step::Undecidable,
            // Fewer than wished for, but all there are.
            0 => Step::Done(std::mem::take(&mut self.answers)),
            left => Step::Ask(missing.min(left)),
        }
    }
}

impl<A> QueryStrategy<A> for Enough<A> {
    type Output = Vec<A>;

    fn start(&self) -> Step<Vec<A>> {
        Step::Ask(self.needed.min(self.guardians))
    }

    fn answer(&mut self, _guardian: GuardianId, answer: A) -> Step<Vec<A>> {
        self.heard += 1;
        self.answers.push(answer);
        self.step()
    }

    fn fail(&mut self, _guardian: GuardianId) -> Step<Vec<A>> {
        self.heard += 1;
        self.step()
    }
}

/// Answers until one of them completes what is needed.
pub(crate) struct UntilSatisfied {
    left: usize,
}

impl UntilSatisfied {
    pub fn new(quorum: Quorum) -> Self {
        UntilSatisfied { left: quorum.guardians() }
    }

    fn step(&self) -> Step<()> {
        if self.left == 0 { Step::Undecidable } else { Step::Ask(1) }
    }
}

impl QueryStrategy<SharesVerdict> for UntilSatisfied {
    type Output = ();

    fn start(&self) -> Step<()> {
        self.step()
    }

    fn answer(&mut self, guardian: GuardianId, answer: SharesVerdict) -> Step<()> {
        if answer == SharesVerdict::Enough { Step::Done(()) } else { self.fail(guardian) }
    }

    fn fail(&mut self, _guardian: GuardianId) -> Step<()> {
        self.left = self.left.saturating_sub(1);
        self.step()
    }
}

#[cfg(test)]
mod tests {
    use rekindle_protocol::api::RejectionReason;

    use super::*;

    fn rejected(detail: &str) -> TransactionStatus {
        TransactionStatus::Rejected(Rejection {
            reason: RejectionReason::Unbalanced,
            detail: detail.to_owned(),
        })
    }

    #[test]
    fn a_status_needs_one_honest_voice() {
        let accepted = TransactionStatus::Accepted { session: 4 };
        let mut query = StatusQuery::new(Quorum::of(4));
        assert_eq!(query.start(), Step::Ask(2));
        assert_eq!(query.answer(0, TransactionStatus::Unknown), Step::Ask(1));
        assert_eq!(query.answer(1, accepted.clone()), Step::Ask(1));
        assert_eq!(query.answer(1, accepted.clone()), Step::Ask(1), "a guardian counts once");
        assert_eq!(query.answer(3, accepted.clone()), Step::Done(accepted));
    }

    #[test]
    fn rejections_agree_by_reason() {
        let mut query = StatusQuery::new(Quorum::of(4));
        query.answer(0, rejected("3 of 5"));
        assert_eq!(query.answer(1, rejected("missing 2")), Step::Done(rejected("3 of 5")));
    }

    #[test]
    fn disagreement_means_that_it_is_on_its_way() {
        let mut query = StatusQuery::new(Quorum::of(4));
        query.answer(0, TransactionStatus::Unknown);
        query.answer(1, rejected("one liar"));
        let step = query.answer(2, TransactionStatus::Accepted { session: 1 });
        assert_eq!(step, Step::Done(TransactionStatus::Pending));
    }

    #[test]
    fn silence_decides_nothing() {
        let mut query = StatusQuery::new(Quorum::of(4));
        query.fail(0);
        query.answer(1, TransactionStatus::Pending);
        query.fail(2);
        assert_eq!(query.fail(3), Step::Undecidable);
    }

    #[test]
    fn as_many_answers_as_there_are() {
        let mut query = Enough::new(3, Quorum::of(4));
        assert_eq!(query.answer(0, 'a'), Step::Ask(2));
        assert_eq!(query.fail(1), Step::Ask(2));
        assert_eq!(query.fail(2), Step::Ask(1));
        assert_eq!(query.answer(3, 'b'), Step::Done(vec!['a', 'b']));
        let mut query: Enough<()> = Enough::new(1, Quorum::of(1));
        assert_eq!(query.fail(0), Step::Undecidable);
    }
}
