//! The schedule against simulated guardians: honest, slow, silent, lying, broken, and down.
//!
//! Time is simulated, so that a stall of two minutes costs nothing and every run of a seed is the same.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use rekindle_protocol::chain::ChainError;

use super::schedule::{Limits, RequestId, Schedule, Start};
use crate::{
    backoff::RetryBudget,
    federation::{GuardianFault, GuardianId, Guardians},
    platform::TransportError,
};

const SESSION_BYTES: usize = 1_000;
/// How many sessions arrive at a time.
const PORTION: usize = 32;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    /// Serves what it is asked for.
    Honest,
    /// Takes requests and never answers.
    Silent,
    /// Answers, serves so many sessions, and then nothing more.
    Stalling(u64),
    /// Serves one session and ends: allowed, but tiresome.
    Stingy,
    /// Serves sessions that do not verify.
    Forging,
    /// Serves sessions in the wrong place.
    Misnumbering,
    /// Refuses connections until this time.
    DownUntil(u64),
    /// Serves a web page.
    Page,
    /// Refuses every other connection.
    Flaky,
}

#[derive(Debug, Clone, Copy)]
struct Simulated {
    kind: Kind,
    latency_ms: u64,
    /// Sessions per millisecond.
    speed: u64,
}

#[derive(Debug, Clone)]
enum Happening {
    Answered,
    Sessions { first: u64, count: u64, forged: bool },
    Ended,
    Failed(GuardianFault),
}

/// A forged session is told from a true one by the reader alone.
#[derive(Debug, Clone, Copy)]
struct Payload {
    forged: bool,
}

struct World {
    now: u64,
    guardians: Vec<Simulated>,
    known: Guardians,
    schedule: Schedule<Payload>,
    /// By time and order.
    queue: BTreeMap<(u64, u64), (RequestId, Happening)>,
    sequence: u64,
    dropped: BTreeSet<RequestId>,
    requests: Vec<(u64, GuardianId, Start)>,
    delivered: Vec<u64>,
    most_waiting: usize,
    /// How many sessions a millisecond the wallet's own line brings, and until when it is busy.
    line: Option<u64>,
    line_busy_until: u64,
}

impl World {
    fn new(guardians: Vec<Simulated>, sessions: u64, limits: Limits) -> Self {
        World {
            now: 1_000_000,
            known: Guardians::new(vec![true; guardians.len()], 1_000_000),
            guardians,
            schedule: Schedule::new(0, sessions, limits),
            queue: BTreeMap::new(),
            sequence: 0,
            dropped: BTreeSet::new(),
            requests: Vec::new(),
            delivered: Vec::new(),
            most_waiting: 0,
            line: None,
            line_busy_until: 0,
        }
    }

    /// Runs until everything has been delivered or the time is over; says whether it is finished.
    fn run(&mut self, milliseconds: u64) -> bool {
        let end = self.now + milliseconds;
        while !self.schedule.is_finished() && self.now < end {
            self.schedule.expire(self.now, self.sequence, &mut self.known);
            while let Some(start) = self.schedule.start(self.now, &mut self.known) {
                self.serve(start);
            }
            self.dropped.extend(self.schedule.take_aborted());
            self.read();
            let report = self.schedule.report(self.now, &self.known);
            self.most_waiting = self.most_waiting.max(report.waiting_bytes);
            let wake = self.schedule.wake_at(self.now, &self.known);
            assert!(wake > self.now, "a schedule that wakes at once would spin");
            match self.queue.first_key_value() {
                Some(((at, _), _)) if *at <= wake => self.happen(),
                _ => self.now = wake,
            }
        }
        self.schedule.is_finished()
    }

    fn happen(&mut self) {
        let Some(((at, number), (id, happening))) = self.queue.pop_first() else { return };
        self.now = self.now.max(at);
        if self.dropped.contains(&id) {
            return;
        }
        if let Some(line) = self.line {
            if self.line_busy_until > self.now {
                // With its old number: what a guardian sent first comes first.
                self.queue.insert((self.line_busy_until, number), (id, happening));
                return;
            }
            if let Happening::Sessions { count, .. } = &happening {
                self.line_busy_until = self.now + count.div_ceil(line);
            }
        }
        let result = match happening {
            Happening::Answered => {
                self.schedule.answered(id, self.now, &mut self.known);
                Ok(())
            }
            Happening::Sessions { first, count, forged } => {
                self.schedule.progress(id, count as usize * SESSION_BYTES, self.now);
                (first..first + count).try_for_each(|index| {
                    self.schedule.take(
                        id,
                        index,
                        SESSION_BYTES,
                        Payload { forged },
                        self.now,
                        &mut self.known,
                    )
                })
            }
            Happening::Ended => self.schedule.end(id, self.now, &mut self.known),
            Happening::Failed(fault) => Err(fault.into()),
        };
        if let Err(fault) = result {
            self.schedule.fail(id, &fault, self.now, self.sequence, &mut self.known);
            self.dropped.insert(id);
        }
    }

    /// A reader that notices a forged session when it gets there.
    fn read(&mut self) {
        while let Some(ready) = self.schedule.pop() {
            if ready.payload.forged {
                let fault = GuardianFault::from(ChainError::WrongSignature(ready.index));
                self.schedule.penalise(ready.guardian, &fault, self.now, &mut self.known);
                // It had verified everything up to the last multiple of 100.
                let verified = ready.index / 100 * 100;
                self.schedule.rewind(verified);
                self.delivered.truncate(verified as usize);
            } else {
                self.delivered.push(ready.index);
            }
        }
    }

    fn serve(&mut self, start: Start) {
        let Simulated { kind, latency_ms, speed } = self.guardians[usize::from(start.guardian)];
        let (id, guardian) = (start.id, start.guardian);
        let fits = (start.max_bytes / SESSION_BYTES).max(1) as u64;
        let from = start.from;
        self.requests.push((self.now, start.guardian, start));
        let answered = self.now + latency_ms;
        let refuses = match kind {
            Kind::DownUntil(until) => self.now < until,
            Kind::Flaky => self.requests_to(guardian) % 2 == 1,
            _ => false,
        };
        match kind {
            _ if refuses => {
                let refused = TransportError::Unreachable("refused".to_owned());
                return self.later(answered, id, Happening::Failed(refused.into()));
            }
            Kind::Page => {
                let page = GuardianFault::WrongType("text/html".to_owned());
                return self.later(answered, id, Happening::Failed(page));
            }
            Kind::Silent => return,
            _ => self.later(answered, id, Happening::Answered),
        }
        let (count, first, forged) = match kind {
            Kind::Stingy => (1, from, false),
            Kind::Stalling(after) => (fits.min(after), from, false),
            Kind::Forging => (fits, from, true),
            Kind::Misnumbering => (fits, from + 1, false),
            _ => (fits, from, false),
        };
        let mut at = answered;
        for served in (0..count).step_by(PORTION) {
            let portion = (PORTION as u64).min(count - served);
            at += portion.div_ceil(speed);
            self.later(at, id, Happening::Sessions { first: first + served, count: portion, forged });
        }
        if !matches!(kind, Kind::Stalling(_)) {
            self.later(at, id, Happening::Ended);
        }
    }

    fn later(&mut self, at: u64, id: RequestId, happening: Happening) {
        self.sequence += 1;
        self.queue.insert((at, self.sequence), (id, happening));
    }

    fn assert_complete(&self, sessions: u64) {
        assert!(self.delivered.iter().copied().eq(0..sessions), "sessions are missing or out of order");
    }

    fn requests_to(&self, guardian: GuardianId) -> usize {
        self.requests.iter().filter(|(_, asked, _)| *asked == guardian).count()
    }
}

fn honest(latency_ms: u64) -> Simulated {
    Simulated { kind: Kind::Honest, latency_ms, speed: 10 }
}

fn small() -> Limits {
    Limits {
        buffer_bytes: 1 << 20,
        segment_bytes: 64 << 10,
        quick_segment_bytes: 64 << 10,
        ..Limits::default()
    }
}

fn any_kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        Just(Kind::Silent),
        (0u64..50).prop_map(Kind::Stalling),
        Just(Kind::Stingy),
        Just(Kind::Forging),
        Just(Kind::Misnumbering),
        (0u64..200_000).prop_map(|time| Kind::DownUntil(1_000_000 + time)),
        Just(Kind::Page),
    ]
}

/// Federations whose last f guardians are faulty.
fn any_federation() -> impl Strategy<Value = Vec<Simulated>> {
    let guardian = (1u64..400, 1u64..50);
    (prop_oneof![Just(4usize), Just(7)], prop::collection::vec((guardian, any_kind()), 7)).prop_map(
        |(count, parts)| {
            let faulty = (count - 1) / 3;
            let place = |(at, ((latency_ms, speed), kind)): (usize, ((u64, u64), Kind))| Simulated {
                kind: if at + faulty >= count { kind } else { Kind::Honest },
                latency_ms,
                speed,
            };
            parts.into_iter().take(count).enumerate().map(place).collect()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn faulty_guardians_neither_stop_nor_reorder_it(guardians in any_federation(), sessions in 1u64..3_000) {
        let limits = Limits { quick_segment_bytes: 256 << 10, ..small() };
        let mut world = World::new(guardians, sessions, limits);
        prop_assert!(world.run(60_000), "not finished within a minute: {:?}", world.schedule.report(world.now, &world.known));
        world.assert_complete(sessions);
        let limit = limits.buffer_bytes + 4 * limits.quick_segment_bytes;
        prop_assert!(world.most_waiting <= limit, "{} bytes were waiting", world.most_waiting);
        for (_, _, start) in &world.requests {
            prop_assert!(start.from < start.to && start.to <= sessions);
        }
    }
}

#[test]
fn work_goes_to_those_who_are_quick() {
    let mut world = World::new(vec![honest(10), honest(10), honest(10), honest(900)], 20_000, small());
    assert!(world.run(60_000));
    world.assert_complete(20_000);
    assert!(
        world.requests_to(3) * 4 < world.requests_to(0),
        "{} requests went to a slow one",
        world.requests_to(3)
    );
}

#[test]
fn guardians_work_side_by_side() {
    let alone = {
        let mut world = World::new(vec![honest(50)], 10_000, small());
        assert!(world.run(600_000));
        world.now
    };
    let mut world = World::new(vec![honest(50); 4], 10_000, small());
    assert!(world.run(600_000));
    let (one, four) = (alone - 1_000_000, world.now - 1_000_000);
    assert!(four * 2 < one, "one guardian took {one} ms and four took {four} ms");
}

#[test]
fn guardians_who_are_quick_get_fewer_and_larger_requests() {
    let requests = |speed| {
        let guardian = Simulated { kind: Kind::Honest, latency_ms: 20, speed };
        let mut world = World::new(vec![guardian; 4], 100_000, Limits::default());
        assert!(world.run(600_000));
        world.assert_complete(100_000);
        world.requests.len()
    };
    let (slow, quick) = (requests(1), requests(32));
    assert!(slow > 380 && quick < 150, "{slow} requests to slow ones and {quick} to quick ones");
}

#[test]
fn a_silent_guardian_costs_little() {
    let silent = Simulated { kind: Kind::Silent, latency_ms: 1, speed: 1 };
    let time = |guardians: Vec<Simulated>| {
        let mut world = World::new(guardians, 20_000, small());
        assert!(world.run(600_000));
        world.now - 1_000_000
    };
    let without = time(vec![honest(20); 3]);
    let with = time(vec![honest(20), honest(20), honest(20), silent]);
    assert!(with < without + 3_000, "{without} ms became {with} ms");
}

/// How much longer it takes when one of four guardians is faulty, on a line that three can fill.
fn slowdown(kind: Kind) -> f64 {
    const SESSIONS: u64 = 100_000;
    let time = |last: Kind| {
        let guardian = |kind| Simulated { kind, latency_ms: 20, speed: 1 };
        let guardians =
            vec![guardian(Kind::Honest), guardian(Kind::Honest), guardian(Kind::Honest), guardian(last)];
        let mut world = World::new(guardians, SESSIONS, Limits::default());
        world.line = Some(10);
        assert!(world.run(600_000));
        world.assert_complete(SESSIONS);
        (world.now - 1_000_000) as f64
    };
    time(kind) / time(Kind::Honest)
}

/// What `npm run bench` reads.
#[test]
fn one_faulty_guardian_of_four_slows_it_down_little() {
    let (silent, lying) = (slowdown(Kind::Silent), slowdown(Kind::Forging));
    println!("recovery.faults.one_silent.slowdown {silent:.3}");
    println!("recovery.faults.one_lying.slowdown {lying:.3}");
    assert!(silent <= 1.1, "one silent guardian: {silent}");
    assert!(lying <= 1.2, "one lying guardian: {lying}");
}

#[test]
fn a_forger_is_bypassed_and_asked_past_caches_afterwards() {
    let forger = Simulated { kind: Kind::Forging, latency_ms: 1, speed: 50 };
    let mut world = World::new(vec![forger, honest(20), honest(20), honest(20)], 5_000, small());
    assert!(world.run(60_000));
    world.assert_complete(5_000);
    let after_first = |(_, _, start): &&(u64, GuardianId, Start)| start.guardian == 0 && start.bypass_cache;
    let early = world.requests.iter().filter(|(at, guardian, _)| *guardian == 0 && *at == 1_000_000).count();
    let later = world.requests.iter().filter(after_first).count();
    assert_eq!(early + later, world.requests_to(0), "a forger was believed again");
}

#[test]
fn a_single_guardian_behind_a_forging_cache_is_asked_past_it() {
    let mut world =
        World::new(vec![Simulated { kind: Kind::Forging, latency_ms: 1, speed: 50 }], 100, small());
    assert!(!world.run(1_000));
    world.guardians[0].kind = Kind::Honest;
    assert!(world.run(30_000));
    world.assert_complete(100);
    assert!(world.requests.last().is_some_and(|(_, _, start)| start.bypass_cache));
}

#[test]
fn a_federation_that_is_down_sees_a_trickle() {
    let down = Simulated { kind: Kind::DownUntil(u64::MAX), latency_ms: 5, speed: 1 };
    let mut world = World::new(vec![down; 4], 1_000, Limits::default());
    assert!(!world.run(3_600_000));
    let during = |from: u64, to: u64| {
        let from_start = |at: &u64| (from..to).contains(&(at - 1_000_000));
        world.requests.iter().filter(|(at, _, _)| from_start(at)).count()
    };
    assert!(during(0, 60_000) <= 120, "{} requests in the first minute", during(0, 60_000));
    let last = during(1_800_000, 3_600_000);
    // Every two minutes or less from each guardian, and never more than one a minute.
    assert!((4 * 15..=4 * 30).contains(&last), "{last} requests in the last half hour");
}

#[test]
fn guardians_that_fail_every_other_time_see_as_many_retries_as_there_is_budget_for() {
    const SECONDS: u64 = 20;
    let flaky = Simulated { kind: Kind::Flaky, latency_ms: 1, speed: 1_000 };
    let mut world = World::new(vec![flaky; 4], u64::MAX, small());
    assert!(!world.run(SECONDS * 1_000));
    // What was asked for before is asked for again.
    let segments: BTreeSet<u64> = world.requests.iter().map(|(_, _, start)| start.from).collect();
    let retries = (world.requests.len() - segments.len()) as u64;
    let served = world.requests.len() as u64 / 2;
    let budget =
        RetryBudget::CAPACITY + RetryBudget::PER_SECOND * SECONDS + served / RetryBudget::SUCCESSES_PER_RETRY;
    assert!((budget / 2..=budget).contains(&retries), "{retries} retries of {budget}, {served} were served");
}

#[test]
fn it_goes_on_when_a_federation_comes_back() {
    let down = Simulated { kind: Kind::DownUntil(1_000_000 + 600_000), latency_ms: 5, speed: 10 };
    let mut world = World::new(vec![down; 4], 1_000, Limits::default());
    assert!(world.run(600_000 + 121_000));
    world.assert_complete(1_000);
}

#[test]
fn the_end_can_move() {
    let mut world = World::new(vec![honest(5); 4], 10, small());
    assert!(world.run(10_000));
    world.schedule.extend(500);
    world.schedule.extend(20);
    assert!(world.run(10_000));
    world.assert_complete(500);
}

#[test]
fn nobody_is_blamed_while_nobody_looks() {
    let mut world = World::new(vec![honest(50); 4], 1_000, small());
    while let Some(start) = world.schedule.start(world.now, &mut world.known) {
        world.serve(start);
    }
    world.now += 20_000;
    world.schedule.forgive(20_000);
    assert!(!world.schedule.has_expired(world.now));
    let before = world.requests.len();
    while let Some(start) = world.schedule.start(world.now, &mut world.known) {
        world.serve(start);
    }
    assert_eq!(world.requests.len(), before, "a request was hedged that had no time to be answered");
}
