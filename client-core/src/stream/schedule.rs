//! What to ask of whom, and when. No I/O, no clock: time, random numbers and guardians are arguments.
//!
//! Times are milliseconds since 1970. A session's payload is of any type, so that tests need no real ones.

mod request;
mod segment;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rekindle_protocol::{api::MAX_RANGE_BYTES, chain::ChainError};

use self::{
    request::Request,
    segment::{Segment, SegmentId},
};
use crate::federation::{GuardianFault, GuardianId, Guardians};

/// What a stream may use at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most requests in flight.
    pub requests: usize,
    /// Most requests in flight to one guardian. A browser opens 6 connections to a host, and other requests
    /// need some of them.
    pub requests_per_guardian: usize,
    /// Most bytes that may have arrived, or be on their way, before their turn.
    pub buffer_bytes: usize,
    /// About how many bytes a segment should have.
    pub segment_bytes: usize,
    /// Milliseconds without a byte after which a request is given up.
    pub silence_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            requests: 64,
            requests_per_guardian: 4,
            buffer_bytes: 24 << 20,
            segment_bytes: 512 << 10,
            silence_ms: 15_000,
        }
    }
}

/// Most sessions of a segment: long runs of empty sessions take hardly any bytes on the way.
const MAX_SEGMENT_SESSIONS: u64 = 1 << 14;
/// Sessions of a segment before anything is known of their size.
const FIRST_SEGMENT_SESSIONS: u64 = 64;
/// Fewer bytes than this are not worth a request of their own.
const MIN_RANGE_BYTES: u64 = 64 << 10;
/// What a session takes in memory at least, in bytes.
pub const MIN_SESSION_BYTES: usize = 400;
/// A request is hedged once it has taken this many times as long as one usually takes.
const SLOW_FACTOR: u64 = 4;
/// The shortest time after which a request counts as slow, in milliseconds.
const SLOW_MS: u64 = 1_000;

/// A request's number.
pub type RequestId = u64;

/// A range to ask of a guardian.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// Names the request in all that is said about it later.
    pub id: RequestId,
    /// Whom to ask.
    pub guardian: GuardianId,
    /// The first session.
    pub from: u64,
    /// The first session that is not wanted.
    pub to: u64,
    /// How many bytes to ask for.
    pub max_bytes: usize,
    /// Whether to ask past caches.
    pub bypass_cache: bool,
}

/// A session whose turn it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready<T> {
    /// Its number.
    pub index: u64,
    /// Who served it.
    pub guardian: GuardianId,
    /// Its encoded bytes.
    pub bytes: usize,
    /// The session.
    pub payload: T,
}

/// How far a stream has come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// The next session to be delivered.
    pub position: u64,
    /// Where the stream ends (not included).
    pub end: u64,
    /// Bytes of sessions delivered so far.
    pub bytes: u64,
    /// Bytes that wait for their turn.
    pub waiting_bytes: usize,
    /// Guardians that are being asked right now.
    pub guardians: BTreeSet<GuardianId>,
    /// If nobody can be asked right now: when the next attempt is due.
    pub next_attempt: Option<u64>,
}

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
    requests: BTreeMap<RequestId, Request>,
    /// Requests of which nothing is wanted any more.
    aborted: Vec<RequestId>,
    next_id: u64,
    waiting_bytes: usize,
    delivered_bytes: u64,
    /// Average bytes of a session, once one has arrived.
    session_bytes: Option<usize>,
    /// Average milliseconds of a request, once one has ended.
    request_ms: Option<u64>,
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
            requests: BTreeMap::new(),
            aborted: Vec::new(),
            next_id: 0,
            waiting_bytes: 0,
            delivered_bytes: 0,
            session_bytes: None,
            request_ms: None,
            budget_at: 0,
            bypass_until: 0,
        }
    }

    /// Moves the end further; it never comes back.
    pub fn extend(&mut self, end: u64) {
        self.end = self.end.max(end);
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

    /// The next request to send, if one should be sent now. Ask again until there is none.
    pub fn start(&mut self, now: u64, guardians: &mut Guardians) -> Option<Start> {
        if self.requests.len() >= self.limits.requests {
            return None;
        }
        self.resume(now, guardians)
            .or_else(|| self.hedge(now, guardians))
            .or_else(|| self.open(now, guardians))
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
    ) -> Result<(), GuardianFault> {
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
    pub fn end(&mut self, id: RequestId, now: u64, guardians: &mut Guardians) -> Result<(), GuardianFault> {
        let Some(request) = self.requests.get(&id) else { return Ok(()) };
        if request.next == request.from {
            return Err(GuardianFault::Missing(request.from));
        }
        if let Some(request) = self.remove(id) {
            self.observe(&request, now, guardians);
            guardians.succeed(request.guardian);
        }
        Ok(())
    }

    /// A request failed. Gives the guardian that was asked, if anything was still wanted of it.
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
        if fault.is_misbehaviour() {
            self.penalise(request.guardian, now, guardians);
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
    pub fn penalise(&mut self, guardian: GuardianId, now: u64, guardians: &mut Guardians) {
        guardians.strike(guardian, now);
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
        self.aborted.extend(std::mem::take(&mut self.requests).into_keys());
    }

    /// For so many milliseconds nobody looked what had arrived: that is no guardian's fault.
    pub fn forgive(&mut self, milliseconds: u64) {
        for request in self.requests.values_mut() {
            request.started += milliseconds;
            request.progress_at += milliseconds;
        }
    }

    /// How far it has come.
    pub fn report(&self, now: u64, guardians: &Guardians) -> Progress {
        let stuck = self.requests.is_empty() && !self.is_finished();
        Progress {
            position: self.position,
            end: self.end,
            bytes: self.delivered_bytes,
            waiting_bytes: self.waiting_bytes,
            guardians: self.requests.values().map(|request| request.guardian).collect(),
            next_attempt: stuck.then(|| self.wake_at(now, guardians)),
        }
    }

    /// Asks for what no request is fetching: new continuations first in line, retries from the budget.
    fn resume(&mut self, now: u64, guardians: &mut Guardians) -> Option<Start> {
        for at in 0..self.segments.len() {
            let segment = &self.segments[at];
            if segment.requests > 0 || segment.is_full() {
                continue;
            }
            let Some(guardian) = self.choose(at, now, guardians) else { continue };
            if self.segments[at].is_retry && !self.may_retry(now, guardians) {
                continue;
            }
            return Some(self.send(at, guardian, now, guardians));
        }
        None
    }

    /// Asks a second guardian for the rest of a segment whose first one is slow.
    fn hedge(&mut self, now: u64, guardians: &mut Guardians) -> Option<Start> {
        let slow: Vec<SegmentId> = self
            .requests
            .values()
            .filter(|request| self.slow_at(request, guardians) <= now)
            .map(|request| request.segment)
            .collect();
        for at in 0..self.segments.len() {
            let segment = &self.segments[at];
            if segment.requests != 1 || !slow.contains(&segment.id) {
                continue;
            }
            let Some(guardian) = self.choose(at, now, guardians) else { continue };
            if !self.may_retry(now, guardians) {
                continue;
            }
            return Some(self.send(at, guardian, now, guardians));
        }
        None
    }

    /// Opens the next segment, if there is room for it.
    fn open(&mut self, now: u64, guardians: &mut Guardians) -> Option<Start> {
        let coming: usize = self.requests.values().map(|request| self.expected_rest(request)).sum();
        let room = self.waiting_bytes + coming + self.limits.segment_bytes <= self.limits.buffer_bytes;
        if self.frontier >= self.end || !(room || self.segments.is_empty()) {
            return None;
        }
        // Sizes are powers of two and begin at their multiples, so that wallets with the same history ask
        // for the same ranges and caches can answer them.
        let size = self.segment_sessions();
        let to = (self.frontier / size + 1).saturating_mul(size).min(self.end);
        self.next_id += 1;
        let mut segment = Segment::new(self.next_id, self.frontier, to);
        segment.bypass_cache = self.frontier < self.bypass_until;
        self.segments.push_back(segment);
        let at = self.segments.len() - 1;
        match self.choose(at, now, guardians).filter(|guardian| self.is_worth_it(*guardian, now, guardians)) {
            Some(guardian) => {
                self.frontier = to;
                Some(self.send(at, guardian, now, guardians))
            }
            None => {
                self.segments.pop_back();
                None
            }
        }
    }

    /// The best guardian for a segment: ready, with room for a request, and one that has not failed at it
    /// unless all that are ready have.
    fn choose(&self, at: usize, now: u64, guardians: &Guardians) -> Option<GuardianId> {
        let segment = &self.segments[at];
        let in_flight =
            |guardian| self.requests.values().filter(|request| request.guardian == guardian).count();
        let in_use = |guardian| {
            self.requests
                .values()
                .any(|request| request.segment == segment.id && request.guardian == guardian)
        };
        let ready: Vec<_> = guardians
            .reachable()
            .filter(|guardian| guardians.is_ready(*guardian, now) && !in_use(*guardian))
            .collect();
        let all_tried = ready.iter().all(|guardian| segment.tried.contains(guardian));
        let free = |guardian: &GuardianId| {
            let most = if guardians.is_on_trial(*guardian) { 1 } else { self.limits.requests_per_guardian };
            in_flight(*guardian) < most
        };
        let preference = |guardian: &GuardianId| {
            // Everybody waits for the first segment: it is no place for trials.
            let is_risky = at == 0 && guardians.is_on_trial(*guardian);
            (is_risky, self.expected_ms(*guardian, guardians), *guardian)
        };
        let untried = ready.into_iter().filter(|guardian| all_tried || !segment.tried.contains(guardian));
        untried.filter(free).min_by_key(preference)
    }

    /// Whether a request to `guardian` is likely to end before one that waits for a quicker guardian to be
    /// free. A slow one would only keep a part of history back that everybody then waits for.
    fn is_worth_it(&self, guardian: GuardianId, now: u64, guardians: &Guardians) -> bool {
        let wait = guardians
            .reachable()
            .filter(|other| guardians.is_ready(*other, now) && !guardians.is_on_trial(*other))
            .map(|other| self.expected_ms(other, guardians))
            .min();
        wait.is_none_or(|wait| self.expected_ms(guardian, guardians) <= wait.saturating_mul(SLOW_FACTOR))
    }

    /// How long the next segment would take a guardian, after those that it is working on.
    fn expected_ms(&self, guardian: GuardianId, guardians: &Guardians) -> u64 {
        let in_flight = self.requests.values().filter(|request| request.guardian == guardian).count() as u64;
        guardians.expected_ms(guardian, self.limits.segment_bytes).saturating_mul(in_flight + 1)
    }

    fn may_retry(&mut self, now: u64, guardians: &mut Guardians) -> bool {
        match guardians.take_retry(now) {
            Ok(()) => true,
            Err(wait) => {
                self.budget_at = now + wait;
                false
            }
        }
    }

    fn send(&mut self, at: usize, guardian: GuardianId, now: u64, guardians: &Guardians) -> Start {
        self.next_id += 1;
        let id = self.next_id;
        let segment = &mut self.segments[at];
        segment.requests += 1;
        let (from, to) = (segment.next, segment.to);
        let bypass_cache = segment.bypass_cache || guardians.has_lied(guardian);
        let request = Request::new(guardian, segment.id, from, to, now);
        self.requests.insert(id, request);
        Start { id, guardian, from, to, max_bytes: self.bytes_for(to - from), bypass_cache }
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
    }

    /// When a request counts as slow: nothing has come for longer than an answer should take, or it has taken
    /// several times as long as requests usually do.
    fn slow_at(&self, request: &Request, guardians: &Guardians) -> u64 {
        let stalled = request.progress_at + guardians.patience_ms();
        let usual = self.request_ms.unwrap_or(SLOW_MS).saturating_mul(SLOW_FACTOR).max(SLOW_MS);
        stalled.min(request.started + usual)
    }

    fn expected_rest(&self, request: &Request) -> usize {
        let sessions = usize::try_from(request.to.saturating_sub(request.next)).unwrap_or(usize::MAX);
        sessions.saturating_mul(self.session_bytes.map_or(self.limits.segment_bytes / 64, weight))
    }

    fn segment_sessions(&self) -> u64 {
        let Some(bytes) = self.session_bytes else { return FIRST_SEGMENT_SESSIONS };
        let sessions = (self.limits.segment_bytes / weight(bytes)).max(1) as u64;
        // Rounded down to a power of two.
        (1 << sessions.ilog2()).min(MAX_SEGMENT_SESSIONS)
    }

    /// How many bytes to ask for so that so many sessions are probably among them: a little more than they
    /// take on average, in steps of a quarter, so that wallets ask alike.
    fn bytes_for(&self, sessions: u64) -> usize {
        let Some(bytes) = self.session_bytes else { return self.limits.segment_bytes };
        let wanted = (bytes.max(1) as u64).saturating_mul(sessions).saturating_mul(17) / 16;
        let wanted = wanted.clamp(MIN_RANGE_BYTES, MAX_RANGE_BYTES as u64);
        let step = (1 << wanted.ilog2()) / 4;
        usize::try_from(wanted.div_ceil(step) * step).unwrap_or(MAX_RANGE_BYTES)
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
    bytes.max(MIN_SESSION_BYTES)
}
