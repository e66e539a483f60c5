//! How much to ask for at a time.

use super::Limits;

/// A request is to bring no more than what arrives within so many milliseconds.
const REQUEST_MS: u64 = 500;
/// A request says something if it brought this part of what it should. Numbers of sessions are powers of two and their sizes
/// vary, so a whole segment may have little more than half.
const SAYS_SOMETHING: usize = 4;

/// The size of segments: it doubles for as long as requests of that size are answered quickly, as a connection's window
/// does in slow start (RFC 5681), and halves where they take too long.
#[derive(Debug)]
pub(super) struct Growth {
    /// About how many bytes the next segment should have.
    bytes: usize,
    smallest: usize,
    largest: usize,
}

impl Growth {
    pub fn new(limits: &Limits) -> Self {
        Self {
            bytes: limits.segment_bytes,
            smallest: limits.segment_bytes,
            largest: limits.quick_segment_bytes,
        }
    }

    /// About how many bytes the next segment should have.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// A request brought sessions that weigh so many bytes within so many milliseconds; `segment_bytes` is what segments
    /// should have had when it was sent.
    pub fn observe(&mut self, segment_bytes: usize, bytes: usize, milliseconds: u64) {
        // Requests that were in flight together change it once, and small ones say only how long any answer takes.
        if segment_bytes != self.bytes || bytes < self.bytes / SAYS_SOMETHING {
            return;
        }
        if milliseconds <= REQUEST_MS / 2 {
            self.bytes = (self.bytes * 2).min(self.largest);
        } else if milliseconds > REQUEST_MS {
            self.bytes = (self.bytes / 2).max(self.smallest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn growth() -> Growth {
        Growth::new(&Limits { segment_bytes: 100, quick_segment_bytes: 400, ..Limits::default() })
    }

    #[test]
    fn it_doubles_once_for_requests_that_are_in_flight_together() {
        let mut growth = growth();
        for _ in 0..16 {
            growth.observe(100, 75, REQUEST_MS / 2);
        }
        assert_eq!(growth.bytes(), 200);
        growth.observe(200, 150, 100);
        growth.observe(400, 300, 100);
        assert_eq!(growth.bytes(), 400, "more than the limit");
    }

    #[test]
    fn small_requests_say_nothing() {
        let mut growth = growth();
        growth.observe(100, 24, 1);
        assert_eq!(growth.bytes(), 100);
    }

    #[test]
    fn it_halves_when_requests_take_too_long() {
        let mut growth = growth();
        growth.observe(100, 100, 100);
        growth.observe(200, 200, 100);
        growth.observe(400, 400, REQUEST_MS);
        assert_eq!(growth.bytes(), 400, "in time, but twice as much would not be");
        for size in [400, 400, 200, 100] {
            growth.observe(size, size, REQUEST_MS + 1);
        }
        assert_eq!(growth.bytes(), 100, "less than the limit");
    }
}
