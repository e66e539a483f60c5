//! What every platform must do, as suites that any implementation can be run through.
//!
//! The suites are plain async functions that panic on the first broken promise, so that they run
//! under any test harness: natively, and in a browser's worker.

#[cfg(test)]
pub mod clock;
pub mod crashes;
pub mod dying;
pub mod federation;
pub mod guardians;
#[cfg(test)]
pub mod liars;
pub mod meddler;
pub mod runtime;
pub mod store;
pub mod transport;
