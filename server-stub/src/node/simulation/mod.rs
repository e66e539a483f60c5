//! Federations in virtual time: the very code that the binary runs, over disks that forget what was not synced and
//! links that are late, out of order and broken, beside faulty guardians, with uneven clocks and through upgrades.
//! One seed decides everything, so a run that fails is repeated exactly.
//!
//! - `REKINDLE_SIMULATION_SECONDS`: for how long the sweep takes new seeds; hours make a soak.
//! - `REKINDLE_SIMULATION_FIRST`: the first seed of the sweep, which also picks the syncs that guardians die at in
//!   the tests of that; by default another one each day.
//! - `REKINDLE_SIMULATION_SEED`: runs this seed alone, twice.

mod body;
mod byzantine;
mod checks;
mod disk;
mod happenings;
mod net;
mod plan;
mod said;
mod transit;
mod world;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rand::{Rng, SeedableRng, seq::index};
use rand_chacha::ChaCha8Rng;

use self::{
    plan::{Heard, Plan, Trouble, Victim},
    world::World,
};
use crate::consensus::GuardianId;

/// How long a sweep takes unless it is told otherwise.
const SWEEP: Duration = Duration::from_secs(20);
/// Workers of a sweep: the sizes of machines that tests run on.
const WORKERS: u64 = 2;
const DAY: u64 = 24 * 60 * 60;
/// At how many of the syncs of a run guardians die, one a run: all of them take minutes.
const DEATHS: usize = 16;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

fn first_seed() -> u64 {
    let today = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs() / DAY);
    number("REKINDLE_SIMULATION_FIRST").unwrap_or(today * 1_000_000)
}

/// Says how to repeat what panics.
struct Announce(&'static str, u64);

impl Drop for Announce {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("repeat this run with {}={}", self.0, self.1);
        }
    }
}

fn run(seed: u64) -> (blake3::Hash, usize) {
    let _announce = Announce("REKINDLE_SIMULATION_SEED", seed);
    let mut world = World::new(Plan::new(seed), seed);
    let trace = world.run();
    // Whoever is away, what is kept for it has a bound.
    assert!(world.longest_queue() < 5_000, "{} messages wait for somebody", world.longest_queue());
    (trace, world.checks.sessions())
}

#[test]
fn nothing_is_lost_and_nobody_disagrees() {
    if let Some(seed) = number("REKINDLE_SIMULATION_SEED") {
        assert_eq!(run(seed).0, run(seed).0, "a run can't be repeated");
        return;
    }
    let seconds = number("REKINDLE_SIMULATION_SECONDS").map_or(SWEEP, Duration::from_secs);
    let first = first_seed();
    let start = Instant::now();
    let sweep = |worker: u64| {
        let (mut runs, mut sessions) = (0u64, 0);
        while start.elapsed() < seconds {
            sessions += run(first + runs * WORKERS + worker).1;
            runs += 1;
        }
        (runs, sessions)
    };
    let (runs, sessions) = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS).map(|worker| scope.spawn(move || sweep(worker))).collect();
        workers
            .into_iter()
            .map(|worker| worker.join().expect("a run has failed, see above"))
            .fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    });
    println!("{runs} runs from seed {first} on, {sessions} sessions, {:?}", start.elapsed());
    assert!(runs > 0 && sessions > 0);
}

#[test]
fn a_seed_decides_everything() {
    for seed in [1, 2, 3] {
        assert_eq!(run(seed), run(seed));
    }
}

/// How often a guardian's disk is synced, since its last start, in a run of a plan.
fn syncs(plan: &Plan, guardian: usize) -> u32 {
    let mut world = World::new(plan.clone(), 0);
    world.run();
    world.bodies[guardian].disk.syncs()
}

/// Runs a plan again and again, in which these guardians die at a sync after a moment: each time at another of the
/// first `last` syncs.
fn die_at_syncs(plan: &Plan, at: u64, victims: &[GuardianId], last: u32) {
    let seed = first_seed();
    let _announce = Announce("REKINDLE_SIMULATION_FIRST", seed);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    for sync in index::sample(&mut rng, last as usize, DEATHS) {
        // Between writing and sending, or after it.
        let heard = if rng.r#gen() { Heard::Nothing } else { Heard::All };
        let syncs = u32::try_from(sync).unwrap();
        let dies = |id: &GuardianId| Victim { id: *id, syncs, idle: 5_000, heard, down: 300 };
        let mut plan = plan.clone();
        plan.events.push((at, Trouble::Crash(victims.iter().map(dies).collect())));
        World::new(plan, sync as u64).run();
    }
}

#[test]
fn one_two_three_or_all_of_four_may_die_at_any_sync() {
    let plan = Plan::quiet();
    let last = syncs(&plan, 0);
    assert!(last > 50, "{last} syncs hold no session");
    for victims in [&[0][..], &[0, 1], &[0, 1, 2], &[0, 1, 2, 3]] {
        die_at_syncs(&plan, 110, victims, last);
    }
}

#[test]
fn a_guardian_that_comes_back_may_die_at_any_sync_of_it() {
    let mut plan = Plan::quiet();
    // It misses all transactions, and comes back to history and batches.
    let absent = Victim { id: 3, syncs: 0, idle: 0, heard: Heard::Nothing, down: 1_500 };
    plan.events.push((110, Trouble::Crash(vec![absent])));
    let last = syncs(&plan, 3);
    assert!(last > 20, "{last} syncs hold no return");
    die_at_syncs(&plan, 1_000, &[3], last);
}
