//! A wallet's backup at the guardians: a snapshot that lets a recovery start from a recent session.
//!
//! A [`Snapshot`] is what the wallet has found up to a signed session. The wallet seals it under its seed and sends it
//! to all guardians, at times that a [`Schedule`] chooses so that they say little about its payments. A recovery takes
//! the newest one that opens and stands on a header that the federation has signed, and follows history from there:
//! what was spent or received since is found as it always is. A backup that is damaged, forged, withheld or of a newer
//! version is left alone, and recovery starts from an older one or from session 0. So a bad backup costs time only.
//!
//! It is stored once 2f + 1 guardians have signed that they keep it. At least f + 1 of those are honest, so of any
//! n - f guardians one is among them: n - f that never stored a backup show that there is none.

mod schedule;
mod snapshot;
mod state;

pub use schedule::{Next, Schedule};
pub use snapshot::{Snapshot, SnapshotError};
pub use state::BackupState;

/// Whether a seed has been used in a federation before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SeenBefore {
    /// A guardian keeps a backup that only the seed's owner can have signed.
    Seen,
    /// n - f guardians have signed that they never stored one.
    Never,
    /// Too few guardians have said anything.
    #[default]
    Unknown,
}
