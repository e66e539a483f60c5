//! A federation over virtual links, driven by one seed: delays, reordering between links, crashes, lies.

mod scenarios;

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
};

use bytes::Bytes;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::network::{Outbox, OutboxLimits};

/// What a simulated guardian does.
#[derive(Clone, Copy, PartialEq)]
enum Role {
    Honest,
    Silent,
    /// Changes bytes in a part of its messages.
    Garbling,
    /// Speaks by the rules to one guardian in each epoch, and keeps from the others, or says otherwise, a part.
    TwoFaced,
}

struct Scenario {
    seed: u64,
    roles: Vec<Role>,
    /// Of how many deliveries one ends in a crash of the receiver; 0 for none.
    crash_one_in: u32,
    /// Crashes take all guardians at once.
    all_at_once: bool,
    epochs: u64,
}

/// What outlives a crash.
struct Disk {
    log: MemoryLog,
    /// The first epoch that was not released.
    floor: u64,
    /// The batches applied so far.
    applied: Vec<Batch>,
}

struct Guardian {
    role: Role,
    disk: Disk,
    /// `None` while it is down.
    running: Option<Running>,
    /// Counts starts, so that what is in flight to or from an earlier run is lost.
    run: u64,
    /// All consensus messages sent, by epoch and receiver, over all runs: to catch equivocation.
    said: BTreeMap<(u64, GuardianId), Vec<Bytes>>,
}

struct Running {
    engine: Durable<Badger, MemoryLog>,
    outboxes: Vec<Outbox>,
    /// What this run has sent, to be a continuation of what earlier runs sent.
    said: BTreeMap<(u64, GuardianId), Vec<Bytes>>,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Arrives { from: GuardianId, to: GuardianId, runs: (u64, u64), number: u64 },
    Acknowledged { from: GuardianId, to: GuardianId, runs: (u64, u64), last: u64 },
    Starts { id: GuardianId },
}

struct Simulation {
    scenario: Scenario,
    keys: Vec<ConsensusKeys>,
    guardians: Vec<Guardian>,
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    /// The next number that each receiver expects, by (from, to).
    expected: BTreeMap<(GuardianId, GuardianId), u64>,
    /// When the last message on each link arrives: a link keeps the order.
    link_time: BTreeMap<(GuardianId, GuardianId), u64>,
    now: u64,
    scheduled: u64,
    crashes: u32,
    /// How often a guardian helped others in an epoch that it was done with.
    helped: u32,
    rng: ChaCha8Rng,
}

impl Simulation {
    fn run(scenario: Scenario) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(scenario.seed);
        let n = u16::try_from(scenario.roles.len()).unwrap();
        let keys = ConsensusKeys::deal(n, &mut rng);
        let guardians = scenario
            .roles
            .iter()
            .map(|role| Guardian {
                role: *role,
                disk: Disk { log: MemoryLog::default(), floor: 0, applied: Vec::new() },
                running: None,
                run: 0,
                said: BTreeMap::new(),
            })
            .collect();
        let mut simulation = Self {
            scenario,
            keys,
            guardians,
            events: BinaryHeap::new(),
            expected: BTreeMap::new(),
            link_time: BTreeMap::new(),
            now: 0,
            scheduled: 0,
            crashes: 0,
            helped: 0,
            rng,
        };
        for id in 0..n {
            simulation.start(id);
        }
        let mut handled = 0;
        while !simulation.done() {
            handled += 1;
            assert!(handled < 2_000_000, "runs for ever: {:?}", simulation.progress());
            let Some(Reverse((time, _, event))) = simulation.events.pop() else {
                assert!(simulation.take_certified(), "stuck: {:?}", simulation.progress());
                continue;
            };
            simulation.now = time;
            simulation.handle(event);
        }
        simulation
    }

    /// Runs until nothing is in flight.
    fn drain(&mut self) {
        for _ in 0..200_000 {
            let Some(Reverse((time, _, event))) = self.events.pop() else { return };
            self.now = time;
            self.handle(event);
        }
        panic!("runs for ever: {:?}", self.progress());
    }

    fn progress(&self) -> Vec<usize> {
        self.guardians.iter().map(|guardian| guardian.disk.applied.len()).collect()
    }

    fn n(&self) -> u16 {
        u16::try_from(self.guardians.len()).unwrap()
    }

    fn guardian(&mut self, id: GuardianId) -> &mut Guardian {
        &mut self.guardians[usize::from(id)]
    }

    /// Every honest guardian has the batches asked for.
    fn done(&self) -> bool {
        let epochs = usize::try_from(self.scenario.epochs).unwrap();
        self.guardians
            .iter()
            .filter(|guardian| guardian.role == Role::Honest)
            .all(|guardian| guardian.disk.applied.len() >= epochs)
    }

    fn schedule(&mut self, time: u64, event: Event) {
        self.scheduled += 1;
        self.events.push(Reverse((time, self.scheduled, event)));
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Starts { id } => self.start(id),
            Event::Arrives { from, to, runs, number } => {
                if runs == self.runs(from, to) {
                    self.arrives(from, to, number);
                }
            }
            Event::Acknowledged { from, to, runs, last } => {
                if runs == self.runs(from, to)
                    && let Some(running) = &mut self.guardian(from).running
                {
                    running.outboxes[usize::from(to)].acknowledge(last);
                    self.release(from);
                }
            }
        }
    }

    fn runs(&self, from: GuardianId, to: GuardianId) -> (u64, u64) {
        (self.guardians[usize::from(from)].run, self.guardians[usize::from(to)].run)
    }

    fn start(&mut self, id: GuardianId) {
        let n = self.n();
        let keys = self.keys[usize::from(id)].clone();
        let guardian = self.guardian(id);
        guardian.run += 1;
        let engine = Badger::new(id, n, &keys, 1, guardian.disk.floor).unwrap();
        let (engine, effects) = Durable::open(engine, n, guardian.disk.log.clone()).unwrap();
        guardian.running = Some(Running {
            engine,
            outboxes: (0..n).map(|_| Outbox::new(OutboxLimits::default())).collect(),
            said: BTreeMap::new(),
        });
        // The other ends of its links start over: its own numbers are new, theirs come again.
        for peer in (0..n).filter(|peer| *peer != id) {
            self.expected.insert((id, peer), 0);
            self.expected.remove(&(peer, id));
        }
        self.perform(id, effects);
        self.propose(id);
        for peer in (0..n).filter(|peer| *peer != id) {
            self.retransmit(peer, id);
        }
    }

    /// Puts everything in flight again that a receiver which starts has not acknowledged.
    fn retransmit(&mut self, from: GuardianId, to: GuardianId) {
        let Some(running) = &self.guardians[usize::from(from)].running else { return };
        let outbox = &running.outboxes[usize::from(to)];
        let numbers = outbox.first()..outbox.first() + outbox.len() as u64;
        self.expected.insert((from, to), numbers.start);
        for number in numbers {
            self.send(from, to, number);
        }
    }

    fn send(&mut self, from: GuardianId, to: GuardianId, number: u64) {
        let earliest = self.link_time.get(&(from, to)).copied().unwrap_or(0).max(self.now);
        let longest = if self.scenario.roles.contains(&Role::TwoFaced) && self.rng.gen_ratio(1, 8) {
            1_000
        } else {
            50
        };
        let time = earliest + self.rng.gen_range(1..longest);
        self.link_time.insert((from, to), time);
        let runs = self.runs(from, to);
        self.schedule(time, Event::Arrives { from, to, runs, number });
    }

    fn arrives(&mut self, from: GuardianId, to: GuardianId, number: u64) {
        if [from, to].iter().any(|id| self.guardians[usize::from(*id)].running.is_none()) {
            return;
        }
        let expected = self.expected.get(&(from, to)).copied().unwrap_or(0);
        if number > expected {
            return self.again(from, to, number);
        }
        let Some(running) = &self.guardians[usize::from(from)].running else { return };
        let Some((_, bytes)) = running.outboxes[usize::from(to)].get(number).filter(|(n, _)| *n == number)
        else {
            return;
        };
        let mut bytes = bytes.clone();
        match self.guardians[usize::from(from)].role {
            Role::Garbling if self.rng.gen_ratio(1, 4) => {
                let mut garbled = bytes.to_vec();
                let at = self.rng.gen_range(0..garbled.len());
                garbled[at] ^= 1 << self.rng.gen_range(0..8);
                bytes = garbled.into();
            }
            Role::TwoFaced => match self.other_face(to, &bytes) {
                Some(face) => bytes = face,
                None => {
                    self.expected.insert((from, to), number + 1);
                    return;
                }
            },
            _ => {}
        }
        let crash = self.scenario.crash_one_in > 0
            && self.crashes < 30
            && self.rng.gen_ratio(1, self.scenario.crash_one_in);
        let Some(running) = &mut self.guardian(to).running else { return };
        if running.engine.consensus().admit(from, &bytes) == Admission::Later {
            // Too early: it comes again later, and so does everything after it.
            return self.again(from, to, number);
        }
        let effects = running.engine.deliver(&[(from, vec![bytes])]).unwrap();
        self.expected.insert((from, to), number + 1);
        if crash {
            // The worst moment: the message is in the log, nothing that it caused has left.
            return self.crash(to);
        }
        self.perform(to, effects);
        let runs = self.runs(from, to);
        let time = self.now + self.rng.gen_range(1..50);
        self.schedule(time, Event::Acknowledged { from, to, runs, last: number });
        self.propose(to);
    }

    fn other_face(&mut self, to: GuardianId, message: &Bytes) -> Option<Bytes> {
        let favoured = u64::from(message[0]) + self.scenario.seed;
        if favoured % u64::from(self.n()) == u64::from(to) {
            return Some(message.clone());
        }
        other_face(message, &mut self.rng)
    }

    fn again(&mut self, from: GuardianId, to: GuardianId, number: u64) {
        let runs = self.runs(from, to);
        self.schedule(self.now + 20, Event::Arrives { from, to, runs, number });
    }

    fn crash(&mut self, id: GuardianId) {
        self.crashes += 1;
        let together = self.scenario.all_at_once;
        let victims: Vec<_> = (0..self.n())
            .filter(|victim| *victim == id || together || self.rng.gen_ratio(1, 3))
            .filter(|victim| self.guardians[usize::from(*victim)].running.is_some())
            .collect();
        for victim in victims {
            let guardian = self.guardian(victim);
            let running = guardian.running.take().unwrap();
            merge(&mut guardian.said, running.said);
            let time = self.now + self.rng.gen_range(1..400);
            self.schedule(time, Event::Starts { id: victim });
        }
    }

    fn perform(&mut self, id: GuardianId, effects: Effects) {
        let honest = self.scenario.roles.iter().all(|role| *role != Role::Garbling);
        assert!(
            !honest || !effects.faults.iter().any(|fault| fault.kind.is_proof()),
            "an honest guardian was convicted: {:?}",
            effects.faults
        );
        let over = self.guardians[usize::from(id)].disk.applied.len() as u64;
        self.helped += effects.messages.iter().filter(|message| message.epoch < over).count() as u32;
        for batch in effects.batches {
            let disk = &mut self.guardian(id).disk;
            let next = disk.applied.len() as u64;
            if batch.epoch < next {
                assert_eq!(disk.applied[usize::try_from(batch.epoch).unwrap()], batch, "a replay differs");
            } else {
                assert_eq!(batch.epoch, next, "a gap");
                disk.applied.push(batch);
            }
        }
        let silent = self.guardian(id).role == Role::Silent;
        for message in effects.messages {
            for to in message.to {
                let running = self.guardian(id).running.as_mut().unwrap();
                running.said.entry((message.epoch, to)).or_default().push(message.bytes.clone());
                if !silent {
                    let outbox = &mut running.outboxes[usize::from(to)];
                    let number = outbox.push(Some(message.epoch), message.bytes.clone());
                    self.send(id, to, number);
                }
            }
        }
        self.release(id);
    }

    /// The first epoch whose batch fewer than f+1 correct guardians have: those before are certified.
    fn certified(&self) -> usize {
        let faulty = [Role::Garbling, Role::TwoFaced];
        let correct = self.guardians.iter().filter(|guardian| !faulty.contains(&guardian.role));
        let mut applied: Vec<_> = correct.map(|guardian| guardian.disk.applied.len()).collect();
        applied.sort_unstable();
        applied[applied.len() - 1 - max_faulty(self.n())]
    }

    /// Guardians that wait for nothing but batches which others have certified take those. True if there was one.
    fn take_certified(&mut self) -> bool {
        let certified = self.certified();
        let furthest =
            self.guardians.iter().map(|guardian| &guardian.disk.applied).max_by_key(|applied| applied.len());
        let batches = furthest.map_or(vec![], |applied| applied[..certified].to_vec());
        let behind: Vec<_> = (0..self.n())
            .filter(|id| self.guardians[usize::from(*id)].disk.applied.len() < certified)
            .filter(|id| self.guardians[usize::from(*id)].running.is_some())
            .collect();
        for id in &behind {
            let Guardian { disk, running, .. } = self.guardian(*id);
            disk.applied.clone_from(&batches);
            if let Some(running) = running {
                let effects = running.engine.skip_to(certified as u64);
                self.perform(*id, effects);
                self.propose(*id);
            }
        }
        !behind.is_empty()
    }

    /// Releases what nobody can need any more.
    fn release(&mut self, id: GuardianId) {
        let certified = self.certified();
        let guardian = self.guardian(id);
        let Some(running) = &mut guardian.running else { return };
        let unacknowledged = running.outboxes.iter().filter_map(Outbox::oldest_epoch).min();
        let done = certified.min(guardian.disk.applied.len()) as u64;
        guardian.disk.floor = guardian.disk.floor.max(unacknowledged.unwrap_or(done).min(done));
        guardian.disk.log.release(guardian.disk.floor);
        running.engine.release(guardian.disk.floor);
    }

    fn propose(&mut self, id: GuardianId) {
        let epochs = self.scenario.epochs;
        loop {
            let Some(running) = &mut self.guardian(id).running else { return };
            let epoch = running.engine.consensus().epoch();
            if running.engine.consensus().has_proposed() || epoch >= epochs {
                return;
            }
            // Fresh randomness: a restarted guardian would propose something else, were it not for the log.
            let mut contribution = format!("{id} in {epoch}: ").into_bytes();
            let seed: [u8; 32] = self.rng.r#gen();
            contribution.extend(seed);
            let running = self.guardian(id).running.as_mut().unwrap();
            let effects = running.engine.propose(contribution, seed).unwrap();
            self.perform(id, effects);
        }
    }
}

/// What a two-faced guardian says instead of an engine message: of an agreement sometimes nothing, or the opposite.
pub(crate) fn other_face(message: &Bytes, rng: &mut ChaCha8Rng) -> Option<Bytes> {
    let of_agreement = message.get(14..).is_some_and(|rest| rest.starts_with(&[1, 0, 0, 0]));
    match rng.gen_range(0..4) {
        0 if of_agreement => None,
        // The last byte is the value, but of a share of the coin.
        1 if of_agreement && message.get(26) != Some(&3) => {
            let mut other = message.to_vec();
            other.last_mut().into_iter().for_each(|value| *value ^= 1);
            Some(other.into())
        }
        _ => Some(message.clone()),
    }
}

/// Asserts that what a run said continues what the runs before it said.
fn merge(
    before: &mut BTreeMap<(u64, GuardianId), Vec<Bytes>>,
    after: BTreeMap<(u64, GuardianId), Vec<Bytes>>,
) {
    for (key, after) in after {
        let before = before.entry(key).or_default();
        let (shorter, longer) =
            if before.len() <= after.len() { (&*before, &after) } else { (&after, &*before) };
        assert!(longer.starts_with(shorter), "a restart says something else in {key:?}");
        if after.len() > before.len() {
            *before = after;
        }
    }
}
