//! What guardians must live through.

use super::*;

/// Runs a scenario and asserts that the honest guardians agree and that no restart contradicts itself.
fn check(scenario: Scenario) -> Simulation {
    let mut simulation = Simulation::run(scenario);
    let honest: Vec<_> =
        simulation.guardians.iter().filter(|guardian| guardian.role == Role::Honest).collect();
    for batches in honest.windows(2).map(|pair| (&pair[0].disk.applied, &pair[1].disk.applied)) {
        let both = batches.0.len().min(batches.1.len());
        assert_eq!(batches.0[..both], batches.1[..both], "guardians disagree");
    }
    let least = simulation.guardians.len() - (simulation.guardians.len() - 1) / 3;
    for batch in honest.iter().flat_map(|guardian| &guardian.disk.applied) {
        assert!(batch.contributions.len() >= least);
    }
    for guardian in &mut simulation.guardians {
        if let Some(running) = guardian.running.take() {
            merge(&mut guardian.said, running.said);
        }
    }
    simulation
}

fn honest(n: usize) -> Vec<Role> {
    vec![Role::Honest; n]
}

#[test]
fn one_guardian_agrees_with_itself() {
    let simulation =
        check(Scenario { seed: 1, roles: honest(1), crash_one_in: 0, all_at_once: false, epochs: 20 });
    assert_eq!(simulation.progress(), [20]);
}

#[test]
fn seven_guardians_agree() {
    check(Scenario { seed: 2, roles: honest(7), crash_one_in: 0, all_at_once: false, epochs: 3 });
}

#[test]
fn a_silent_guardian_stops_nobody() {
    let mut roles = honest(4);
    roles[2] = Role::Silent;
    for seed in 0..3 {
        check(Scenario { seed, roles: roles.clone(), crash_one_in: 0, all_at_once: false, epochs: 6 });
    }
}

#[test]
fn a_garbling_guardian_stops_nobody() {
    let mut roles = honest(4);
    roles[0] = Role::Garbling;
    for seed in 0..4 {
        check(Scenario { seed, roles: roles.clone(), crash_one_in: 0, all_at_once: false, epochs: 6 });
    }
}

#[test]
fn a_two_faced_guardian_stops_nobody() {
    let mut roles = honest(4);
    roles[3] = Role::TwoFaced;
    let mut helped = 0;
    // Among these seeds is one that stands still if nobody helps in an epoch that it is done with.
    for seed in 800..1_000 {
        let scenario =
            Scenario { seed, roles: roles.clone(), crash_one_in: 0, all_at_once: false, epochs: 2 };
        helped += check(scenario).helped;
    }
    assert!(helped > 0, "no guardian was needed in an epoch that it was done with");
}

#[test]
fn crashes_of_any_subset_lose_nothing() {
    let mut crashes = 0;
    for seed in 0..8 {
        let all_at_once = seed % 2 == 0;
        let scenario = Scenario { seed, roles: honest(4), crash_one_in: 60, all_at_once, epochs: 8 };
        crashes += check(scenario).crashes;
    }
    assert!(crashes > 50, "the scenario must crash guardians, not {crashes} times");
}

#[test]
fn crashes_beside_a_silent_guardian_lose_nothing() {
    let mut roles = honest(4);
    roles[3] = Role::Silent;
    for seed in 0..4 {
        check(Scenario { seed, roles: roles.clone(), crash_one_in: 80, all_at_once: false, epochs: 6 });
    }
}

#[test]
fn a_guardian_left_behind_catches_up_from_what_was_kept() {
    // A link that is a hundred times slower: its receiver is epochs behind and still gets everything in order.
    let mut simulation = Simulation::run(Scenario {
        seed: 9,
        roles: honest(4),
        crash_one_in: 0,
        all_at_once: false,
        epochs: 1,
    });
    simulation.scenario.epochs = 12;
    let behind = 3;
    let running = simulation.guardian(behind).running.take();
    drop(running);
    for id in 0..3 {
        simulation.propose(id);
    }
    simulation.drain();
    assert_eq!(simulation.progress()[..3], [12, 12, 12]);
    assert!(simulation.progress()[3] <= 2);
    simulation.start(behind);
    simulation.drain();
    assert_eq!(simulation.progress(), [12; 4]);
}
