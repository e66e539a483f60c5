//! The world: virtual time, bodies that run guardians, and what happens to them.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap},
};

use bytes::Bytes;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{
    body::{Body, dealt},
    byzantine::Role,
    checks::Checks,
    happenings::NEW_RULES,
    net::{BodyId, Net, Sent},
    plan::{Plan, TROUBLE, Trouble},
};
use crate::{consensus::GuardianId, dealer::Dealt};

/// Virtual milliseconds after the last trouble in which everything must be settled.
const PATIENCE: u64 = 400_000;

pub enum Event {
    Step {
        body: BodyId,
        run: u64,
    },
    Arrives {
        sent: Sent,
        bytes: Bytes,
        run: u64,
    },
    Acknowledged(Sent),
    Starts(BodyId),
    Happens(Trouble),
    Signals(BodyId),
    Heals(usize),
    /// The last trouble is over.
    Over,
}

pub struct World {
    pub plan: Plan,
    pub dealt: &'static Dealt,
    pub net: Net,
    pub bodies: Vec<Body>,
    events: BinaryHeap<Reverse<(u64, u64)>>,
    contents: BTreeMap<u64, Event>,
    scheduled: u64,
    pub now: u64,
    pub partitions: BTreeMap<usize, BTreeSet<GuardianId>>,
    pub rng: ChaCha8Rng,
    pub checks: Checks,
    /// A hash over everything that happened.
    pub trace: blake3::Hasher,
}

impl World {
    /// The world of a plan; `seed` decides what the plan leaves to chance.
    pub fn new(plan: Plan, seed: u64) -> Self {
        let mut world = Self {
            dealt: dealt(plan.roles.len()),
            checks: Checks::default(),
            net: Net::default(),
            bodies: Vec::new(),
            events: BinaryHeap::new(),
            contents: BTreeMap::new(),
            scheduled: 0,
            now: 0,
            partitions: BTreeMap::new(),
            rng: ChaCha8Rng::seed_from_u64(seed ^ 0x5eed),
            trace: blake3::Hasher::new(),
            plan,
        };
        let all: BTreeSet<GuardianId> = (0..u16::try_from(world.plan.roles.len()).unwrap()).collect();
        for (id, role) in (0..).zip(world.plan.roles.clone()) {
            if role == Role::Equivocates {
                let some: BTreeSet<_> = all.iter().copied().filter(|_| world.rng.r#gen()).collect();
                let others = all.difference(&some).copied().collect();
                world.add(id, role, some);
                world.add(id, role, others);
            } else {
                world.add(id, role, all.clone());
            }
        }
        for (time, trouble) in world.plan.events.clone() {
            world.schedule(time, Event::Happens(trouble));
        }
        for body in 0..world.bodies.len() {
            let time = world.rng.gen_range(0..100);
            world.schedule(time, Event::Starts(body));
        }
        world.schedule(TROUBLE + 1, Event::Over);
        world
    }

    fn add(&mut self, id: GuardianId, role: Role, audience: BTreeSet<GuardianId>) {
        self.net.add(id, audience);
        self.bodies.push(Body::new(id, role, self.plan.paces[usize::from(id)]));
    }

    /// Runs until all troubles are over and everything is settled.
    pub fn run(&mut self) -> blake3::Hash {
        let mut looked = 0;
        while let Some(Reverse((time, number))) = self.events.pop() {
            self.now = time;
            if let Some(event) = self.contents.remove(&number) {
                self.handle(event);
            }
            if self.now > TROUBLE.max(looked) && self.settled() {
                assert!(self.may_upgrade() || !self.checks.is_upgraded(), "upgraded: {}", self.describe());
                self.checks.finish(&self.bodies, self.dealt);
                return self.trace.finalize();
            }
            looked = looked.max(self.now);
            assert!(self.now < TROUBLE + PATIENCE, "never settled: {}", self.describe());
        }
        panic!("nothing happens any more: {}", self.describe());
    }

    pub fn describe(&self) -> String {
        let bodies = self.bodies.iter().map(|body| {
            let progress = body.node.as_ref().map(|node| node.shared.progress.borrow().clone());
            format!("\n  {} {:?} dead {} rules {} {progress:?}", body.id, body.role, body.dead, body.rules)
        });
        let missing = self.checks.missing(&self.bodies);
        format!("at {} {}\n missing {missing:?}\n {:?}", self.now, bodies.collect::<String>(), self.plan)
    }

    /// Whether every honest guardian runs, has what every other has, and nothing is missing from history.
    fn settled(&self) -> bool {
        let mut honest = self.bodies.iter().filter(|body| body.is_honest());
        let Some(first) = honest.clone().next().and_then(Body::progress) else { return false };
        first.0 == first.1
            && honest.clone().all(|body| body.progress() == Some(first))
            && (!self.must_upgrade()
                || self.checks.is_upgraded() && honest.all(|body| body.rules == NEW_RULES))
            && self.checks.missing(&self.bodies).is_empty()
    }

    /// Whether so many honest guardians' operators want new rules that all of them must get them.
    fn must_upgrade(&self) -> bool {
        let wanted = |id: &GuardianId| self.plan.roles[usize::from(*id)] == Role::Honest;
        let honest = self.plan.signallers().filter(wanted).count();
        honest >= self.plan.least()
    }

    /// Whether new rules are possible at all: too few signals do not bring them, whoever is faulty.
    fn may_upgrade(&self) -> bool {
        self.plan.signallers().count() >= self.plan.least()
    }

    pub fn schedule(&mut self, time: u64, event: Event) {
        self.scheduled += 1;
        self.contents.insert(self.scheduled, event);
        self.events.push(Reverse((time, self.scheduled)));
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Step { body, run } => {
                if self.bodies[body].run == run && self.bodies[body].step_at == Some(self.now) {
                    self.step(body, vec![]);
                }
            }
            Event::Arrives { sent, bytes, run } => self.arrives(sent, bytes, run),
            Event::Acknowledged(sent) => self.net.forget(sent),
            Event::Starts(body) => self.start(body),
            Event::Happens(trouble) => self.happens(trouble),
            Event::Signals(body) => self.signal(body),
            Event::Heals(partition) => {
                self.partitions.remove(&partition);
            }
            Event::Over => {}
        }
    }
}
