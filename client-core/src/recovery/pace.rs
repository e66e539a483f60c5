//! How fast a recovery goes, how much of its work is done, and how long the rest takes.

/// What there is to do, and what of it is done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Work {
    /// Sessions read.
    pub sessions: u64,
    /// Sessions to read.
    pub all_sessions: u64,
    /// Found notes that have their signature.
    pub notes: u64,
    /// Notes found so far.
    pub all_notes: u64,
}

/// A window of measurement takes at least so many milliseconds,
const WINDOW_MS: u64 = 250;
/// and at most so many if nothing is done in it: notes are completed in groups, about one a second.
const STALL_MS: u64 = 4_000;
/// Milliseconds after which an average forgets: one that follows what happens, and one that steadies it.
const MEMORY_MS: [f64; 2] = [1_000.0, 4_000.0];
/// A speed is trusted after this many milliseconds of measurement, if both averages agree.
const TRUSTED_AFTER_MS: u64 = 1_500;
/// How far they may be apart, as a share of the steady one.
const AGREEMENT: f64 = 0.35;
/// What a session takes while nothing is measured, in milliseconds: a browser's pace, roughly.
const SESSION_MS: f64 = 0.05;
/// What completing a note takes while nothing is measured, in milliseconds.
const NOTE_MS: f64 = 20.0;
/// What was not measured may be this share of a time left that is told.
const GUESSED_SHARE: f64 = 1.0 / 3.0;

/// Measures how fast something is done.
#[derive(Debug, Clone, Default)]
struct Speed {
    /// When the window began, and what was done by then.
    window: Option<(u64, u64)>,
    measured_ms: u64,
    /// Per millisecond, by [`MEMORY_MS`].
    averages: [f64; 2],
}

impl Speed {
    fn measure(&mut self, now: u64, done: u64) {
        let (began, before) = *self.window.get_or_insert((now, done));
        let elapsed = now.saturating_sub(began);
        if elapsed < WINDOW_MS || done <= before && elapsed < STALL_MS {
            return;
        }
        self.window = Some((now, done));
        self.measured_ms += elapsed;
        let ms = elapsed as f64;
        let speed = done.saturating_sub(before) as f64 / ms;
        for (average, memory) in self.averages.iter_mut().zip(MEMORY_MS) {
            // All of it counts alike until there is more than is remembered.
            let weight = (ms / (ms + memory)).max(ms / self.measured_ms as f64);
            *average += weight * (speed - *average);
        }
    }

    /// Milliseconds for one, or `guess` while nothing is measured.
    fn ms_each(&self, guess: f64) -> f64 {
        let [_, steady] = self.averages;
        if steady > 0.0 { 1.0 / steady } else { guess }
    }

    fn is_trusted(&self) -> bool {
        let [quick, steady] = self.averages;
        self.measured_ms >= TRUSTED_AFTER_MS && (quick - steady).abs() <= AGREEMENT * steady && steady > 0.0
    }
}

/// The pace of a recovery.
#[derive(Debug, Clone, Default)]
pub struct Pace {
    reading: Speed,
    completing: Speed,
    share: f64,
}

impl Pace {
    /// Takes in what is done at `now`, in milliseconds.
    pub fn measure(&mut self, now: u64, work: &Work) {
        if work.sessions < work.all_sessions {
            self.reading.measure(now, work.sessions);
        } else {
            self.completing.measure(now, work.notes);
        }
        let [session, note] = self.costs();
        let (sessions, notes) = (work.sessions as f64 * session, work.notes as f64 * note);
        let all = work.all_sessions as f64 * session + work.all_notes as f64 * note;
        if all > 0.0 {
            // It never goes back, whatever turns out to be left.
            self.share = self.share.max((sessions + notes) / all).min(1.0);
        }
    }

    /// Forgets what was measured: something else was done meanwhile.
    pub fn interrupt(&mut self) {
        *self = Self { share: self.share, ..Self::default() };
    }

    /// How much of the work is done, from 0 to 1: sessions and notes by the time they take.
    pub fn share(&self) -> f64 {
        self.share
    }

    /// Sessions read per second.
    pub fn sessions_per_second(&self) -> f64 {
        self.reading.averages[0] * 1_000.0
    }

    /// Milliseconds left at `now`, if that can be told: what is being done was measured and goes steadily, and what comes after
    /// it is the smaller part.
    pub fn time_left(&self, now: u64, work: &Work) -> Option<u64> {
        let [session, note] = self.costs();
        let reading = work.all_sessions.saturating_sub(work.sessions) as f64 * session;
        let completing = work.all_notes.saturating_sub(work.notes) as f64 * note;
        let left = reading + completing;
        let (doing, is_little) = match work.sessions < work.all_sessions {
            true => (&self.reading, completing <= left * GUESSED_SHARE),
            false => (&self.completing, true),
        };
        let unseen = doing.window.map_or(0, |(began, _)| now.saturating_sub(began));
        (is_little && doing.is_trusted()).then_some((left as u64).saturating_sub(unseen))
    }

    /// Milliseconds for a session and for a note.
    fn costs(&self) -> [f64; 2] {
        [self.reading.ms_each(SESSION_MS), self.completing.ms_each(NOTE_MS)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{
        prelude::*,
        test_runner::{RngAlgorithm, TestRng},
    };

    #[test]
    fn a_steady_speed_is_told_exactly_and_only_after_a_while() {
        let mut pace = Pace::default();
        let mut work = Work { all_sessions: 10_000, ..Work::default() };
        for step in 0..=5u64 {
            work.sessions = step * 500;
            pace.measure(step * 250, &work);
            assert_eq!(pace.time_left(step * 250, &work), None, "{step}");
        }
        work.sessions = 3_000;
        pace.measure(1_500, &work);
        assert_eq!(pace.sessions_per_second(), 2_000.0);
        assert_eq!(pace.time_left(1_500, &work), Some(3_500));
        assert_eq!(pace.time_left(1_600, &work), Some(3_400), "time goes on while nothing is told");
        assert_eq!(pace.share(), 0.3);
    }

    #[test]
    fn a_stall_takes_the_time_left_away_and_divides_nothing_by_zero() {
        let mut pace = Pace::default();
        let mut work = Work { all_sessions: 10_000, ..Work::default() };
        for now in [0, 4_000, 8_000] {
            pace.measure(now, &work);
            assert_eq!((pace.time_left(now, &work), pace.share()), (None, 0.0));
        }
        for step in 1..40 {
            work.sessions = step * 250;
            pace.measure(8_000 + step * 250, &work);
        }
        assert!(pace.time_left(17_750, &work).is_some());
        pace.measure(23_000, &work);
        assert_eq!(pace.time_left(23_000, &work), None);
        let share = pace.share();
        pace.interrupt();
        assert_eq!((pace.time_left(23_000, &work), pace.share()), (None, share));
    }

    #[test]
    fn many_notes_to_complete_are_most_of_the_work() {
        let mut pace = Pace::default();
        let mut work = Work { all_sessions: 10_000, all_notes: 1_000, ..Work::default() };
        for step in 0..=20 {
            work.sessions = step * 500;
            pace.measure(step * 250, &work);
            assert_eq!(pace.time_left(step * 250, &work), None, "how long notes take is a guess");
        }
        assert_eq!(pace.share(), 0.2);
        for step in 0..=15 {
            work.notes = step * 64;
            pace.measure(5_000 + step * 1_000, &work);
        }
        let left = pace.time_left(20_000, &work).unwrap();
        assert!((600..650).contains(&left), "{left}");
        assert!((0.95..1.0).contains(&pace.share()));
    }

    /// A recovery of a wallet whose conditions change once.
    #[derive(Debug, Clone)]
    struct Weather {
        sessions: u64,
        notes: u64,
        /// Milliseconds for a session, before and after the change.
        session_ms: [f64; 2],
        changes_at: u64,
        note_ms: f64,
        /// Speeds vary by up to this share from one tick to the next.
        noise: f64,
        seed: u64,
    }

    fn weather() -> impl Strategy<Value = Weather> {
        let speeds = (0.02..0.5, 0.2..5.0f64).prop_map(|(first, change)| [first, first * change]);
        (20_000..200_000u64, 0..600u64, speeds, 0..30_000u64, 10.0..35.0, 0.0..0.5, any::<u64>()).prop_map(
            |(sessions, notes, session_ms, changes_at, note_ms, noise, seed)| Weather {
                sessions,
                notes,
                session_ms,
                changes_at,
                note_ms,
                noise,
                seed,
            },
        )
    }

    const TICK_MS: u64 = 200;
    /// For so long after a change what is told may still be about the time before it.
    const SETTLING_MS: u64 = 6_000;
    /// So long after a change it is told again.
    const SETTLED_MS: u64 = 12_000;

    proptest! {
        /// The bound on the error of a time left: half of what is left and a second, at any moment in conditions
        /// that have lasted for six seconds. In conditions that have lasted for twelve it is told nine times in ten, give or take three.
        #[test]
        fn a_time_left_is_off_by_half_at_most_and_progress_never_goes_back(weather in weather()) {
            let Weather { sessions, notes, session_ms, changes_at, note_ms, noise, seed } = weather;
            let mut rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[&seed.to_le_bytes()[..], &[0; 24]].concat());
            let mut pace = Pace::default();
            let (mut read, mut completed, mut now, mut share) = (0.0, 0.0, 0, 0.0);
            let (mut told, mut should) = (0, 0);
            let mut completing_since = None;
            while completed < notes as f64 || read < sessions as f64 {
                now += TICK_MS;
                let lucky = 1.0 + noise * rng.random_range(-1.0..1.0);
                let session = session_ms[usize::from(now >= changes_at)];
                if read < sessions as f64 {
                    read = (read + TICK_MS as f64 * lucky / session).min(sessions as f64);
                } else {
                    completing_since.get_or_insert(now);
                    completed = (completed + TICK_MS as f64 * lucky / note_ms).min(notes as f64);
                }
                // Notes come in groups.
                let grouped = if completed < notes as f64 { completed as u64 / 64 * 64 } else { notes };
                let work = Work { sessions: read as u64, all_sessions: sessions, notes: grouped, all_notes: notes };
                pace.measure(now, &work);
                prop_assert!(pace.share() >= share && pace.share() <= 1.0, "{share} {}", pace.share());
                share = pace.share();

                let left = (sessions as f64 - read) * session + (notes as f64 - completed) * note_ms;
                let changes = [Some(0), Some(changes_at).filter(|at| now >= *at), completing_since];
                let lasted = changes.into_iter().flatten().map(|at| now - at).min().unwrap_or(0);
                let is_guess = completing_since.is_none() && notes as f64 * NOTE_MS > left / 4.0;
                let should_be_told = lasted >= SETTLED_MS && !is_guess;
                should += u32::from(should_be_told);
                if let Some(estimate) = pace.time_left(now, &work).filter(|_| lasted >= SETTLING_MS) {
                    told += u32::from(should_be_told);
                    let error = (estimate as f64 - left).abs();
                    prop_assert!(error <= 0.5 * left + 1_000.0, "{estimate} told, {left} left at {now}");
                }
            }
            prop_assert!(told * 10 + 30 >= should * 9, "told {told} of {should} times");
        }
    }
}
