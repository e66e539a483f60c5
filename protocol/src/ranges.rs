//! Ranges: many sessions in one streamed answer, as length-prefixed records.
//!
//! A record is a 4-byte little-endian length and that many bytes. The reader cuts records off a body as its
//! chunks arrive, so a range of a thousand sessions costs a browser one request.

mod cutter;
mod recovery;
mod sessions;

pub use cutter::{FrameTooLong, RecordCutter, write_record, write_record_pieces};
pub use recovery::RecoveryRecord;
pub use sessions::{EmptyRun, EmptySession, MAX_EMPTY_RUN, SessionRecord};
