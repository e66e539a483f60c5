//! What a seed decides: who is faulty, how the network behaves, and what happens when.

use std::collections::BTreeSet;

use rand::{Rng, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

use super::byzantine::Role;
use crate::consensus::GuardianId;

/// For how long things happen, in milliseconds of virtual time.
pub const TROUBLE: u64 = 10_000;

/// A run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// By guardian.
    pub roles: Vec<Role>,
    /// The longest delay of a message.
    pub delay: u64,
    /// Of how many messages one is lost at first; 0 for none.
    pub lose_one_in: u32,
    /// Of how many messages one comes twice; 0 for none.
    pub repeat_one_in: u32,
    /// What happens when.
    pub events: Vec<(u64, Trouble)>,
}

/// Something that happens.
#[derive(Clone, Debug)]
pub enum Trouble {
    /// These guardians die, each after so many more syncs of its disk, and start again after so long.
    Crash(Vec<(GuardianId, u32, u64)>),
    /// These guardians do not reach the others for so long.
    Partition(BTreeSet<GuardianId>, u64),
    /// The clock of a guardian jumps to so many milliseconds from the truth.
    Clock(GuardianId, i64),
    /// A wallet submits a transaction that spends a nonce.
    Submit {
        /// To whom.
        to: GuardianId,
        /// What it spends.
        nonce: u32,
        /// Tells apart those that spend the same.
        tweak: u8,
    },
    /// A faulty guardian does what it is there for.
    Turn(GuardianId),
}

impl Plan {
    /// The plan of a seed.
    pub fn new(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let guardians: u16 = *[4, 4, 4, 4, 4, 4, 4, 7, 1].choose(&mut rng).unwrap_or(&4);
        let mut plan = Self {
            roles: vec![Role::Honest; usize::from(guardians)],
            delay: *[5, 30, 150].choose(&mut rng).unwrap_or(&5),
            lose_one_in: *[0, 0, 50, 8].choose(&mut rng).unwrap_or(&0),
            repeat_one_in: *[0, 20].choose(&mut rng).unwrap_or(&0),
            events: Vec::new(),
        };
        plan.choose_faulty(&mut rng);
        plan.choose_troubles(&mut rng);
        plan.choose_transactions(&mut rng);
        plan.events.sort_by_key(|(time, _)| *time);
        plan
    }

    fn choose_faulty(&mut self, rng: &mut ChaCha8Rng) {
        let kinds = [
            Role::FallsSilent,
            Role::Equivocates,
            Role::Garbles,
            Role::Lies,
            Role::Lies,
            Role::Overfills,
            Role::Forgets,
        ];
        for _ in 0..(self.roles.len() - 1) / 3 {
            if rng.gen_ratio(2, 3) {
                let faulty = rng.gen_range(0..self.roles.len());
                self.roles[faulty] = *kinds.choose(rng).unwrap_or(&Role::FallsSilent);
                let at = rng.gen_range(TROUBLE / 8..TROUBLE);
                self.events.push((at, Trouble::Turn(u16::try_from(faulty).unwrap_or(0))));
            }
        }
    }

    fn choose_troubles(&mut self, rng: &mut ChaCha8Rng) {
        let guardians = u16::try_from(self.roles.len()).unwrap_or(u16::MAX);
        let some = |rng: &mut ChaCha8Rng, most: u16| -> Vec<GuardianId> {
            let mut all: Vec<GuardianId> = (0..guardians).collect();
            all.shuffle(rng);
            all.truncate(usize::from(rng.gen_range(1..=most)));
            all
        };
        let crashes = rng.gen_range(0..8);
        for _ in 0..crashes {
            let victims = some(rng, guardians);
            let together = rng.r#gen::<bool>().then(|| rng.gen_range(1..3_000));
            let victims = victims.into_iter().map(|victim| {
                // Most of the time in the middle of what it does, sometimes after a while.
                let down = together.unwrap_or_else(|| rng.gen_range(1..6_000));
                (victim, rng.gen_range(0..12), down)
            });
            let victims = victims.collect();
            self.events.push((rng.gen_range(0..TROUBLE), Trouble::Crash(victims)));
        }
        for _ in 0..rng.gen_range(0..3) {
            let away = some(rng, guardians).into_iter().collect();
            let lasts = rng.gen_range(100..5_000);
            self.events.push((rng.gen_range(0..TROUBLE), Trouble::Partition(away, lasts)));
        }
        for _ in 0..rng.gen_range(0..3) {
            let shift = rng.gen_range(-600_000..600_000);
            self.events.push((rng.gen_range(0..TROUBLE), Trouble::Clock(rng.gen_range(0..guardians), shift)));
        }
    }

    fn choose_transactions(&mut self, rng: &mut ChaCha8Rng) {
        let guardians = u16::try_from(self.roles.len()).unwrap_or(u16::MAX);
        for nonce in 0..rng.gen_range(4..40) {
            let at = rng.gen_range(0..TROUBLE);
            let to = rng.gen_range(0..guardians);
            self.events.push((at, Trouble::Submit { to, nonce, tweak: 0 }));
            // Sometimes the same to another guardian, sometimes another spend of the same.
            match rng.gen_range(0..6) {
                0 => {
                    let to = rng.gen_range(0..guardians);
                    self.events.push((at + rng.gen_range(0..50), Trouble::Submit { to, nonce, tweak: 0 }));
                }
                1 => {
                    let to = rng.gen_range(0..guardians);
                    self.events.push((at + rng.gen_range(0..50), Trouble::Submit { to, nonce, tweak: 1 }));
                }
                _ => {}
            }
        }
    }
}
