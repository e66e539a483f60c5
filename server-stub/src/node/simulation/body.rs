//! Bodies: what runs as a guardian, dies and starts again.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use rand::{Rng, SeedableRng, rngs::StdRng};
use redb::Database;

use super::{
    byzantine::Role,
    disk::Disk,
    net::{BodyId, End},
    plan::Heard,
    world::{Event, World},
};
use crate::{
    consensus::GuardianId,
    db::{Db, DbError},
    dealer::Dealt,
    node::{
        NodeError, NodeSetup, RULES_VERSION, Settings,
        core::{Core, Time},
        handle::{Request, Shared},
        testing::{TestMachine, deal},
    },
};

const EPOCH_1970: u64 = 1_000_000_000;

/// Something that runs as a guardian.
pub struct Body {
    pub id: GuardianId,
    pub role: Role,
    pub disk: Disk,
    pub node: Option<Node>,
    /// Counts starts, so that what was planned for an earlier run is void.
    pub run: u64,
    /// Its clock is so many milliseconds ahead of the truth.
    pub clock: i64,
    /// So many of its milliseconds pass in a second.
    pub pace: u64,
    /// The rules of the software that is installed.
    pub rules: u32,
    /// A faulty guardian has shown its face.
    pub turned: bool,
    /// It stopped for good.
    pub dead: bool,
    /// It has had a whole database.
    pub created: bool,
    /// When it is stepped next.
    pub step_at: Option<u64>,
    /// What leaves of what it says in its last moment.
    pub heard: Heard,
}

/// A run of a body.
pub struct Node {
    core: Core<End>,
    pub shared: Arc<Shared>,
}

/// The keys of federations of each size, dealt once.
pub fn dealt(guardians: usize) -> &'static Dealt {
    static DEALT: [OnceLock<Dealt>; 8] = [const { OnceLock::new() }; 8];
    DEALT[guardians].get_or_init(|| deal(u16::try_from(guardians).unwrap()))
}

fn settings(role: Role, rules_version: u32) -> Settings {
    let settings = Settings {
        session_items: 6,
        session_epochs: 12,
        contribution_bytes: 1_000,
        session_time: Duration::from_millis(300),
        signature_retry: Duration::from_millis(300),
        catch_up_patience: Duration::from_millis(200),
        upgrade_linger: Duration::from_millis(500),
        rules_version,
        ..Settings::default()
    };
    match role {
        Role::Overfills => Settings { contribution_bytes: 100_000, ..settings },
        _ => settings,
    }
}

impl Body {
    pub fn new(id: GuardianId, role: Role, pace: u64) -> Self {
        Self {
            id,
            role,
            disk: Disk::default(),
            node: None,
            run: 0,
            clock: 0,
            pace,
            rules: RULES_VERSION,
            turned: false,
            dead: false,
            created: false,
            step_at: None,
            heard: Heard::All,
        }
    }

    pub fn is_honest(&self) -> bool {
        self.role == Role::Honest
    }

    /// Sessions and signed sessions, if it runs.
    pub fn progress(&self) -> Option<(u64, u64)> {
        let node = self.node.as_ref()?;
        let progress = node.shared.progress.borrow();
        Some((progress.session_count, progress.signed_count))
    }

    fn time(&self, now: u64) -> Time {
        let monotonic = now * self.pace / 1_000;
        Time { wall: (EPOCH_1970 + now).saturating_add_signed(self.clock), monotonic }
    }

    /// The first moment of the world at which its clock shows `monotonic`.
    fn moment(&self, monotonic: u64) -> u64 {
        (monotonic * 1_000).div_ceil(self.pace)
    }
}

impl World {
    pub fn start(&mut self, body: BodyId) {
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
                return self.fails(body, &error);
            }
        }
        for sent in self.net.kept_for(body) {
            self.put_in_flight(sent);
        }
        self.ship(body, Heard::All);
        self.step_soon(body, self.now);
        self.observe(body);
    }

    fn open(&mut self, body: BodyId) -> Result<Node, NodeError> {
        let Body { id, role, rules, .. } = self.bodies[body];
        let disk = self.bodies[body].disk.clone();
        let database = Database::builder().set_cache_size(1 << 20).create_with_backend(disk);
        let federation = self.dealt.config.federation_id();
        let setup = NodeSetup {
            id,
            config: Arc::new(self.dealt.config.clone()),
            keys: self.dealt.guardians[usize::from(id)].clone(),
            settings: settings(role, rules),
            machine: Arc::new(TestMachine),
        };
        let shared = setup.share_db(Db::prepare(database.map_err(DbError::from)?, &federation, id)?)?;
        let rng = StdRng::seed_from_u64(self.rng.r#gen());
        let time = self.bodies[body].time(self.now);
        let core = Core::open(shared.clone(), self.net.end(body), rng, time)?;
        Ok(Node { core, shared })
    }

    /// Takes a body down as it is; what it has not synced is lost, and a part of what it has just sent.
    pub fn crash(&mut self, body: BodyId) {
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
    fn fails(&mut self, body: BodyId, error: &NodeError) {
        let Body { id, role, heard, .. } = self.bodies[body];
        match error {
            NodeError::UpgradeRequired { .. } => {
                self.ship(body, Heard::All);
                self.install(body, error);
            }
            error if error.to_string().contains("the machine is off") => self.ship(body, heard),
            error => {
                assert_ne!(role, Role::Honest, "guardian {id} stops: {error}: {}", self.describe());
                self.ship(body, Heard::All);
                self.bodies[body].dead = true;
            }
        }
        self.bodies[body].run += 1;
        self.bodies[body].step_at = None;
        self.lose_memory(body);
    }

    /// Lets a body do what there is to do.
    pub fn step(&mut self, body: BodyId, requests: Vec<Request>) {
        self.bodies[body].step_at = None;
        let time = self.bodies[body].time(self.now);
        let Some(node) = &mut self.bodies[body].node else { return };
        let result = node.core.step(requests, time);
        let wakeup = node.core.next_wakeup().map(|at| self.bodies[body].moment(at));
        match result {
            Ok(more) => {
                self.ship(body, Heard::All);
                self.observe(body);
                let next = if more { Some(self.now) } else { wakeup.map(|at| at.max(self.now + 1)) };
                if let Some(next) = next {
                    self.step_soon(body, next);
                }
            }
            Err(error) => self.fails(body, &error),
        }
    }

    pub fn step_soon(&mut self, body: BodyId, time: u64) {
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
}
