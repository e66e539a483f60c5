//! A request in flight.

use super::segment::SegmentId;
use crate::federation::GuardianId;

/// A request for sessions `from` up to `to`.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub guardian: GuardianId,
    pub segment: SegmentId,
    /// The first session it asked for.
    pub from: u64,
    /// The session that its next record must hold.
    pub next: u64,
    /// The first session that is not wanted of it.
    pub to: u64,
    /// When it was sent.
    pub started: u64,
    /// When something of the answer arrived last; when it was sent, if nothing has.
    pub progress_at: u64,
    /// Bytes of the answer so far.
    pub bytes: usize,
}

impl Request {
    pub fn new(guardian: GuardianId, segment: SegmentId, from: u64, to: u64, now: u64) -> Self {
        Request { guardian, segment, from, next: from, to, started: now, progress_at: now, bytes: 0 }
    }
}
