//! What a guardian knows of its connections.

use std::time::Duration;

/// The state of the connection to one peer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerStatus {
    /// Since when it is connected, milliseconds since 1970; `None` while it is not.
    pub connected_since: Option<u64>,
    /// How long it took to answer the last time.
    pub round_trip: Option<Duration>,
    /// Why the last attempt or connection ended, if one did.
    pub last_error: Option<String>,
    /// Whether it means the same federation and config, once it has said so in this run.
    pub agrees: Option<bool>,
    /// What it was banned for until this guardian restarts.
    pub banned: Option<String>,
}
