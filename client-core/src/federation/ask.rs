//! Drives a query: keeps as many questions open as it wants, and one more when those asked are slow.

use std::{cell::RefCell, collections::VecDeque, future::Future};

use futures::{
    StreamExt,
    future::{Either, LocalBoxFuture, select},
    stream::FuturesUnordered,
};

use super::{
    FederationError, GuardianFault, GuardianId, Guardians,
    query::{QueryStrategy, Step},
};
use crate::platform::{RandomError, Runtime};

/// Asks guardians until `strategy` has decided. `eager` questions are open from the start, even if fewer
/// would do; `ask` asks one guardian.
///
/// Guardians that rest after a failure are asked last. One that asked to be left alone is left alone. One that does not
/// speak the newest version of the API is asked again in the one before.
pub(crate) async fn ask<A, S, F>(
    guardians: &RefCell<Guardians>,
    runtime: &dyn Runtime,
    strategy: S,
    eager: usize,
    ask: impl Fn(GuardianId) -> F,
) -> Result<S::Output, FederationError>
where
    S: QueryStrategy<A>,
    F: Future<Output = Result<A, GuardianFault>>,
{
    // Types end here: what follows is long and compiled once for all queries.
    let start = strategy.start();
    let (strategy, outcome) = (RefCell::new(strategy), RefCell::new(None));
    let keep = |step: Step<S::Output>| step.map(|output| drop(outcome.replace(Some(output))));
    let question = |guardian| -> Question<'_> {
        let answer = ask(guardian);
        let (strategy, keep) = (&strategy, &keep);
        Box::pin(async move {
            let answer = answer.await;
            (guardian, answer.map(|answer| keep(strategy.borrow_mut().answer(guardian, answer))))
        })
    };
    let fail = |guardian| keep(strategy.borrow_mut().fail(guardian));
    drive(guardians, runtime, keep(start), eager, &question, &fail).await?;
    outcome.into_inner().ok_or_else(|| FederationError::NoAgreement(Vec::new()))
}

/// A question to a guardian: where the query stands after its answer.
type Question<'a> = LocalBoxFuture<'a, (GuardianId, Result<Step<()>, GuardianFault>)>;

async fn drive<'a>(
    guardians: &RefCell<Guardians>,
    runtime: &dyn Runtime,
    mut step: Step<()>,
    eager: usize,
    ask: &(dyn Fn(GuardianId) -> Question<'a> + 'a),
    fail: &dyn Fn(GuardianId) -> Step<()>,
) -> Result<(), FederationError> {
    let mut candidates: VecDeque<GuardianId> = guardians.borrow().ranked(runtime.now()).into();
    let mut open: FuturesUnordered<Question<'a>> = FuturesUnordered::new();
    let mut faults: Vec<(GuardianId, GuardianFault)> = Vec::new();
    let mut stepped_down: Vec<GuardianId> = Vec::new();
    let mut answers = 0;
    // Who can't be asked counts as heard, so that the strategy knows what can't be decided.
    for (guardian, fault) in unaskable(&guardians.borrow(), runtime.now()) {
        candidates.retain(|candidate| *candidate != guardian);
        faults.push((guardian, fault));
        step = fail(guardian);
    }
    let mut wanted = eager;
    loop {
        let needed = match step {
            Step::Done(()) => return Ok(()),
            Step::Undecidable if answers == 0 => return Err(FederationError::NoAnswer(faults)),
            Step::Undecidable => return Err(FederationError::NoAgreement(faults)),
            Step::Ask(needed) => needed,
        };
        wanted = wanted.max(needed);
        while open.len() < wanted
            && let Some(guardian) = candidates.pop_front()
        {
            open.push(ask(guardian));
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
        let Some((guardian, result)) = settled else {
            // The strategy counts every guardian and each has been heard, so it would have decided.
            return Err(FederationError::NoAgreement(faults));
        };
        if result.as_ref().is_err_and(GuardianFault::is_unknown_version) && !stepped_down.contains(&guardian)
        {
            guardians.borrow_mut().step_down(guardian);
            stepped_down.push(guardian);
            open.push(ask(guardian));
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
                faults.push((guardian, fault));
                fail(guardian)
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
