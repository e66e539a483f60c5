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
use tracing::error;

pub use in_process::{Hub, HubEnd};
pub use outbox::{Outbox, OutboxLimits};

use crate::consensus::GuardianId;

/// Most bytes of a message between guardians: a whole session (8 MiB) with what surrounds it.
pub const MAX_PEER_MESSAGE_BYTES: usize = 9 << 20;
/// Most bytes of evidence in a log line; a hash stands for the rest.
const MAX_LOGGED_EVIDENCE: usize = 1_024;

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

    /// Cuts a peer off until this guardian restarts, and logs the evidence: it sent what no correct guardian sends.
    fn ban(&mut self, peer: GuardianId, reason: &str, evidence: &Bytes);

    /// Waits until there may be something new to take.
    fn changed(&mut self) -> impl Future<Output = ()> + Send;
}

/// Logs that a peer was banned, with what it sent: the beginning in hex, and the length and BLAKE3 hash of all of it.
fn log_ban(peer: GuardianId, reason: &str, evidence: &[u8]) {
    error!(
        peer,
        reason,
        bytes = evidence.len(),
        hash = %blake3::hash(evidence),
        evidence = hex::encode(&evidence[..evidence.len().min(MAX_LOGGED_EVIDENCE)]),
        "banned until restart"
    );
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use super::*;

    /// Collects what is logged.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_ban_is_logged_with_its_evidence() {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt().json().with_writer(move || writer.clone()).finish();
        let evidence = [7; MAX_LOGGED_EVIDENCE + 100];
        tracing::subscriber::with_default(subscriber, || {
            let mut end = Hub::new(4, OutboxLimits::default()).connect(0).unwrap();
            end.ban(2, "garbage", &Bytes::copy_from_slice(&evidence));
            end.ban(2, "more garbage", &Bytes::new());
        });
        // One line: the second ban changed nothing.
        let line: serde_json::Value = serde_json::from_slice(&log.0.lock().unwrap()).unwrap();
        let fields = &line["fields"];
        assert_eq!((&line["level"], &fields["peer"]), (&"ERROR".into(), &2.into()));
        assert_eq!((&fields["reason"], &fields["bytes"]), (&"garbage".into(), &evidence.len().into()));
        assert_eq!(fields["hash"], blake3::hash(&evidence).to_string());
        assert_eq!(fields["evidence"], "07".repeat(MAX_LOGGED_EVIDENCE));
    }
}
