//! Drives a query: keeps as many questions open as it wants, and one more when those asked are slow.

use std::cell::RefCell;

use futures::{
    StreamExt,
    future::{Either, LocalBoxFuture, select},
    stream::FuturesUnordered,
};

use super::{
    FederationError, FederationResult, GuardianFault, GuardianId, GuardianResult, Guardians,
    guardians::head,
    query::{QueryStrategy, Step},
};
use crate::platform::{RandomError, Runtime};

/// A question to a guardian: the bytes of its answer.
pub(crate) type Question<'a> = LocalBoxFuture<'a, GuardianResult<Vec<u8>>>;

/// A strategy, what it takes for an answer, and what it has come to.
pub(crate) struct Query<S, R, O> {
    strategy: S,
    read: R,
    outcome: Option<O>,
}

impl<A, S, R> Query<S, R, S::Output>
where
    S: QueryStrategy<A>,
    R: FnMut(GuardianId, GuardianResult<Vec<u8>>) -> GuardianResult<A>,
{
    /// Asks for what `strategy` believes; `read` makes an answer of what a guardian sent.
    pub fn new(strategy: S, read: R) -> Self {
        Query { strategy, read, outcome: None }
    }

    /// What it came to, once it was driven.
    ///
    /// # Errors
    /// [`FederationError::NoAgreement`] if it was not.
    pub fn outcome(self) -> FederationResult<S::Output> {
        self.outcome.ok_or_else(|| FederationError::NoAgreement(Vec::new()).into())
    }

    fn keep(&mut self, step: Step<S::Output>) -> Step<()> {
        step.map(|output| self.outcome = Some(output))
    }
}

/// A query without its types: what drives it is long and compiled once for all.
pub(crate) trait Judge {
    /// Where the query stands before anything was heard.
    fn start(&mut self) -> Step<()>;

    /// Where it stands after what `guardian` sent, unless that is no answer.
    fn hear(&mut self, guardian: GuardianId, sent: GuardianResult<Vec<u8>>) -> GuardianResult<Step<()>>;

    /// Where it stands after `guardian` gave no usable answer.
    fn fail(&mut self, guardian: GuardianId) -> Step<()>;
}

impl<A, S, R> Judge for Query<S, R, S::Output>
where
    S: QueryStrategy<A>,
    R: FnMut(GuardianId, GuardianResult<Vec<u8>>) -> GuardianResult<A>,
{
    fn start(&mut self) -> Step<()> {
        let step = self.strategy.start();
        self.keep(step)
    }

    fn hear(&mut self, guardian: GuardianId, sent: GuardianResult<Vec<u8>>) -> GuardianResult<Step<()>> {
        let answer = (self.read)(guardian, sent)?;
        let step = self.strategy.answer(guardian, answer);
        Ok(self.keep(step))
    }

    fn fail(&mut self, guardian: GuardianId) -> Step<()> {
        let step = self.strategy.fail(guardian);
        self.keep(step)
    }
}

/// Asks guardians until `query` has decided. `eager` questions are open from the start, even if fewer
/// would do; `ask` asks one guardian for what is at `path`.
///
/// Guardians that rest after a failure are asked last. One that asked to be left alone is left alone. One that does not
/// speak the newest version of the API is asked again in the one before.
pub(crate) async fn drive<'a>(
    guardians: &RefCell<Guardians>,
    runtime: &dyn Runtime,
    query: &mut dyn Judge,
    eager: usize,
    path: &str,
    ask: &(dyn Fn(GuardianId) -> Question<'a> + 'a),
) -> FederationResult<()> {
    let mut step = query.start();
    let put = |guardian| {
        let answer = ask(guardian);
        async move { (guardian, answer.await) }
    };
    // The best one last.
    let mut candidates = guardians.borrow().ranked(runtime.now());
    candidates.reverse();
    let mut open = FuturesUnordered::new();
    let mut faults: Vec<(GuardianId, GuardianFault)> = Vec::new();
    let mut stepped_down: Vec<GuardianId> = Vec::new();
    let mut answers = 0;
    // Who can't be asked counts as heard, so that the strategy knows what can't be decided.
    for (guardian, fault) in unaskable(&guardians.borrow(), runtime.now()) {
        candidates.retain(|candidate| *candidate != guardian);
        faults.push((guardian, fault));
        step = query.fail(guardian);
    }
    let mut wanted = eager;
    loop {
        let needed = match step {
            Step::Done(()) => return Ok(()),
            Step::Undecidable if answers == 0 => return Err(FederationError::NoAnswer(faults).into()),
            Step::Undecidable => return Err(FederationError::NoAgreement(faults).into()),
            Step::Ask(needed) => needed,
        };
        wanted = wanted.max(needed);
        while open.len() < wanted
            && let Some(guardian) = candidates.pop()
        {
            open.push(put(guardian));
        }
        let patience = if candidates.is_empty() {
            None
        } else {
            Some(Box::pin(runtime.sleep(guardians.borrow().patience_ms())))
        };
        let next = open.next();
        let settled = match patience {
            None => next.await,
            Some(patience) => match select(next, patience).await {
                Either::Left((settled, _)) => settled,
                Either::Right(_) => {
                    // Those asked are slow: one more, who may be quicker.
                    wanted = open.len() + 1;
                    step = Step::Ask(needed);
                    continue;
                }
            },
        };
        let Some((guardian, sent)) = settled else {
            // The strategy counts every guardian and each has been heard, so it would have decided.
            return Err(FederationError::NoAgreement(faults).into());
        };
        let answer = sent.as_deref().map(head).unwrap_or_default().to_vec();
        let result = query.hear(guardian, sent);
        if result.as_ref().is_err_and(|fault| fault.is_unknown_version()) && !stepped_down.contains(&guardian)
        {
            guardians.borrow_mut().step_down(guardian);
            stepped_down.push(guardian);
            open.push(put(guardian));
            step = Step::Ask(needed);
            continue;
        }
        wanted = wanted.saturating_sub(1);
        step = match result {
            Ok(step) => {
                answers += 1;
                guardians.borrow_mut().succeed(guardian);
                step
            }
            Err(fault) => {
                note_fault(guardians, runtime, guardian, &fault)?;
                if fault.is_misbehaviour() {
                    guardians.borrow_mut().keep_evidence(guardian, path, &answer);
                }
                faults.push((guardian, *fault));
                query.fail(guardian)
            }
        };
    }
}

/// The guardians that are not to be asked now, and why.
fn unaskable(guardians: &Guardians, now: u64) -> Vec<(GuardianId, GuardianFault)> {
    let all = 0..u16::try_from(guardians.count()).unwrap_or(u16::MAX);
    all.filter_map(|guardian| match (guardians.ready_at(guardian), guardians.busy_ms(guardian, now)) {
        (None, _) => Some((guardian, GuardianFault::NoAddress)),
        (Some(_), 0) => None,
        (Some(_), milliseconds) => Some((guardian, GuardianFault::Busy(milliseconds))),
    })
    .collect()
}

/// Remembers a fault.
pub(crate) fn note_fault(
    guardians: &RefCell<Guardians>,
    runtime: &dyn Runtime,
    guardian: GuardianId,
    fault: &GuardianFault,
) -> Result<(), RandomError> {
    let random = random_u64(runtime)?;
    let now = runtime.now();
    let mut guardians = guardians.borrow_mut();
    match fault {
        GuardianFault::Busy(milliseconds) => guardians.fail(guardian, Some(*milliseconds), now, random),
        fault if fault.is_unknown_version() => guardians.fail(guardian, None, now, random),
        // The guardian works; the question was wrong or came too early.
        GuardianFault::Refused { status: 400..=499, .. } | GuardianFault::Missing(_) => {}
        fault if fault.is_misbehaviour() => {
            guardians.fail(guardian, None, now, random);
            guardians.strike(guardian, fault, now);
        }
        _ => guardians.fail(guardian, None, now, random),
    }
    Ok(())
}

/// A random number, for jitter.
pub(crate) fn random_u64(runtime: &dyn Runtime) -> Result<u64, RandomError> {
    let mut bytes = [0; 8];
    runtime.random(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}
