//! A request in flight.

use super::segment::{Segment, SegmentId};
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
    /// How large segments were when it was sent.
    pub segment_bytes: usize,
}

impl Request {
    /// A request to `guardian` for the rest of a segment.
    pub fn new<T>(guardian: GuardianId, segment: &Segment<T>, segment_bytes: usize, now: u64) -> Self {
        Request {
            guardian,
            segment: segment.id,
            from: segment.next,
            next: segment.next,
            to: segment.to,
            started: now,
            progress_at: now,
            bytes: 0,
            segment_bytes,
        }
    }
}
