//! Messages between guardians.
//!
//! Every ordered pair of guardians has a *link*. Messages on a link are numbered by the sender, who keeps each
//! one until the receiver acknowledges it, which the receiver does only after it has written down what the
//! message means to it. So a message is lost only if both ends agree that it may be. A receiver that stops and
//! starts again gets everything that it has not acknowledged once more, in order. What a sender that stopped
//! had not delivered, it makes again from its write-ahead log (see [`crate::consensus`]), under new numbers.
//!
//! [`PeerNetwork`] is a guardian's end of its links. [`Hub`] connects guardians of one process, [`tcp`] guardians
//! anywhere; one suite of tests (`conformance`) holds both to the same promises.

#[cfg(test)]
mod conformance;
mod in_process;
mod outbox;
pub mod tcp;

use std::future::Future;

use bytes::Bytes;

pub use in_process::{Hub, HubEnd};
pub use outbox::{Outbox, OutboxLimits};

use crate::consensus::GuardianId;

/// Most bytes of a message between guardians: a whole session (8 MiB) with what surrounds it.
pub const MAX_PEER_MESSAGE_BYTES: usize = 9 << 20;

/// A guardian's end of its links to all others. Nothing here blocks but [`PeerNetwork::changed`].
pub trait PeerNetwork: Send {
    /// Sends a message, now or when the receiver can be reached. `epoch` is that of a consensus message.
    fn send(&mut self, to: GuardianId, epoch: Option<u64>, message: Bytes);

    /// Takes the next message of a peer, with its number. Numbers rise; they do not repeat within a run of this
    /// guardian.
    fn next(&mut self, from: GuardianId) -> Option<(u64, Bytes)>;

    /// Tells the sender that its messages up to number `last` are written down and need not come again.
    fn acknowledge(&mut self, from: GuardianId, last: u64);

    /// Forgets messages of this guardian that were sent for epochs before `epoch`: whoever lacks them gets what
    /// these epochs decided. Messages without an epoch stay.
    fn release(&mut self, epoch: u64);

    /// The lowest epoch of a message of this guardian that its receiver has not acknowledged.
    fn oldest_epoch(&self) -> Option<u64>;

    /// Cuts a peer off until this guardian restarts, and logs the evidence: it sent what no correct guardian sends.
    fn ban(&mut self, peer: GuardianId, reason: &str, evidence: &Bytes);

    /// Waits until there may be something new to take.
    fn changed(&mut self) -> impl Future<Output = ()> + Send;
}
