//! How each guardian has fared, and whom to ask next.
//!
//! Pure state: time and random numbers are arguments. A guardian that failed rests for a while
//! ([`crate::backoff`]) and then gets one question as a trial; one that served a lie rests longer,
//! and whatever stands between is bypassed from then on. Among those that are ready the one that is
//! expected to answer first is asked first.

use rekindle_protocol::api::{API_VERSION, PREVIOUS_API_VERSION};
use rekindle_protocol::encoding::{Decode, Decoder, Encode};

use super::{GuardianFault, GuardianId};
use crate::{
    backoff::{Backoff, RetryBudget},
    sorted::SortedSet,
};

/// A latency to expect of a guardian that was never asked, in milliseconds: low, so that it gets a chance.
const UNKNOWN_LATENCY_MS: u64 = 50;

/// A transfer time to expect of a guardian that was never asked, in milliseconds per mebibyte.
const UNKNOWN_MS_PER_MIB: u64 = 100;

/// How long a guardian that served a lie rests the first time, in milliseconds; each further one takes
/// [`STRIKE_FACTOR`] times as long.
const FIRST_STRIKE_MS: u64 = 2_000;
const STRIKE_FACTOR: u64 = 8;
const LONGEST_STRIKE_MS: u64 = 120_000;

#[derive(Debug, Clone, Default)]
struct Health {
    latency_ms: Option<u64>,
    ms_per_mib: Option<u64>,
    backoff: Backoff,
    /// Not to be asked before this time, milliseconds since 1970.
    rests_until: u64,
    /// It asked to be left alone until this time, milliseconds since 1970.
    busy_until: u64,
    /// The last time that it served a lie.
    lie: Option<Evidence>,
    reachable: bool,
    /// It does not speak the newest version of the API.
    is_older: bool,
}

/// That a guardian, or something in front of it, did what only a lie or a broken program explains.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Evidence {
    /// The guardian.
    pub guardian: GuardianId,
    /// What it did the last time: [`GuardianFault::code`].
    pub code: String,
    /// When that was found out, milliseconds since 1970.
    pub time: u64,
    /// How often it did such a thing.
    pub times: u32,
    /// What it was asked for the last time: a path, which may name a transaction of the wallet's. Empty where several
    /// answers together showed it.
    pub path: String,
    /// How its answer began, at most [`HEAD_BYTES`]; nothing of streams, and of answers that it did not sign as it should.
    pub answer: Vec<u8>,
}

/// How many bytes of an answer are kept as evidence.
const HEAD_BYTES: usize = 64;

/// The guardians of a federation as one wallet has experienced them.
#[derive(Debug, Clone)]
pub struct Guardians {
    list: Vec<Health>,
    budget: RetryBudget,
}

impl Guardians {
    /// Nothing experienced yet. `reachable` says of each guardian whether its address is known; `now`
    /// is in milliseconds since 1970.
    pub fn new(reachable: impl IntoIterator<Item = bool>, now: u64) -> Self {
        let list = reachable.into_iter().map(|reachable| Health { reachable, ..Health::default() }).collect();
        Guardians { list, budget: RetryBudget::new(now) }
    }

    /// The number of guardians.
    pub fn count(&self) -> usize {
        self.list.len()
    }

    /// The guardians whose address is known.
    pub fn reachable(&self) -> impl Iterator<Item = GuardianId> + '_ {
        (0..).zip(&self.list).filter(|(_, health)| health.reachable).map(|(guardian, _)| guardian)
    }

    /// Its address has become known, or another one: only its lies are remembered.
    pub fn moved(&mut self, guardian: GuardianId) {
        if let Some(health) = self.get_mut(guardian) {
            *health = Health { lie: health.lie.take(), reachable: true, ..Health::default() };
        }
    }

    /// The version of the API to ask it in: the newest, unless it did not speak that.
    pub fn version(&self, guardian: GuardianId) -> u32 {
        if self.get(guardian).is_some_and(|health| health.is_older) {
            PREVIOUS_API_VERSION
        } else {
            API_VERSION
        }
    }

    /// It does not speak the version that it was asked in: it is asked in the one before from now on.
    pub fn step_down(&mut self, guardian: GuardianId) {
        if let Some(health) = self.get_mut(guardian) {
            health.is_older = true;
        }
    }

    /// The beginning of an answer arrived after so many milliseconds.
    pub fn observe_latency(&mut self, guardian: GuardianId, milliseconds: u64) {
        if let Some(health) = self.get_mut(guardian) {
            health.latency_ms = Some(average(health.latency_ms, milliseconds));
        }
    }

    /// So many bytes took so many milliseconds. Small transfers say nothing about speed and are left out.
    pub fn observe_transfer(&mut self, guardian: GuardianId, bytes: usize, milliseconds: u64) {
        const SAYS_SOMETHING: usize = 16 << 10;
        if bytes >= SAYS_SOMETHING
            && let Some(health) = self.get_mut(guardian)
        {
            let per_mib = (milliseconds << 20) / bytes as u64;
            health.ms_per_mib = Some(average(health.ms_per_mib, per_mib));
        }
    }

    /// It gave a usable answer.
    pub fn succeed(&mut self, guardian: GuardianId) {
        self.budget.succeed();
        if let Some(health) = self.get_mut(guardian) {
            health.backoff.succeed();
        }
    }

    /// It failed, and rests. `retry_after` is what it asked for, in milliseconds; `random` any uniformly
    /// random number.
    pub fn fail(&mut self, guardian: GuardianId, retry_after: Option<u64>, now: u64, random: u64) {
        if let Some(health) = self.get_mut(guardian) {
            let pause = health.backoff.fail(retry_after, random);
            if retry_after.is_some() {
                health.busy_until = now.saturating_add(pause);
            }
            health.rests_until = health.rests_until.max(now.saturating_add(pause));
        }
    }

    /// It served a lie, or something in front of it did: it rests longer and is asked past caches.
    pub fn strike(&mut self, guardian: GuardianId, fault: &GuardianFault, now: u64) {
        if let Some(health) = self.get_mut(guardian) {
            let times = health.lie.as_ref().map_or(0, |lie| lie.times);
            let factor = STRIKE_FACTOR.saturating_pow(times.min(8));
            health.lie = Some(Evidence {
                guardian,
                code: fault.code().into(),
                time: now,
                times: times.saturating_add(1),
                path: String::new(),
                answer: Vec::new(),
            });
            let pause = FIRST_STRIKE_MS.saturating_mul(factor).min(LONGEST_STRIKE_MS);
            health.rests_until = health.rests_until.max(now.saturating_add(pause));
        }
    }

    /// Keeps what it was asked for and how its answer began with the evidence of its latest lie.
    pub fn keep_evidence(&mut self, guardian: GuardianId, path: &str, answer: &[u8]) {
        if let Some(lie) = self.get_mut(guardian).and_then(|health| health.lie.as_mut()) {
            lie.path = path.to_owned();
            lie.answer = head(answer).to_vec();
        }
    }

    /// Whether it has served a lie, so that caches in front of it are not to be believed.
    pub fn has_lied(&self, guardian: GuardianId) -> bool {
        self.get(guardian).is_some_and(|health| health.lie.is_some())
    }

    /// The lies that were found out: the latest of each guardian.
    pub fn evidence(&self) -> Vec<Evidence> {
        self.list.iter().filter_map(|health| health.lie.clone()).collect()
    }

    /// The lies that were found out, for the store.
    pub fn write_evidence(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for lie in self.list.iter().filter_map(|health| health.lie.as_ref()) {
            lie.encode(&mut bytes);
        }
        bytes
    }

    /// Takes in what [`Guardians::write_evidence`] wrote, as far as it can be read. Nobody rests for it again.
    pub fn read_evidence(&mut self, bytes: &[u8]) {
        let mut decoder = Decoder::new(bytes);
        while let Some(lie) = decoder.value::<Evidence>() {
            if let Some(health) = self.get_mut(lie.guardian) {
                health.lie = Some(lie);
            }
        }
    }

    /// Whether its last answer was a failure: then one question at a time is enough.
    pub fn is_on_trial(&self, guardian: GuardianId) -> bool {
        self.get(guardian).is_some_and(|health| health.backoff.failures() > 0)
    }

    /// For how many milliseconds it asked to be left alone; 0 if it did not.
    pub fn busy_ms(&self, guardian: GuardianId, now: u64) -> u64 {
        self.get(guardian).map_or(0, |health| health.busy_until.saturating_sub(now))
    }

    /// Whether it may be asked now.
    pub fn is_ready(&self, guardian: GuardianId, now: u64) -> bool {
        self.get(guardian).is_some_and(|health| health.reachable && health.rests_until <= now)
    }

    /// When it may be asked, in milliseconds since 1970; none if its address is not known.
    pub fn ready_at(&self, guardian: GuardianId) -> Option<u64> {
        self.get(guardian).filter(|health| health.reachable).map(|health| health.rests_until)
    }

    /// When the first of them may be asked, in milliseconds since 1970; 0 if no address is known.
    pub fn first_ready_at(&self) -> u64 {
        self.list.iter().filter(|health| health.reachable).map(|health| health.rests_until).min().unwrap_or(0)
    }

    /// How long an answer of so many bytes is expected to take, in milliseconds; at least one.
    pub fn expected_ms(&self, guardian: GuardianId, bytes: usize) -> u64 {
        let Some(health) = self.get(guardian) else { return u64::MAX };
        let transfer = health.ms_per_mib.unwrap_or(UNKNOWN_MS_PER_MIB).saturating_mul(bytes as u64) >> 20;
        health.latency_ms.unwrap_or(UNKNOWN_LATENCY_MS).saturating_add(transfer).max(1)
    }

    /// How long to wait for the beginning of an answer before somebody else is asked as well, in
    /// milliseconds: several times what the quickest guardian takes.
    pub fn patience_ms(&self) -> u64 {
        const SHORTEST_MS: u64 = 400;
        const UNKNOWN_MS: u64 = 1_000;
        const LONGEST_MS: u64 = 5_000;
        let quickest = self.list.iter().filter_map(|health| health.latency_ms).min();
        quickest.map_or(UNKNOWN_MS, |latency| latency.saturating_mul(8).clamp(SHORTEST_MS, LONGEST_MS))
    }

    /// The guardians in the order in which to ask them for a small answer: the ready ones by expected
    /// time, then those that rest by when they are ready again.
    pub fn ranked(&self, now: u64) -> Vec<GuardianId> {
        let rank = |guardian: GuardianId| {
            let rest = self.ready_at(guardian).unwrap_or(u64::MAX).saturating_sub(now);
            (rest, self.is_on_trial(guardian), self.expected_ms(guardian, 0), guardian)
        };
        let ranked: SortedSet<_> = self.reachable().map(rank).collect();
        ranked.iter().map(|(.., guardian)| *guardian).collect()
    }

    /// Takes one retry from the budget that all requests share, or says for how many milliseconds there
    /// is none.
    pub fn take_retry(&mut self, now: u64) -> Result<(), u64> {
        self.budget.take(now)
    }

    fn get(&self, guardian: GuardianId) -> Option<&Health> {
        self.list.get(usize::from(guardian))
    }

    fn get_mut(&mut self, guardian: GuardianId) -> Option<&mut Health> {
        self.list.get_mut(usize::from(guardian))
    }
}

/// As much of an answer as is kept.
pub(crate) fn head(answer: &[u8]) -> &[u8] {
    answer.get(..HEAD_BYTES).unwrap_or(answer)
}

/// An exponentially weighted moving average that follows within a few observations.
fn average(known: Option<u64>, observed: u64) -> u64 {
    // Anything above an hour is as bad as an hour, and sums stay far from overflowing.
    let observed = observed.min(3_600_000);
    known.map_or(observed, |known| (known * 3 + observed).div_ceil(4))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn four() -> Guardians {
        Guardians::new([true; 4], 0)
    }

    #[test]
    fn the_quickest_ready_guardian_is_asked_first() {
        let mut guardians = four();
        for (guardian, latency) in [(0, 200), (1, 20), (2, 90), (3, 40)] {
            guardians.observe_latency(guardian, latency);
        }
        assert_eq!(guardians.ranked(0), [1, 3, 2, 0]);
        guardians.fail(1, None, 0, 0);
        assert_eq!(guardians.ranked(0), [3, 2, 0, 1]);
        assert!(!guardians.is_ready(1, 0) && guardians.is_ready(1, 10));
        // After its rest it is on trial: the others go first until it has answered.
        assert_eq!(guardians.ranked(10), [3, 2, 0, 1]);
        guardians.succeed(1);
        assert_eq!(guardians.ranked(10), [1, 3, 2, 0]);
    }

    #[test]
    fn big_answers_are_expected_by_speed() {
        let mut guardians = four();
        guardians.observe_latency(0, 10);
        guardians.observe_transfer(0, 1 << 20, 4_000);
        guardians.observe_latency(1, 300);
        guardians.observe_transfer(1, 1 << 20, 100);
        assert!(guardians.expected_ms(0, 0) < guardians.expected_ms(1, 0));
        assert!(guardians.expected_ms(0, 1 << 20) > guardians.expected_ms(1, 1 << 20));
    }

    #[test]
    fn a_liar_rests_longer_each_time_and_caches_in_front_of_it_are_bypassed() {
        let mut guardians = four();
        assert!(!guardians.has_lied(2));
        let mut now = 0;
        let mut rests = Vec::new();
        for _ in 0..4 {
            guardians.strike(2, &GuardianFault::WrongShares, now);
            let ready = guardians.ready_at(2).unwrap();
            rests.push(ready - now);
            now = ready;
        }
        assert_eq!(rests, [2_000, 16_000, 120_000, 120_000]);
        assert!(guardians.has_lied(2));
        // The latest lie is kept, also when it moves.
        guardians.strike(2, &GuardianFault::Truncated, now);
        guardians.keep_evidence(2, "/v1/sessions", &[7; 1_000]);
        guardians.moved(2);
        let (path, answer) = ("/v1/sessions".into(), vec![7; 64]);
        let latest =
            Evidence { guardian: 2, code: "answer_truncated".into(), time: now, times: 5, path, answer };
        assert_eq!(guardians.evidence(), [latest]);
    }

    #[test]
    fn a_guardian_without_an_address_is_never_asked() {
        let guardians = Guardians::new([true, false, true], 0);
        assert_eq!(guardians.ranked(0), [0, 2]);
        assert!(!guardians.is_ready(1, u64::MAX) && !guardians.is_ready(9, 0));
        assert_eq!(guardians.ready_at(1), None);
    }

    #[test]
    fn retry_after_is_honoured() {
        let mut guardians = four();
        guardians.fail(0, Some(7_000), 100, 3);
        assert_eq!(guardians.ready_at(0), Some(7_100));
        assert_eq!([guardians.busy_ms(0, 100), guardians.busy_ms(0, 8_000)], [7_000, 0]);
    }
}
