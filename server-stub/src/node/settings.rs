//! A guardian's limits and times.

use std::time::Duration;

use rekindle_protocol::session::{MAX_SESSION_BYTES, MAX_SESSION_EPOCHS, MAX_SESSION_ITEMS};

/// The rules with which every history begins.
pub(super) const FIRST_RULES: u32 = 1;
/// The newest version of the rules that this software follows, and it follows all before. Whoever changes what
/// guardians must do alike raises it and keeps the old way for as long as [`FIRST_RULES`] and history say; the
/// federation changes over when n - f guardians have signalled the new one.
pub const RULES_VERSION: u32 = 1;

/// Limits and times. Those that decide what history looks like must be the same for all guardians.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// A session closes after the batch in which it reaches this many items. Same for all.
    pub session_items: usize,
    /// A session closes after the batch in which its items reach this many bytes. Same for all.
    pub session_bytes: usize,
    /// A session closes with this many epochs. Same for all.
    pub session_epochs: u64,
    /// Most bytes of a contribution; a longer one is ignored. Same for all.
    pub contribution_bytes: usize,
    /// How old a session with items may get before this guardian votes to close it.
    pub session_time: Duration,
    /// How long a closed session waits for shares before they are asked for, again and again.
    pub signature_retry: Duration,
    /// Most transactions that wait to be ordered; beyond it a wallet is told to come back.
    pub pending_transactions: usize,
    /// Most bytes of transactions that wait to be ordered.
    pub pending_bytes: usize,
    /// How long a guardian stays behind its peers, or stuck in an epoch, before it asks for what it lacks, and
    /// waits for an answer.
    pub catch_up_patience: Duration,
    /// The newest version of the rules that this guardian follows. Which one is in force history says.
    pub rules_version: u32,
    /// How long a guardian that has finished the last session before an upgrade goes on answering its peers.
    pub upgrade_linger: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            session_items: MAX_SESSION_ITEMS / 2,
            session_bytes: MAX_SESSION_BYTES / 4,
            session_epochs: MAX_SESSION_EPOCHS,
            contribution_bytes: 256 << 10,
            session_time: Duration::from_millis(500),
            signature_retry: Duration::from_secs(1),
            pending_transactions: 1_000,
            pending_bytes: 32 << 20,
            catch_up_patience: Duration::from_millis(500),
            rules_version: RULES_VERSION,
            upgrade_linger: Duration::from_secs(3),
        }
    }
}
