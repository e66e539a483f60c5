//! The world: virtual time, bodies that run guardians, and what happens to them.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap},
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::Bytes;
use rand::{Rng, SeedableRng, rngs::StdRng};
use rand_chacha::ChaCha8Rng;
use redb::Database;
use tokio::sync::oneshot;

use super::{
    byzantine::{Role, tamper},
    checks::Checks,
    disk::Disk,
    net::{BodyId, End, Net, Sent},
    plan::{Plan, TROUBLE, Trouble},
};
use crate::{
    consensus::GuardianId,
    db::{Db, DbError},
    dealer::Dealt,
    node::{
        NodeError, NodeSetup, Settings,
        core::{Core, Time},
        handle::{Request, Shared, Submission},
        testing::{TestMachine, deal, spend},
    },
};

/// Virtual milliseconds after the last trouble in which everything must be settled.
const PATIENCE: u64 = 400_000;
/// How long a message that was lost takes to be sent again.
const RETRANSMIT: u64 = 400;
const EPOCH_1970: u64 = 1_000_000_000;

/// Something that runs as a guardian.
pub struct Body {
    pub id: GuardianId,
    pub role: Role,
    disk: Disk,
    pub node: Option<Node>,
    /// Counts starts, so that what was planned for an earlier run is void.
    run: u64,
    clock: i64,
    /// A faulty guardian has shown its face.
    turned: bool,
    /// It stopped for good.
    dead: bool,
    /// It has had a whole database.
    created: bool,
    /// When it is stepped next.
    step_at: Option<u64>,
}

/// A run of a body.
pub struct Node {
    core: Core<End>,
    pub shared: Arc<Shared>,
}

enum Event {
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
    Heals(usize),
    /// The last trouble is over.
    Over,
}

pub struct World {
    pub plan: Plan,
    pub dealt: &'static Dealt,
    net: Net,
    pub bodies: Vec<Body>,
    events: BinaryHeap<Reverse<(u64, u64)>>,
    contents: BTreeMap<u64, Event>,
    scheduled: u64,
    pub now: u64,
    partitions: BTreeMap<usize, BTreeSet<GuardianId>>,
    rng: ChaCha8Rng,
    pub checks: Checks,
    /// A hash over everything that happened.
    trace: blake3::Hasher,
}

/// The keys of federations of each size, dealt once.
fn dealt(guardians: usize) -> &'static Dealt {
    static DEALT: [OnceLock<Dealt>; 8] = [const { OnceLock::new() }; 8];
    DEALT[guardians].get_or_init(|| deal(u16::try_from(guardians).unwrap()))
}

fn settings(role: Role) -> Settings {
    let settings = Settings {
        session_items: 6,
        session_epochs: 12,
        contribution_bytes: 1_000,
        session_time: Duration::from_millis(300),
        signature_retry: Duration::from_millis(300),
        catch_up_patience: Duration::from_millis(200),
        ..Settings::default()
    };
    match role {
        Role::Overfills => Settings { contribution_bytes: 100_000, ..settings },
        _ => settings,
    }
}

impl World {
    pub fn new(seed: u64) -> Self {
        let plan = Plan::new(seed);
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
        self.bodies.push(Body {
            id,
            role,
            disk: Disk::default(),
            node: None,
            run: 0,
            clock: 0,
            turned: false,
            dead: false,
            created: false,
            step_at: None,
        });
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
            format!("\n  {} {:?} dead {} {progress:?}", body.id, body.role, body.dead)
        });
        let missing = self.checks.missing(&self.bodies);
        format!("at {} {}\n missing {missing:?}\n {:?}", self.now, bodies.collect::<String>(), self.plan)
    }

    /// Whether every honest guardian runs, has what every other has, and nothing is missing from history.
    fn settled(&self) -> bool {
        let mut honest = self.bodies.iter().filter(|body| body.is_honest());
        let Some(first) = honest.next().and_then(Body::progress) else { return false };
        honest.all(|body| body.progress() == Some(first))
            && first.0 == first.1
            && self.checks.missing(&self.bodies).is_empty()
    }

    fn schedule(&mut self, time: u64, event: Event) {
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
            Event::Heals(partition) => {
                self.partitions.remove(&partition);
            }
            Event::Over => {}
        }
    }

    fn happens(&mut self, trouble: Trouble) {
        match trouble {
            Trouble::Crash(victims) => {
                for (id, syncs, down) in victims {
                    for body in self.of(id) {
                        self.bodies[body].disk.die_in(syncs);
                        let run = self.bodies[body].run;
                        // It dies at a sync or, if it does nothing, a little later.
                        let body_crash = self.now + 50;
                        self.schedule(body_crash, Event::Step { body, run });
                        self.bodies[body].step_at = Some(body_crash);
                        self.schedule(body_crash + down, Event::Starts(body));
                    }
                }
            }
            Trouble::Partition(away, lasts) => {
                let key = self.partitions.len();
                let key = self.partitions.keys().next_back().map_or(key, |last| last + 1);
                self.partitions.insert(key, away);
                self.schedule(self.now + lasts, Event::Heals(key));
            }
            Trouble::Clock(id, shift) => {
                for body in self.of(id) {
                    self.bodies[body].clock = shift;
                }
            }
            Trouble::Submit { to, nonce, tweak } => {
                if let Some(body) = self.of(to).first().copied() {
                    self.submit(body, nonce, tweak);
                }
            }
            Trouble::Turn(id) => {
                for body in self.of(id) {
                    self.bodies[body].turned = true;
                    match self.bodies[body].role {
                        Role::FallsSilent => {
                            self.crash(body);
                            self.bodies[body].dead = true;
                        }
                        Role::Forgets => {
                            self.crash(body);
                            self.bodies[body].disk = Disk::default();
                            self.bodies[body].created = false;
                            self.schedule(self.now + 500, Event::Starts(body));
                        }
                        _ => {}
                    }
                }
            }
        }
    }

    fn of(&self, id: GuardianId) -> Vec<BodyId> {
        (0..self.bodies.len()).filter(|body| self.bodies[*body].id == id).collect()
    }

    fn time(&self, body: BodyId) -> Time {
        let wall = (EPOCH_1970 + self.now).saturating_add_signed(self.bodies[body].clock);
        Time { wall, monotonic: self.now }
    }

    fn start(&mut self, body: BodyId) {
        if self.bodies[body].dead {
            return;
        }
        // It may not have died by itself.
        self.crash(body);
        match self.open(body) {
            Ok(node) => {
                self.bodies[body].node = Some(node);
                self.bodies[body].created = true;
            }
            Err(error) => {
                if !self.bodies[body].created {
                    // A file appears under its name when it is whole (see `Db::open`).
                    self.bodies[body].disk = Disk::default();
                    return self.schedule(self.now + 1, Event::Starts(body));
                }
                // It may die while it starts.
                let time = self.now + self.rng.gen_range(1..500);
                self.schedule(time, Event::Starts(body));
                return self.fails(body, &error.to_string());
            }
        }
        for sent in self.net.kept_for(body) {
            self.put_in_flight(sent);
        }
        self.ship(body);
        self.step_soon(body, self.now);
        self.observe(body);
    }

    fn open(&mut self, body: BodyId) -> Result<Node, NodeError> {
        let Body { id, role, .. } = self.bodies[body];
        let disk = self.bodies[body].disk.clone();
        let database = Database::builder().set_cache_size(1 << 20).create_with_backend(disk);
        let federation = self.dealt.config.federation_id();
        let setup = NodeSetup {
            id,
            config: Arc::new(self.dealt.config.clone()),
            keys: self.dealt.guardians[usize::from(id)].clone(),
            settings: settings(role),
            machine: Arc::new(TestMachine),
        };
        let shared = setup.share_db(Db::prepare(database.map_err(DbError::from)?, &federation, id)?)?;
        let rng = StdRng::seed_from_u64(self.rng.r#gen());
        let core = Core::open(shared.clone(), self.net.end(body), rng, self.time(body))?;
        Ok(Node { core, shared })
    }

    /// Takes a body down as it is; what it has not synced is lost, and a part of what it has just sent.
    fn crash(&mut self, body: BodyId) {
        self.bodies[body].run += 1;
        self.bodies[body].step_at = None;
        if self.bodies[body].node.is_some() {
            self.lose_memory(body);
        }
    }

    fn lose_memory(&mut self, body: BodyId) {
        self.bodies[body].disk = self.bodies[body].disk.after_crash(&mut self.rng);
        self.bodies[body].node = None;
        self.net.crash(body);
    }

    /// A node ended by itself.
    fn fails(&mut self, body: BodyId, error: &str) {
        let off = error.contains("the machine is off");
        let Body { id, role, .. } = self.bodies[body];
        assert!(off || role != Role::Honest, "guardian {id} stops: {error}: {}", self.describe());
        self.ship(body);
        self.bodies[body].run += 1;
        self.bodies[body].step_at = None;
        self.lose_memory(body);
        self.bodies[body].dead |= !off;
    }

    fn submit(&mut self, body: BodyId, nonce: u32, tweak: u8) {
        if self.bodies[body].node.is_none() {
            return;
        }
        let transaction = spend(nonce, tweak);
        let txid = transaction.id();
        let (done, mut answer) = oneshot::channel();
        self.step(body, vec![Request::Submit(Submission { txid, transaction, done })]);
        // What a guardian has promised to an honest wallet must come true, whatever happens to it.
        if matches!(answer.try_recv(), Ok(Ok(()))) && self.bodies[body].is_honest() {
            self.checks.promise(nonce);
        }
    }

    fn step(&mut self, body: BodyId, requests: Vec<Request>) {
        self.bodies[body].step_at = None;
        let time = self.time(body);
        let Some(node) = &mut self.bodies[body].node else { return };
        let result = node.core.step(requests, time);
        let wakeup = node.core.next_wakeup();
        match result {
            Ok(more) => {
                self.ship(body);
                self.observe(body);
                let next = if more { Some(self.now) } else { wakeup.map(|at| at.max(self.now + 1)) };
                if let Some(next) = next {
                    self.step_soon(body, next);
                }
            }
            Err(error) => self.fails(body, &error.to_string()),
        }
    }

    fn step_soon(&mut self, body: BodyId, time: u64) {
        if self.bodies[body].step_at.is_none_or(|planned| planned > time) {
            self.bodies[body].step_at = Some(time);
            let run = self.bodies[body].run;
            self.schedule(time, Event::Step { body, run });
        }
    }

    fn observe(&mut self, body: BodyId) {
        let Body { id, role, node: Some(node), .. } = &self.bodies[body] else { return };
        if *role == Role::Honest {
            self.checks.observe(*id, &node.shared, self.dealt);
        }
    }

    /// Puts what bodies have sent in flight.
    fn ship(&mut self, body: BodyId) {
        let (sent, acknowledged) = self.net.take();
        for sent in sent {
            self.put_in_flight(sent);
        }
        for acknowledged in acknowledged {
            let time = self.now + self.rng.gen_range(0..=self.plan.delay);
            self.schedule(time, Event::Acknowledged(acknowledged));
        }
        self.trace.update(&self.now.to_le_bytes()).update(&(body as u64).to_le_bytes());
    }

    fn put_in_flight(&mut self, sent: Sent) {
        let Some(bytes) = self.net.content(sent) else { return };
        let Body { id, role, turned, run, .. } = self.bodies[sent.from];
        let faulty = if turned || matches!(role, Role::Lies | Role::Garbles) { role } else { Role::Honest };
        let keys = &self.dealt.guardians[usize::from(id)];
        let messages = tamper(faulty, keys, self.bodies[sent.to].id, bytes, &mut self.rng);
        for bytes in messages {
            self.trace.update(&bytes);
            let times = if self.one_in(self.plan.repeat_one_in) { 2 } else { 1 };
            for _ in 0..times {
                let time = self.now + self.rng.gen_range(0..=self.plan.delay);
                self.schedule(time, Event::Arrives { sent, bytes: bytes.clone(), run });
            }
        }
    }

    fn one_in(&mut self, n: u32) -> bool {
        n > 0 && self.now < TROUBLE && self.rng.gen_ratio(1, n)
    }

    fn arrives(&mut self, sent: Sent, bytes: Bytes, run: u64) {
        if self.bodies[sent.to].node.is_none() {
            // Whoever keeps it sends it again when the receiver starts.
            return;
        }
        let apart = self
            .partitions
            .values()
            .any(|away| away.contains(&self.bodies[sent.from].id) != away.contains(&self.bodies[sent.to].id));
        if apart || self.one_in(self.plan.lose_one_in) {
            // A sender that died meanwhile does not send it again.
            if self.bodies[sent.from].run == run {
                self.schedule(self.now + RETRANSMIT, Event::Arrives { sent, bytes, run });
            }
            return;
        }
        self.net.deliver(sent, bytes);
        // Writing to a disk takes a moment, in which more arrives.
        let busy = self.rng.gen_range(0..=self.plan.delay / 5);
        self.step_soon(sent.to, self.now + busy);
    }

    /// How many messages wait on the longest link.
    pub fn longest_queue(&self) -> usize {
        self.net.longest_queue()
    }
}

impl Body {
    pub fn is_honest(&self) -> bool {
        self.role == Role::Honest
    }

    /// Sessions, signed sessions and epoch, if it runs.
    fn progress(&self) -> Option<(u64, u64)> {
        let node = self.node.as_ref()?;
        let progress = node.shared.progress.borrow();
        Some((progress.session_count, progress.signed_count))
    }
}
