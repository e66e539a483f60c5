//! The part of verified history that a wallet's modules have to see.

use std::rc::Rc;

use rekindle_protocol::{
    bytes::Hash,
    chain::{ChainError, ChainPosition},
    session::{HashedSession, SessionHeader},
};

use super::{IndexScan, ReadAhead, VerifiedHistory};
use crate::{
    context::WalletContext,
    federation::{FederationApi, FederationResult},
    platform::Runtime,
    stream::{Form, Part, Progress, SessionStream},
};

/// A verified portion of history, whose sessions modules have seen.
pub struct Portion {
    /// The position after the portion.
    pub position: ChainPosition,
    /// Bytes of the portion as they travelled, without the sessions that were fetched because they concern the wallet.
    pub bytes: u64,
    /// How many signatures were checked for it, two pairings each: one, unless something was wrong.
    pub verifications: u64,
}

/// Reads history for a wallet: all of it, or its index and the sessions that concern the wallet.
pub struct RelevantHistory {
    context: Rc<WalletContext>,
    api: Rc<FederationApi>,
    history: VerifiedHistory,
    scan: IndexScan,
    /// The next session's number in the portion before, or where reading began.
    next: u64,
    /// The time of the last session of the portion before, milliseconds since 1970.
    time: u64,
}

impl RelevantHistory {
    /// Reads sessions `from.next` up to `end` (not included), in portions of at most about `portion_bytes` bytes. `scan`
    /// knows what to watch for.
    pub fn new(
        api: Rc<FederationApi>,
        runtime: Rc<dyn Runtime>,
        scan: IndexScan,
        form: Form,
        from: ChainPosition,
        end: u64,
        portion_bytes: u64,
    ) -> Self {
        let context = scan.context().clone();
        let history =
            VerifiedHistory::new(context.clone(), api.clone(), runtime, form, from, end, portion_bytes);
        Self { context, api, history, scan, next: from.next, time: from.time }
    }

    /// Reads the next portion; `None` at the end. `take` gets the sessions of it that modules have to see, in order, as
    /// they arrive, so that never many are held. `tell` hears several times a second how far reading is.
    ///
    /// Waits for as long as no guardian can serve. Dropping it loses what it has read since the last portion.
    ///
    /// # Errors
    /// [`FederationError`](crate::federation::FederationError) if the end lies within a run of empty sessions and nobody gives its signature.
    pub async fn next_portion(
        &mut self,
        take: &mut dyn FnMut(HashedSession),
        tell: &mut dyn FnMut(ReadAhead),
    ) -> FederationResult<Option<Portion>> {
        self.context.forget_nonces();
        let Some(read) = self.history.next_portion(tell).await? else { return Ok(None) };
        let position = ChainPosition::after(&self.context.federation, &read.header);
        let (mut numbers, mut roots) = (Vec::new(), Vec::new());
        for part in read.parts {
            self.history.rest().await;
            match part {
                Part::Session(session) => take(*session),
                Part::Entries(part) if self.scan.concerns(&part) => {
                    numbers.push(part.index);
                    roots.push(part.items);
                }
                Part::Entries(_) => {}
            }
        }
        let sessions = position.next.saturating_sub(self.next);
        let mut tell = |Progress { guardians, next_attempt, .. }: Progress| {
            let guardians = guardians.iter().copied().collect();
            tell(ReadAhead { sessions, bytes: read.bytes, guardians, next_attempt });
        };
        self.fetch(numbers.into(), &roots, &read.header, take, &mut tell).await;
        (self.next, self.time) = (position.next, read.header.time);
        Ok(Some(Portion { position, bytes: read.bytes, verifications: read.verifications }))
    }

    /// Waits for `work`, and meanwhile takes in what arrives of the next portion. Gives what that cost, too, in milliseconds.
    pub fn meanwhile<F: Future + Unpin>(&mut self, work: F) -> impl Future<Output = (F::Output, u64)> {
        self.history.meanwhile(work)
    }

    /// Fetches the sessions with these numbers. Each must have the items root that the index says.
    async fn fetch(
        &mut self,
        numbers: Rc<[u64]>,
        roots: &[Hash],
        end: &SessionHeader,
        take: &mut dyn FnMut(HashedSession),
        tell: &mut dyn FnMut(Progress),
    ) {
        let mut stream = SessionStream::selected(&self.api, numbers);
        let mut roots = (0..).zip(roots).peekable();
        while let Some(streamed) = self.history.next_selected(&mut stream, tell).await {
            let (Part::Session(mut session), Some((place, root))) = (streamed.part, roots.peek()) else {
                return;
            };
            if session.content.root() != **root {
                let lie = ChainError::WrongItems(session.header.index);
                stream.penalise(streamed.guardian, &lie.into());
                stream.rewind(*place);
                continue;
            }
            roots.next();
            // The index vouches for the items, and signed headers around them for the order of time. Nobody vouches for
            // the rest of this header: its time must at least lie between theirs.
            session.header.time = session.header.time.min(end.time).max(self.time);
            take(*session);
        }
    }
}
