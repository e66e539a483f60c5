//! Whom to ask next, and for how much.

use rekindle_protocol::api::MAX_RANGE_BYTES;

use super::{
    Schedule, Start,
    request::Request,
    segment::{Segment, SegmentId},
    weight,
};
use crate::federation::{GuardianId, Guardians};

/// Sessions of a segment before anything is known of their size.
const FIRST_SEGMENT_SESSIONS: u64 = 64;
/// Fewer bytes than this are not worth a request of their own.
const MIN_RANGE_BYTES: u64 = 64 << 10;
/// A request is hedged once it has taken this many times as long as one usually takes.
const SLOW_FACTOR: u64 = 4;
/// The shortest time after which a request counts as slow, in milliseconds.
const SLOW_MS: u64 = 1_000;

impl<T> Schedule<T> {
    /// The next request to send, if one should be sent now. Ask again until there is none.
    pub fn start(&mut self, now: u64, guardians: &mut Guardians) -> Option<Start> {
        if self.requests.len() >= self.limits.requests {
            return None;
        }
        self.resume(now, guardians)
            .or_else(|| self.hedge(now, guardians))
            .or_else(|| self.open(now, guardians))
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
        let room = self.waiting_bytes + coming + self.growth.bytes() <= self.limits.buffer_bytes;
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
        let request = Request::new(guardian, segment, self.growth.bytes(), now);
        self.requests.insert(id, request);
        Start { id, guardian, from, to, max_bytes: self.bytes_for(to - from), bypass_cache }
    }

    /// When a request counts as slow: nothing has come for longer than an answer should take, or it has taken
    /// several times as long as requests usually do.
    pub(super) fn slow_at(&self, request: &Request, guardians: &Guardians) -> u64 {
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
        let sessions = (self.growth.bytes() / weight(bytes)).max(1) as u64;
        // Rounded down to a power of two.
        (1 << sessions.ilog2()).min(self.limits.segment_sessions)
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
}
