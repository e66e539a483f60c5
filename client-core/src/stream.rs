//! The session stream: history from one session to another, in order, from all guardians at once.
//!
//! # How it works
//!
//! History is cut into *segments*, runs of sessions of about half a megabyte, or up to two where guardians
//! are quick. Each is asked of one guardian as a range, and the guardians work on many segments at the same
//! time. Records are cut off the bodies as they arrive; what comes before its turn waits in its segment. How
//! many segments are open is bounded by the number of requests and by the bytes that may wait.
//!
//! A guardian that fails rests ([`crate::federation::Guardians`]), and its segment goes on where it
//! stopped, elsewhere. One that is silent or slow is *hedged*: after a short wait another guardian is asked
//! for the rest of the segment, and whoever delivers first wins.
//!
//! The stream checks only that records decode and that sessions come in order. It is its reader who checks
//! the hash chain and signatures, and that is why each session comes with the guardian that served it: a
//! reader who finds history broken calls [`SessionStream::penalise`], which drops whatever else that
//! guardian served, and [`SessionStream::rewind`], which fetches again, past caches and from others.
//!
//! What is asked for is history from one session on, or a selection of sessions by their numbers
//! ([`SessionStream::selected`]).
//!
//! [`schedule::Schedule`] makes all decisions without I/O; [`SessionStream`] carries them out.

mod fetch;
mod part;
pub mod schedule;
mod sessions;
#[cfg(test)]
mod simulation;
mod source;
#[cfg(test)]
mod tests;

pub use part::{Form, Part, SessionEntries};
pub use schedule::{Limits, Progress};
pub use sessions::{SessionStream, StreamedPart};
