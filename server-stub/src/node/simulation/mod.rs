//! Federations in virtual time: the very code that the binary runs, over disks that forget what was not synced and
//! links that are late, out of order and broken, beside faulty guardians. One seed decides everything, so a run
//! that fails is repeated exactly.
//!
//! - `REKINDLE_SIMULATION_SECONDS`: for how long the sweep takes new seeds; hours make a soak.
//! - `REKINDLE_SIMULATION_FIRST`: the first seed of the sweep, by default another one each day.
//! - `REKINDLE_SIMULATION_SEED`: runs this seed alone, twice.

mod byzantine;
mod checks;
mod disk;
mod net;
mod plan;
mod world;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use world::World;

/// How long a sweep takes unless it is told otherwise.
const SWEEP: Duration = Duration::from_secs(20);
/// Workers of a sweep: the sizes of machines that tests run on.
const WORKERS: u64 = 2;
const DAY: u64 = 24 * 60 * 60;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

fn run(seed: u64) -> (blake3::Hash, usize) {
    struct Announce(u64);
    impl Drop for Announce {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("repeat this run with REKINDLE_SIMULATION_SEED={}", self.0);
            }
        }
    }
    let _announce = Announce(seed);
    let mut world = World::new(seed);
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
    let today = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs() / DAY);
    let first = number("REKINDLE_SIMULATION_FIRST").unwrap_or(today * 1_000_000);
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
