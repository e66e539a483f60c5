//! What to ask of whom, and when. No I/O, no clock: time, random numbers and guardians are arguments.
//!
//! Times are milliseconds since 1970. A session's payload is of any type, so that tests need no real ones.

mod dispatch;
mod growth;
mod request;
mod segment;
mod types;

use std::collections::VecDeque;

use rekindle_protocol::chain::ChainError;

pub use self::types::{Limits, Progress, Ready, RequestId, Start};
use self::{
    growth::Growth,
    request::Request,
    segment::{Segment, SegmentId},
};
use crate::{
    federation::{GuardianFault, GuardianId, GuardianResult, Guardians},
    sorted::SortedMap,
};

/// What a session takes in memory at least, in bytes.
const MIN_SESSION_BYTES: usize = 400;
/// What it takes beside its encoded bytes.
const SESSION_OVERHEAD_BYTES: usize = 128;

/// The state of a stream.
#[derive(Debug)]
pub struct Schedule<T> {
    limits: Limits,
    /// The next session to be delivered.
    position: u64,
    /// The first session that no segment covers yet.
    frontier: u64,
    /// Where the stream ends (not included).
    end: u64,
    /// Without gaps from `position` to `frontier`.
    segments: VecDeque<Segment<T>>,
    requests: SortedMap<RequestId, Request>,
    /// Requests of which nothing is wanted any more.
    aborted: Vec<RequestId>,
    next_id: u64,
    waiting_bytes: usize,
    delivered_bytes: u64,
    /// Average bytes of a session, once one has arrived.
    session_bytes: Option<usize>,
    /// Average milliseconds of a request, once one has ended.
    request_ms: Option<u64>,
    growth: Growth,
    /// When the retry budget allows the next retry.
    budget_at: u64,
    /// Sessions below are asked for past caches, because what was served before did not verify.
    bypass_until: u64,
}

impl<T> Schedule<T> {
    /// A stream of the sessions `from` up to but not including `end`.
    pub fn new(from: u64, end: u64, limits: Limits) -> Self {
        Schedule {
            limits,
            position: from,
            frontier: from,
            end: end.max(from),
            segments: VecDeque::new(),
            requests: SortedMap::new(),
            aborted: Vec::new(),
            next_id: 0,
            waiting_bytes: 0,
            delivered_bytes: 0,
            session_bytes: None,
            request_ms: None,
            growth: Growth::new(&limits),
            budget_at: 0,
            bypass_until: 0,
        }
    }

    /// Moves the end further; it never comes back.
    pub fn extend(&mut self, end: u64) {
        self.end = self.end.max(end);
    }

    /// How many bytes wait for their turn.
    pub fn waiting_bytes(&self) -> usize {
        self.waiting_bytes
    }

    /// Whether everything has been delivered.
    pub fn is_finished(&self) -> bool {
        self.position >= self.end
    }

    /// The next session in order, if it has arrived.
    pub fn pop(&mut self) -> Option<Ready<T>> {
        while self.segments.front().is_some_and(Segment::is_done) {
            self.segments.pop_front();
        }
        let ready = self.segments.front_mut()?.pop()?;
        self.position = ready.index + 1;
        self.waiting_bytes = self.waiting_bytes.saturating_sub(weight(ready.bytes));
        self.delivered_bytes += ready.bytes as u64;
        Some(ready)
    }

    /// Requests of which nothing is wanted any more: drop them.
    pub fn take_aborted(&mut self) -> Vec<RequestId> {
        std::mem::take(&mut self.aborted)
    }

    /// The beginning of an answer arrived.
    pub fn answered(&mut self, id: RequestId, now: u64, guardians: &mut Guardians) {
        if let Some(request) = self.requests.get_mut(&id) {
            guardians.observe_latency(request.guardian, now.saturating_sub(request.started));
            request.progress_at = now;
        }
    }

    /// Bytes of an answer arrived.
    pub fn progress(&mut self, id: RequestId, bytes: usize, now: u64) {
        if let Some(request) = self.requests.get_mut(&id) {
            request.bytes += bytes;
            request.progress_at = now;
        }
    }

    /// Takes in the next session of an answer: `index` is what its header says, `bytes` what it took. What
    /// is not wanted any more is ignored.
    ///
    /// # Errors
    /// [`GuardianFault::History`] if it is not the session that comes next; report the fault.
    pub fn take(
        &mut self,
        id: RequestId,
        index: u64,
        bytes: usize,
        payload: T,
        now: u64,
        guardians: &mut Guardians,
    ) -> GuardianResult<()> {
        let Some(request) = self.requests.get_mut(&id) else { return Ok(()) };
        if index != request.next {
            return Err(ChainError::WrongIndex { expected: request.next, got: index }.into());
        }
        request.next += 1;
        let (guardian, segment) = (request.guardian, request.segment);
        self.session_bytes =
            Some(self.session_bytes.map_or(bytes, |known| (known * 15 + bytes).div_ceil(16)));
        let Some(segment) = self.segments.iter_mut().find(|known| known.id == segment) else { return Ok(()) };
        // Whoever was hedged with may have delivered it already.
        if segment.push(Ready { index, guardian, bytes, payload }) {
            self.waiting_bytes += weight(bytes);
        }
        if segment.is_full() {
            let segment = segment.id;
            self.complete(id, segment, now, guardians);
        }
        Ok(())
    }

    /// An answer ended in order.
    ///
    /// # Errors
    /// [`GuardianFault::Missing`] if nothing was in it; report the fault.
    pub fn end(&mut self, id: RequestId, now: u64, guardians: &mut Guardians) -> GuardianResult<()> {
        let Some(request) = self.requests.get(&id) else { return Ok(()) };
        if request.next == request.from {
            return Err(GuardianFault::Missing(request.from).into());
        }
        if let Some(request) = self.remove(id) {
            self.observe(&request, now, guardians);
            guardians.succeed(request.guardian);
        }
        Ok(())
    }

    /// A request failed. Gives whose it was.
    pub fn fail(
        &mut self,
        id: RequestId,
        fault: &GuardianFault,
        now: u64,
        random: u64,
        guardians: &mut Guardians,
    ) -> Option<GuardianId> {
        let request = self.remove(id)?;
        if let Some(segment) = self.segment_mut(request.segment) {
            segment.tried.insert(request.guardian);
            segment.is_retry = true;
            segment.bypass_cache |= fault.is_misbehaviour();
        }
        let busy = if let GuardianFault::Busy(milliseconds) = fault { Some(*milliseconds) } else { None };
        guardians.fail(request.guardian, busy, now, random);
        if fault.is_unknown_version() {
            guardians.step_down(request.guardian);
        }
        if fault.is_misbehaviour() {
            self.penalise(request.guardian, fault, now, guardians);
        }
        Some(request.guardian)
    }

    /// Whether a request has been silent for too long.
    pub fn has_expired(&self, now: u64) -> bool {
        self.requests.values().any(|request| self.is_silent(request, now))
    }

    fn is_silent(&self, request: &Request, now: u64) -> bool {
        now.saturating_sub(request.progress_at) >= self.limits.silence_ms
    }

    /// Gives up the requests that have been silent for too long.
    pub fn expire(&mut self, now: u64, random: u64, guardians: &mut Guardians) {
        let silence = GuardianFault::Silent(self.limits.silence_ms);
        let expired: Vec<_> =
            self.requests.iter().filter(|(_, r)| self.is_silent(r, now)).map(|(id, _)| *id).collect();
        for id in expired {
            self.fail(id, &silence, now, random, guardians);
            self.aborted.push(id);
        }
    }

    /// When to look again if nothing arrives.
    pub fn wake_at(&self, now: u64, guardians: &Guardians) -> u64 {
        let silences = self.requests.values().map(|request| request.progress_at + self.limits.silence_ms);
        let hedges = self.requests.values().map(|request| self.slow_at(request, guardians));
        // Nobody can be told "as soon as somebody rests no longer" unless somebody is waiting for it.
        let rests = guardians.reachable().filter_map(|guardian| guardians.ready_at(guardian));
        let due = silences.chain(hedges).chain(rests).chain([self.budget_at]).filter(|at| *at > now).min();
        due.unwrap_or(now + self.limits.silence_ms)
    }

    /// Drops whatever `guardian` served that has not been delivered, and leaves it alone for a while. For a
    /// reader that found history broken.
    pub fn penalise(
        &mut self,
        guardian: GuardianId,
        fault: &GuardianFault,
        now: u64,
        guardians: &mut Guardians,
    ) {
        guardians.strike(guardian, fault, now);
        let mut dropped = Vec::new();
        for segment in &mut self.segments {
            if let Some(bytes) = segment.truncate(guardian) {
                self.waiting_bytes = self.waiting_bytes.saturating_sub(bytes);
                segment.bypass_cache = true;
                segment.tried.insert(guardian);
                dropped.push(segment.id);
            }
        }
        let stop: Vec<_> = self
            .requests
            .iter()
            .filter(|(_, request)| request.guardian == guardian || dropped.contains(&request.segment))
            .map(|(id, _)| *id)
            .collect();
        for id in stop {
            self.remove(id);
            self.aborted.push(id);
        }
    }

    /// Goes back to `position`. Everything from there on is fetched again, and what has been delivered
    /// before is fetched past caches.
    pub fn rewind(&mut self, position: u64) {
        if position >= self.position {
            return;
        }
        self.bypass_until = self.bypass_until.max(self.position);
        self.position = position;
        self.frontier = position;
        self.segments.clear();
        self.waiting_bytes = 0;
        self.aborted.extend(self.requests.keys());
        self.requests.clear();
    }

    /// For so many milliseconds nobody looked what had arrived: that is no guardian's fault.
    pub fn forgive(&mut self, milliseconds: u64) {
        for (_, request) in self.requests.iter_mut() {
            request.started += milliseconds;
            request.progress_at += milliseconds;
        }
    }

    /// How far it has come.
    pub fn report(&self, now: u64, guardians: &Guardians) -> Progress {
        let next = self.segments.iter().find(|segment| !segment.is_done());
        let arrived = next.is_some_and(Segment::has_ready);
        let stuck = self.requests.is_empty() && !arrived && !self.is_finished();
        Progress {
            position: self.position,
            end: self.end,
            bytes: self.delivered_bytes,
            waiting_bytes: self.waiting_bytes,
            guardians: self.requests.values().map(|request| request.guardian).collect(),
            next_attempt: stuck.then(|| self.wake_at(now, guardians)),
        }
    }

    /// The segment is complete: nothing more is wanted of any request for it.
    fn complete(&mut self, winner: RequestId, segment: SegmentId, now: u64, guardians: &mut Guardians) {
        let involved: Vec<_> = self
            .requests
            .iter()
            .filter(|(_, request)| request.segment == segment)
            .map(|(id, _)| *id)
            .collect();
        for id in involved {
            let Some(request) = self.remove(id) else { continue };
            if id == winner {
                self.observe(&request, now, guardians);
                guardians.succeed(request.guardian);
            } else {
                self.aborted.push(id);
                if request.bytes == 0 {
                    // Silent until others had done its work: it gets no more until it has rested.
                    guardians.observe_latency(request.guardian, now.saturating_sub(request.started));
                    guardians.fail(request.guardian, None, now, id);
                } else {
                    self.observe(&request, now, guardians);
                }
            }
        }
    }

    fn observe(&mut self, request: &Request, now: u64, guardians: &mut Guardians) {
        let milliseconds = now.saturating_sub(request.started);
        guardians.observe_transfer(request.guardian, request.bytes, milliseconds);
        self.request_ms = Some(self.request_ms.map_or(milliseconds, |known| (known * 7 + milliseconds) / 8));
        let sessions = usize::try_from(request.next - request.from).unwrap_or(usize::MAX).max(1);
        let weight = weight(request.bytes / sessions).saturating_mul(sessions);
        self.growth.observe(request.segment_bytes, weight, milliseconds);
    }

    fn segment_mut(&mut self, id: SegmentId) -> Option<&mut Segment<T>> {
        self.segments.iter_mut().find(|segment| segment.id == id)
    }

    fn remove(&mut self, id: RequestId) -> Option<Request> {
        let request = self.requests.remove(&id)?;
        if let Some(segment) = self.segment_mut(request.segment) {
            segment.requests -= 1;
        }
        Some(request)
    }
}

/// What a session of so many encoded bytes counts for while it waits.
fn weight(bytes: usize) -> usize {
    (bytes + SESSION_OVERHEAD_BYTES).max(MIN_SESSION_BYTES)
}
