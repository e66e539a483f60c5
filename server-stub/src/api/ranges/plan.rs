//! Which sessions go into a range, decided before its first byte goes out.
//!
//! The plan is a function of history, of where the range begins and of its limit alone, so that every guardian cuts
//! the same range and a full one can be cached for ever.

use rekindle_protocol::ranges::MAX_EMPTY_RUN;

/// Most sessions of one range, however small they are: its last answer takes no longer than a few milliseconds.
pub const MAX_RANGE_SESSIONS: u64 = 100_000;

/// Bytes of a record's length and kind.
const RECORD: usize = 4 + 1;
/// Bytes of an encoded header.
const HEADER: usize = 120;
/// Bytes of a signature.
const SIGNATURE: usize = 96;

/// What a range consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `GET /v1/sessions`.
    Sessions,
    /// `GET /v1/recovery`.
    Recovery,
}

impl Kind {
    /// Bytes of the record of a session with items, which takes `stored` bytes in the database.
    pub fn single(self, stored: usize) -> usize {
        match self {
            // Stored as it goes out.
            Self::Sessions => RECORD + stored,
            // Stored as header and entries; goes out as items root and entries.
            Self::Recovery => RECORD + 32 + stored.saturating_sub(HEADER),
        }
    }

    /// Bytes of the record of a first session without items.
    fn empty(self) -> usize {
        match self {
            Self::Sessions => RECORD + HEADER + 4 + SIGNATURE,
            Self::Recovery => RECORD + 4,
        }
    }

    /// Bytes that another one adds to that record.
    fn another_empty(self) -> usize {
        match self {
            Self::Sessions => 16,
            Self::Recovery => 0,
        }
    }

    /// Bytes at the end of the range.
    fn end(self) -> usize {
        match self {
            Self::Sessions => 0,
            Self::Recovery => RECORD + HEADER + SIGNATURE,
        }
    }
}

/// One record of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planned {
    /// The first session in it.
    pub first: u64,
    /// How many sessions are in it: one with items, or a run without.
    pub sessions: u64,
    /// Whether they have no items.
    pub empty: bool,
    /// Its bytes, its length prefix included.
    pub bytes: usize,
}

/// A range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    kind: Kind,
    limit: usize,
    first: u64,
    to: u64,
    /// Its records, in order.
    pub records: Vec<Planned>,
    /// Bytes of the whole answer.
    pub bytes: usize,
    /// Whether its byte limit ended it.
    cut: bool,
}

impl Plan {
    /// The range that begins with session `first`, ends before session `to`, and takes at most `limit` bytes unless
    /// one session takes more.
    pub fn new(kind: Kind, first: u64, to: u64, limit: usize) -> Self {
        Self { kind, limit, first, to, records: Vec::new(), bytes: 0, cut: false }
    }

    /// Whether it will never be longer.
    pub fn is_full(&self) -> bool {
        self.cut || self.next() >= self.to
    }

    /// Offers the next session, with `stored` bytes in the database. False if it is not part of the range.
    pub fn offer(&mut self, stored: usize, empty: bool) -> bool {
        let next = self.next();
        if next >= self.to {
            return false;
        }
        let in_run = |last: &&mut Planned| empty && last.empty && last.sessions < MAX_EMPTY_RUN as u64;
        let mut run = self.records.last_mut().filter(in_run);
        let more = match (&run, empty) {
            (Some(_), _) => self.kind.another_empty(),
            (None, true) => self.kind.empty(),
            (None, false) => self.kind.single(stored),
        };
        let begun = self.bytes > 0;
        let total = if begun { self.bytes + more } else { more + self.kind.end() };
        if begun && (total > self.limit || next - self.first >= MAX_RANGE_SESSIONS) {
            self.cut = true;
            return false;
        }
        self.bytes = total;
        match &mut run {
            Some(run) => {
                run.sessions += 1;
                run.bytes += more;
            }
            None => self.records.push(Planned { first: next, sessions: 1, empty, bytes: more }),
        }
        true
    }

    /// The first session after the range.
    pub fn next(&self) -> u64 {
        self.records.last().map_or(self.first, |last| last.first + last.sessions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};

    fn plan(kind: Kind, first: u64, to: u64, limit: usize, sizes: &[usize]) -> Plan {
        let mut plan = Plan::new(kind, first, to, limit);
        for size in sizes.iter().skip(usize::try_from(first).unwrap()) {
            if !plan.offer(*size, *size == 0) {
                break;
            }
        }
        plan
    }

    fn any_kind() -> impl Strategy<Value = Kind> {
        prop_oneof![Just(Kind::Sessions), Just(Kind::Recovery)]
    }

    proptest! {
        #[test]
        fn ranges_hold_all_sessions_once_and_keep_their_limit(
            kind in any_kind(), sizes in vec(prop_oneof![Just(0), 300usize..3_000], 1..60), limit in 0usize..20_000,
            span in 1u64..70,
        ) {
            let mut next = 0;
            while next < sizes.len() as u64 {
                let to = next + span;
                let range = plan(kind, next, to, limit, &sizes);
                prop_assert!(!range.records.is_empty(), "at least one record");
                let sum: usize = range.records.iter().map(|record| record.bytes).sum();
                prop_assert_eq!(sum + kind.end(), range.bytes);
                prop_assert!(range.bytes <= limit || range.next() == next + 1);
                for record in &range.records {
                    prop_assert_eq!(record.first, next);
                    let of = &sizes[usize::try_from(next).unwrap()..][..usize::try_from(record.sessions).unwrap()];
                    prop_assert!(of.iter().all(|size| (*size == 0) == record.empty));
                    prop_assert!(record.empty || record.sessions == 1);
                    next += record.sessions;
                }
                prop_assert!(next <= to);
                prop_assert_eq!(range.is_full(), next < sizes.len() as u64 || next == to);
            }
        }

        #[test]
        fn a_full_range_stays_as_it_is(
            kind in any_kind(), sizes in vec(prop_oneof![Just(0), 300usize..3_000], 1..60), more in vec(0usize..3_000, 0..9),
            limit in 0usize..20_000, to in 1u64..70,
        ) {
            let before = plan(kind, 0, to, limit, &sizes);
            let after = plan(kind, 0, to, limit, &[sizes, more].concat());
            prop_assert!(!before.is_full() || before.records == after.records);
        }
    }

    #[test]
    fn runs_and_ranges_of_empty_sessions_are_bounded() {
        let mut range = Plan::new(Kind::Recovery, 5, u64::MAX, 1_000_000);
        let taken = (0..200_000).take_while(|_| range.offer(120, true)).count();
        assert_eq!(taken, 100_000);
        assert!(range.is_full());
        assert_eq!(range.records.len(), 10);
        assert!(range.records.iter().all(|record| record.sessions == 10_000));
    }
}
