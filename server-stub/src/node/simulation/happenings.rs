//! What happens to guardians, wallets and operators.

use rand::Rng;
use redb::WriteTransaction;
use tokio::sync::oneshot;

use super::{
    byzantine::Role,
    disk::Disk,
    net::BodyId,
    plan::{FREEZABLE, Trouble, Victim},
    world::{Event, World},
};
use crate::{
    consensus::GuardianId,
    node::{
        NodeError, RULES_VERSION,
        handle::{Request, Submission},
        testing::{TestMachine, spend},
    },
};

/// What operators install when their federation upgrades.
pub const NEW_RULES: u32 = RULES_VERSION + 1;
/// How long an operator waits with what can't be done at the moment.
const LATER: u64 = 150;

impl World {
    pub fn happens(&mut self, trouble: Trouble) {
        match trouble {
            Trouble::Crash(victims) => {
                for victim in victims {
                    self.kill(victim);
                }
            }
            Trouble::Partition(away, lasts) => {
                let key = self.partitions.keys().next_back().map_or(0, |last| last + 1);
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
            Trouble::Freeze(id, tweak) => self.of(id).into_iter().for_each(|body| self.freeze(body, tweak)),
            Trouble::Signal(id) => self.of(id).into_iter().for_each(|body| self.signal(body)),
            Trouble::Install(id) => {
                for body in self.of(id) {
                    self.bodies[body].rules = NEW_RULES;
                }
            }
            Trouble::Turn(id) => self.of(id).into_iter().for_each(|body| self.turn(body)),
        }
    }

    fn of(&self, id: GuardianId) -> Vec<BodyId> {
        (0..self.bodies.len()).filter(|body| self.bodies[*body].id == id).collect()
    }

    fn kill(&mut self, victim: Victim) {
        for body in self.of(victim.id) {
            self.bodies[body].disk.die_in(victim.syncs);
            self.bodies[body].heard = victim.heard;
            let latest = self.now + victim.idle;
            self.step_soon(body, latest);
            self.schedule(latest + victim.down, Event::Starts(body));
        }
    }

    fn turn(&mut self, body: BodyId) {
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

    fn submit(&mut self, body: BodyId, nonce: u32, tweak: u8) {
        if self.bodies[body].node.is_none() {
            return;
        }
        let transaction = spend(nonce, tweak);
        let txid = transaction.id();
        let (done, mut answer) = oneshot::channel();
        self.step(body, vec![Request::Submit(Submission { txid, transaction, done })]);
        // What a guardian has promised to an honest wallet must come true, whatever happens to it.
        let is_taken = matches!(answer.try_recv(), Ok(Ok(())));
        if is_taken && self.bodies[body].is_honest() && tweak < FREEZABLE {
            self.checks.promise(nonce);
        }
    }

    fn freeze(&mut self, body: BodyId, tweak: Option<u8>) {
        if self.bodies[body].node.is_none() {
            return;
        }
        let change = Box::new(move |txn: &WriteTransaction| TestMachine::freeze(txn, tweak));
        self.step(body, vec![Request::Change { change, done: oneshot::channel().0 }]);
    }

    /// An operator tells the federation to go on with new rules, until its guardian has taken that up.
    pub fn signal(&mut self, body: BodyId) {
        if self.bodies[body].dead || self.checks.is_upgraded() {
            return;
        }
        let (done, mut answer) = oneshot::channel();
        self.step(body, vec![Request::Signal { version: NEW_RULES, done }]);
        if answer.try_recv().is_err() {
            self.schedule(self.now + LATER, Event::Signals(body));
        }
    }

    /// A guardian has stopped for newer rules: its operator starts it again, sooner or later with the software that
    /// has them.
    pub fn install(&mut self, body: BodyId, error: &NodeError) {
        if self.bodies[body].is_honest() {
            self.checks.upgrade(self.bodies[body].id, error);
        }
        if self.rng.gen_ratio(3, 4) {
            self.bodies[body].rules = NEW_RULES;
        }
        let time = self.now + self.rng.gen_range(1..3_000);
        self.schedule(time, Event::Starts(body));
    }
}
