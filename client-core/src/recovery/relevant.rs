//! The part of verified history that a wallet's modules have to see.

use std::rc::Rc;

use futures::future::join_all;
use rekindle_protocol::{
    bytes::Hash,
    chain::ChainPosition,
    session::{HashedSession, SessionHeader},
};

use super::{IndexScan, ReadAhead, VerifiedHistory};
use crate::{
    backoff::Backoff,
    context::WalletContext,
    federation::{FederationApi, FederationError, random_u64},
    platform::Runtime,
    stream::{Form, Part},
};

/// How many sessions that concern the wallet are fetched at once.
const FETCHES: usize = 8;

/// A verified portion of history, less the sessions that can't matter.
pub struct Portion {
    /// The sessions that modules have to see, in order.
    pub sessions: Vec<HashedSession>,
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
    runtime: Rc<dyn Runtime>,
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
        let history = VerifiedHistory::new(
            context.clone(),
            api.clone(),
            runtime.clone(),
            form,
            from,
            end,
            portion_bytes,
        );
        Self { context, api, runtime, history, scan, next: from.next, time: from.time }
    }

    /// The next portion; `None` at the end. `tell` hears several times a second how far reading is.
    ///
    /// Waits for as long as no guardian can serve. Dropping it loses what it has read since the last portion.
    ///
    /// # Errors
    /// [`FederationError`] if the end lies within a run of empty sessions and nobody gives its signature.
    pub async fn next_portion(
        &mut self,
        tell: &mut dyn FnMut(ReadAhead),
    ) -> Result<Option<Portion>, FederationError> {
        let Some(read) = self.history.next_portion(tell).await? else { return Ok(None) };
        let position = ChainPosition::after(&self.context.federation, &read.header);
        let (mut sessions, mut wanted) = (Vec::new(), Vec::new());
        for part in read.parts {
            self.history.rest().await;
            match part {
                Part::Session(session) => sessions.push(session),
                Part::Entries(part) if self.scan.concerns(&part) => wanted.push((part.index, part.items)),
                Part::Entries(_) => {}
            }
        }
        let read_ahead = ReadAhead {
            sessions: position.next.saturating_sub(self.next),
            bytes: read.bytes,
            ..ReadAhead::default()
        };
        let mut wait = |next_attempt| tell(ReadAhead { next_attempt, ..read_ahead.clone() });
        sessions.extend(self.fetch(&wanted, &read.header, &mut wait).await?);
        (self.next, self.time) = (position.next, read.header.time);
        Ok(Some(Portion { sessions, position, bytes: read.bytes, verifications: read.verifications }))
    }

    /// Lets others run if reading has gone on for long.
    pub fn rest(&mut self) -> impl Future<Output = u64> {
        self.history.rest()
    }

    /// Fetches the wanted sessions, given by number and items root. `wait` hears each time that nobody
    /// serves when the next attempt is made, milliseconds since 1970, and `None` when somebody serves again.
    async fn fetch(
        &self,
        wanted: &[(u64, Hash)],
        end: &SessionHeader,
        wait: &mut dyn FnMut(Option<u64>),
    ) -> Result<Vec<HashedSession>, FederationError> {
        let mut sessions = Vec::with_capacity(wanted.len());
        let mut backoff = Backoff::default();
        while sessions.len() < wanted.len() {
            // After a failure one question is enough to find out that somebody serves again.
            let at_once = if backoff.failures() > 0 { 1 } else { FETCHES };
            let next = wanted.iter().skip(sessions.len()).take(at_once);
            let fetches = next.map(|(index, items)| self.api.session_of_items(*index, items));
            for session in join_all(fetches).await {
                match session {
                    Ok(mut session) => {
                        // The index vouches for the items, and signed headers around them for the order of time. Nobody
                        // vouches for the rest of this header: its time must at least lie between theirs.
                        session.header.time = session.header.time.min(end.time).max(self.time);
                        sessions.push(session);
                        if backoff.failures() > 0 {
                            backoff.succeed();
                            wait(None);
                        }
                    }
                    Err(FederationError::NoAnswer(_) | FederationError::NoAgreement(_)) => {
                        // What was read and verified is not given up because everybody is busy.
                        let now = self.runtime.now();
                        let pause = now.saturating_add(backoff.fail(None, random_u64(&*self.runtime)?));
                        let attempt = pause.max(self.api.ready_at());
                        wait(Some(attempt));
                        self.runtime.sleep(attempt - now).await;
                        break;
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(sessions)
    }
}
