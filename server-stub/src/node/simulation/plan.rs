//! What a seed decides: who is faulty, how the network behaves, and what happens when.

use std::collections::BTreeSet;

use rand::{
    Rng, SeedableRng,
    seq::{IteratorRandom, SliceRandom},
};
use rand_chacha::ChaCha8Rng;

use super::byzantine::Role;
use crate::consensus::GuardianId;

/// For how long things happen, in milliseconds of virtual time.
pub const TROUBLE: u64 = 5_000;

/// The first of the tweaks that machines may want frozen: what has one may be rejected.
pub const FREEZABLE: u8 = 2;

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
    /// By guardian: how many milliseconds its timers count in a second.
    pub paces: Vec<u64>,
    /// What happens when.
    pub events: Vec<(u64, Trouble)>,
}

/// Something that happens.
#[derive(Clone, Debug)]
pub enum Trouble {
    /// These guardians die and start again.
    Crash(Vec<Victim>),
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
    /// A guardian's machine proposes to freeze transactions with this tweak, instead of those before.
    Freeze(GuardianId, Option<u8>),
    /// An operator is ready for newer rules.
    Signal(GuardianId),
    /// An operator installs the software that has newer rules; it runs from the next start on.
    Install(GuardianId),
    /// A faulty guardian does what it is there for.
    Turn(GuardianId),
}

/// A guardian that dies.
#[derive(Clone, Copy, Debug)]
pub struct Victim {
    /// Which.
    pub id: GuardianId,
    /// It dies when it writes after so many more syncs of its disk.
    pub syncs: u32,
    /// It is given so many milliseconds for that; if it still lives when it is to start again, it dies then.
    pub idle: u64,
    /// What leaves of what it says between its last sync and its death.
    pub heard: Heard,
    /// It starts again so many milliseconds after those.
    pub down: u64,
}

/// How much of something is heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Nothing: it dies between writing and sending.
    Nothing,
    /// The first part.
    Part,
    /// Everything.
    All,
}

impl Plan {
    /// The plan of a seed.
    pub fn new(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        // Seven cost ten times as much as four and rarely show what four do not.
        let guardians: u16 = match rng.gen_range(0..20) {
            0 => 1,
            1 => 7,
            _ => 4,
        };
        let steady = rng.gen_ratio(1, 2);
        let pace = |rng: &mut ChaCha8Rng| if steady { 1_000 } else { rng.gen_range(500..2_000) };
        let mut plan = Self {
            roles: vec![Role::Honest; usize::from(guardians)],
            paces: (0..guardians).map(|_| pace(&mut rng)).collect(),
            delay: *[5, 30, 150].choose(&mut rng).unwrap_or(&5),
            lose_one_in: *[0, 0, 50, 8].choose(&mut rng).unwrap_or(&0),
            repeat_one_in: *[0, 20].choose(&mut rng).unwrap_or(&0),
            events: Vec::new(),
        };
        plan.choose_faulty(&mut rng);
        plan.choose_troubles(&mut rng);
        plan.choose_transactions(&mut rng);
        plan.choose_upgrade(&mut rng);
        plan.choose_proposals(&mut rng);
        plan.choose_worst_moment(&mut rng);
        plan.events.sort_by_key(|(time, _)| *time);
        plan
    }

    /// A quiet run of four guardians with a few transactions, for what a test adds.
    pub fn quiet() -> Self {
        let submit = |nonce: u32| {
            let to = u16::try_from(nonce % 4).unwrap_or(0);
            (u64::from(nonce) * 200 + 200, Trouble::Submit { to, nonce, tweak: 0 })
        };
        Self {
            roles: vec![Role::Honest; 4],
            paces: vec![1_000; 4],
            delay: 5,
            lose_one_in: 0,
            repeat_one_in: 0,
            events: (0..6).map(submit).collect(),
        }
    }

    /// n - f.
    pub fn least(&self) -> usize {
        self.roles.len() - (self.roles.len() - 1) / 3
    }

    /// Whose operators want newer rules.
    pub fn signallers(&self) -> impl Iterator<Item = GuardianId> + '_ {
        self.events.iter().filter_map(|(_, trouble)| match trouble {
            Trouble::Signal(id) => Some(*id),
            _ => None,
        })
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
        let crashes = rng.gen_range(0..6);
        for _ in 0..crashes {
            let victims = some(rng, guardians);
            let together = rng.r#gen::<bool>().then(|| rng.gen_range(1..2_000));
            let victims = victims.into_iter().map(|id| Victim {
                id,
                // Most of the time it dies in the middle of what it does.
                syncs: rng.gen_range(0..12),
                idle: 50,
                heard: *[Heard::Nothing, Heard::Part, Heard::All].choose(rng).unwrap_or(&Heard::All),
                down: together.unwrap_or_else(|| rng.gen_range(1..4_000)),
            });
            let victims = victims.collect();
            self.events.push((rng.gen_range(0..TROUBLE), Trouble::Crash(victims)));
        }
        for _ in 0..rng.gen_range(0..3) {
            let away = some(rng, guardians).into_iter().collect();
            let lasts = rng.gen_range(100..3_000);
            self.events.push((rng.gen_range(0..TROUBLE), Trouble::Partition(away, lasts)));
        }
        for _ in 0..rng.gen_range(0..3) {
            let shift = rng.gen_range(-600_000..600_000);
            self.events.push((rng.gen_range(0..TROUBLE), Trouble::Clock(rng.gen_range(0..guardians), shift)));
        }
    }

    fn choose_transactions(&mut self, rng: &mut ChaCha8Rng) {
        let guardians = u16::try_from(self.roles.len()).unwrap_or(u16::MAX);
        for nonce in 0..rng.gen_range(4..24) {
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

    /// In some runs operators want newer rules, usually all of them, sometimes too few.
    fn choose_upgrade(&mut self, rng: &mut ChaCha8Rng) {
        if rng.gen_ratio(3, 4) {
            return;
        }
        let guardians = self.roles.len();
        let mut ready: Vec<GuardianId> = (0..u16::try_from(guardians).unwrap_or(0)).collect();
        ready.shuffle(rng);
        if rng.gen_ratio(1, 4) {
            ready.truncate(self.least() - 1);
        }
        let from = rng.gen_range(0..TROUBLE);
        for id in ready {
            self.events.push((rng.gen_range(from..TROUBLE), Trouble::Signal(id)));
            if rng.gen_ratio(1, 4) {
                self.events.push((rng.gen_range(0..TROUBLE), Trouble::Install(id)));
            }
        }
    }

    /// Machines propose to freeze some transactions, and take it back, while wallets submit such: whatever is rejected
    /// for it, all guardians must reject alike.
    fn choose_proposals(&mut self, rng: &mut ChaCha8Rng) {
        if rng.gen_ratio(1, 2) {
            return;
        }
        let guardians = u16::try_from(self.roles.len()).unwrap_or(u16::MAX);
        let tweaks = FREEZABLE..FREEZABLE + 2;
        for _ in 0..rng.gen_range(4..30) {
            let tweak = rng.gen_ratio(2, 3).then(|| rng.gen_range(tweaks.clone()));
            let id = rng.gen_range(0..guardians);
            self.events.push((rng.gen_range(0..TROUBLE), Trouble::Freeze(id, tweak)));
        }
        for nonce in 1_000..rng.gen_range(1_010..1_040) {
            let (to, tweak) = (rng.gen_range(0..guardians), rng.gen_range(tweaks.clone()));
            self.events.push((rng.gen_range(0..TROUBLE), Trouble::Submit { to, nonce, tweak }));
        }
    }

    /// While one guardian is away, the others leave it some epochs behind within a session; then a faulty one, which
    /// they needed for that, falls silent before the session is signed.
    fn choose_worst_moment(&mut self, rng: &mut ChaCha8Rng) {
        let Some(silent) = self.roles.iter().position(|role| *role == Role::FallsSilent) else { return };
        let honest = (0..self.roles.len()).filter(|id| self.roles[*id] == Role::Honest);
        let (Some(away), Ok(silent)) = (honest.choose(rng), u16::try_from(silent)) else { return };
        let id = u16::try_from(away).unwrap_or(0);
        let at = rng.gen_range(0..TROUBLE);
        let absent = Victim { id, syncs: 0, idle: 0, heard: Heard::Nothing, down: 2_000 };
        self.events.push((at, Trouble::Crash(vec![absent])));
        let silence = at + rng.gen_range(200..1_000);
        self.events.retain(|(_, trouble)| !matches!(trouble, Trouble::Turn(id) if *id == silent));
        self.events.push((silence, Trouble::Turn(silent)));
        for (nonce, at) in (100..).zip((at..silence).step_by(30)) {
            self.events.push((at, Trouble::Submit { to: silent, nonce, tweak: 0 }));
        }
    }
}
