//! Verified history: nothing leaves here that a signature does not vouch for.
//!
//! Sessions come off the stream in order. Each must continue the hash chain; every so often, one threshold signature
//! vouches for all since the last one, and they leave as a portion. If a check fails, the guardian at fault is named,
//! what is not vouched for is thrown away, and reading begins again where the last portion ended.

use std::rc::Rc;

use futures::{
    FutureExt,
    future::{Either, poll_fn, select},
    pin_mut,
};
use rekindle_protocol::{
    bytes::G2Bytes,
    chain::{ChainError, ChainPosition, check_signature},
    session::SessionHeader,
};

use crate::{
    context::WalletContext,
    federation::{FederationApi, FederationResult, GuardianId},
    platform::Runtime,
    stream::{Form, Limits, Part, Progress, SessionStream, StreamedPart},
};

/// A portion ends after this many milliseconds: a snapshot follows each, and it bounds what a crash can cost.
const PORTION_MS: u64 = 1_000;
/// How often progress is told, in milliseconds.
const PROGRESS_MS: u64 = 200;
/// How long reading goes on without letting others run, in milliseconds: a worker has one thread for everything.
const STRETCH_MS: u64 = 40;
/// About how many bytes of history are read ahead while sessions that concern the wallet are fetched: memory has to hold
/// those as well.
const READ_AHEAD_BYTES: usize = 8 << 20;

/// Sessions that a signature vouches for.
pub struct VerifiedPortion {
    /// The sessions in order.
    pub parts: Vec<Part>,
    /// The header that was signed: that of the last session.
    pub header: SessionHeader,
    /// Their bytes as they travelled.
    pub bytes: u64,
    /// How many signatures were checked for them, two pairings each: one, unless something was wrong.
    pub verifications: u64,
}

/// How far reading has come beyond the last portion, for progress.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadAhead {
    /// Sessions.
    pub sessions: u64,
    /// Bytes.
    pub bytes: u64,
    /// The guardians that serve.
    pub guardians: Vec<GuardianId>,
    /// When nobody can serve: the next attempt, milliseconds since 1970.
    pub next_attempt: Option<u64>,
}

/// A reader of the history from a verified position to an end.
pub struct VerifiedHistory {
    context: Rc<WalletContext>,
    api: Rc<FederationApi>,
    runtime: Rc<dyn Runtime>,
    stream: SessionStream,
    /// Up to here a signature vouches for everything.
    verified: ChainPosition,
    /// Up to here the chain holds.
    read: ChainPosition,
    waiting: Vec<(Part, GuardianId)>,
    bytes: u64,
    verifications: u64,
    portion_bytes: u64,
    end: u64,
    portion_began: u64,
    told_at: u64,
    rested_at: u64,
}

impl VerifiedHistory {
    /// Reads sessions `from.next` up to `end` (not included) in the given form, in portions of at most about
    /// `portion_bytes` bytes.
    pub fn new(
        context: Rc<WalletContext>,
        api: Rc<FederationApi>,
        runtime: Rc<dyn Runtime>,
        form: Form,
        from: ChainPosition,
        end: u64,
        portion_bytes: u64,
    ) -> Self {
        let stream = SessionStream::new(&api, form, from.next, end, Limits::default());
        let now = runtime.now();
        Self {
            context,
            api,
            stream,
            verified: from,
            read: from,
            waiting: Vec::new(),
            bytes: 0,
            verifications: 0,
            portion_bytes,
            end,
            portion_began: now,
            told_at: now,
            rested_at: now,
            runtime,
        }
    }

    /// The next portion; `None` at the end. `tell` hears several times a second how far reading is.
    ///
    /// Waits for as long as no guardian can serve. It can be dropped and called again at any point.
    ///
    /// # Errors
    /// [`FederationError`](crate::federation::FederationError) if the end lies within a run of empty sessions and nobody gives its signature.
    pub async fn next_portion(
        &mut self,
        tell: &mut dyn FnMut(ReadAhead),
    ) -> FederationResult<Option<VerifiedPortion>> {
        loop {
            match self.next_part(tell).await {
                Ok(Some(streamed)) => self.take(streamed),
                Ok(None) if self.waiting.is_empty() => return Ok(None),
                Ok(None) | Err(Late) => {}
            }
            let at_end = self.read.next >= self.end;
            let elapsed = self.runtime.now().saturating_sub(self.portion_began);
            let due = elapsed >= PORTION_MS || self.context.save_soon.get();
            let full = self.bytes >= self.portion_bytes || due || at_end;
            let signed = self.waiting.last().is_some_and(|(part, _)| part.signed().is_some());
            if full
                && (signed || at_end)
                && !self.waiting.is_empty()
                && let Some(header) = self.check().await?
            {
                return Ok(Some(self.leave(header)));
            }
        }
    }

    /// Lets others run if reading has gone on for long. Gives the time, milliseconds since 1970.
    pub async fn rest(&mut self) -> u64 {
        let now = self.runtime.now();
        if now.saturating_sub(self.rested_at) >= STRETCH_MS {
            self.runtime.sleep(0).await;
            self.rested_at = self.runtime.now();
        }
        now
    }

    /// The next of the sessions that `selection` fetches. Meanwhile history beyond the portion is read ahead, as far as it
    /// may wait. `tell` hears several times a second how far the selection is.
    pub async fn next_selected(
        &mut self,
        selection: &mut SessionStream,
        tell: &mut dyn FnMut(Progress),
    ) -> Option<StreamedPart> {
        loop {
            let now = self.rest().await;
            let next = selection.next().now_or_never();
            if self.is_told(now) {
                tell(selection.progress());
            }
            if let Some(part) = next {
                return part;
            }
            let alarm = self.runtime.sleep(PROGRESS_MS);
            let next = poll_fn(|context| {
                let next = selection.poll_next(context);
                // Guardians that can be asked again are asked first for what is waited for.
                if next.is_pending() && selection.is_asking() {
                    self.stream.fill(READ_AHEAD_BYTES, context);
                }
                next
            });
            pin_mut!(alarm);
            if let Either::Left((part, _)) = select(next, alarm).await {
                self.rested_at = self.runtime.now();
                return part;
            }
        }
    }

    /// Waits for `work`, and meanwhile takes in what arrives. Gives what that cost, too: the milliseconds until `work` had
    /// begun to wait, and those in which nothing could arrive.
    pub fn meanwhile<F: Future + Unpin>(&mut self, mut work: F) -> impl Future<Output = (F::Output, u64)> {
        let (mut since, mut cost, mut reads) = (self.runtime.now(), 0, false);
        poll_fn(move |context| {
            let outcome = work.poll_unpin(context);
            if !reads {
                cost += self.runtime.now().saturating_sub(since);
            }
            if outcome.is_pending() {
                self.stream.fill(usize::MAX, context);
                reads = self.stream.is_asking();
            }
            since = self.runtime.now();
            self.rested_at = since;
            outcome.map(|outcome| (outcome, cost))
        })
    }

    /// Whether progress is to be told again.
    fn is_told(&mut self, now: u64) -> bool {
        let is_due = now.saturating_sub(self.told_at) >= PROGRESS_MS;
        if is_due {
            self.told_at = now;
        }
        is_due
    }

    async fn next_part(&mut self, tell: &mut dyn FnMut(ReadAhead)) -> Result<Option<StreamedPart>, Late> {
        let now = self.rest().await;
        if self.is_told(now) {
            tell(self.read_ahead());
        }
        // What is there already costs no timer.
        if let Some(part) = self.stream.next().now_or_never() {
            return Ok(part);
        }
        loop {
            {
                let (next, alarm) = (self.stream.next(), self.runtime.sleep(PROGRESS_MS));
                pin_mut!(next, alarm);
                if let Either::Left((part, _)) = select(next, alarm).await {
                    self.rested_at = self.runtime.now();
                    return Ok(part);
                }
            }
            self.told_at = self.runtime.now();
            tell(self.read_ahead());
            // What was read need not wait for guardians who may be gone for long.
            let due =
                self.told_at.saturating_sub(self.portion_began) >= PORTION_MS || self.context.save_soon.get();
            if due && !self.waiting.is_empty() {
                return Err(Late);
            }
        }
    }

    fn take(&mut self, streamed: StreamedPart) {
        match streamed.part.extend(&mut self.read, &self.context.federation) {
            Ok(()) => {
                self.bytes += streamed.bytes as u64;
                self.waiting.push((streamed.part, streamed.guardian));
            }
            Err(error) => {
                let culprit = self.culprit(&streamed, &error);
                self.begin_again(culprit, error);
            }
        }
    }

    /// Who is at fault for a part that does not continue the chain: whoever served it, unless its own signature shows
    /// that it is right, and so what came before it is not.
    fn culprit(&mut self, streamed: &StreamedPart, error: &ChainError) -> GuardianId {
        if !matches!(error, ChainError::BrokenChain(_) | ChainError::WrongRecoveryEntries(_)) {
            return streamed.guardian;
        }
        let Some((header, signature)) = streamed.part.signed() else { return streamed.guardian };
        if !self.is_signed(&header, &signature) {
            return streamed.guardian;
        }
        if matches!(streamed.part, Part::Session(_)) {
            return self.waiting.last().map_or(streamed.guardian, |(_, before)| *before);
        }
        // Some of the entries since the header before are wrong, unless that header is.
        let closed = self.waiting.iter().rposition(|(part, _)| part.signed().is_some());
        if let Some((part, guardian)) = closed.and_then(|at| self.waiting.get(at))
            && let Some((header, signature)) = part.signed()
        {
            let guardian = *guardian;
            if !self.is_signed(&header, &signature) {
                return guardian;
            }
        }
        // Whoever served the first of them did not get as far as a header, unless one guardian served all.
        let first = self.waiting.get(closed.map_or(0, |at| at + 1));
        first.map_or(streamed.guardian, |(_, guardian)| *guardian)
    }

    fn is_signed(&mut self, header: &SessionHeader, signature: &G2Bytes) -> bool {
        self.verifications += 1;
        check_signature(&self.context.federation, &self.context.session_key, header, signature).is_ok()
    }

    /// Checks the signature on the newest session, and gives its header. If it is wrong, reading begins again.
    async fn check(&mut self) -> FederationResult<Option<SessionHeader>> {
        let Some((newest, guardian)) = self.waiting.last() else { return Ok(None) };
        let (index, guardian) = (newest.index(), *guardian);
        let (header, signature) = match newest.signed() {
            Some(signed) => signed,
            // The end lies where no signature was served: within a run of empty sessions, or of entries.
            None => {
                let session = self.api.session(index).await?.value;
                (session.header, session.signature)
            }
        };
        let continues = match newest {
            Part::Session(session) if session.header != header => Err(ChainError::BrokenChain(index)),
            Part::Session(_) => Ok(()),
            Part::Entries(_) => self.read.confirm(&self.context.federation, &header),
        };
        let error = match continues {
            Ok(()) if self.is_signed(&header, &signature) => return Ok(Some(header)),
            Ok(()) => ChainError::WrongSignature(index),
            Err(error) => error,
        };
        self.begin_again(guardian, error);
        Ok(None)
    }

    /// Throws away what is not vouched for. The stream leaves the culprit alone and asks past caches.
    fn begin_again(&mut self, culprit: GuardianId, error: ChainError) {
        self.waiting.clear();
        self.bytes = 0;
        self.read = self.verified;
        self.stream.penalise(culprit, &error.into());
        self.stream.rewind(self.verified.next);
    }

    fn leave(&mut self, header: SessionHeader) -> VerifiedPortion {
        self.verified = self.read;
        self.context.save_soon.set(false);
        self.portion_began = self.runtime.now();
        let parts = std::mem::take(&mut self.waiting).into_iter().map(|(part, _)| part).collect();
        VerifiedPortion {
            parts,
            header,
            bytes: std::mem::take(&mut self.bytes),
            verifications: std::mem::take(&mut self.verifications),
        }
    }

    fn read_ahead(&self) -> ReadAhead {
        let progress = self.stream.progress();
        ReadAhead {
            sessions: self.waiting.len() as u64,
            bytes: self.bytes,
            guardians: progress.guardians.iter().copied().collect(),
            next_attempt: progress.next_attempt,
        }
    }
}

/// Nothing comes, and the portion is old enough to leave as it is.
struct Late;
