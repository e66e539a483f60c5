//! Linking sessions and signing them, on all cores: headers are hashes only, so signatures can come after.

use std::{num::NonZeroUsize, thread};

use rekindle_protocol::{
    bls::SecretShare,
    bytes::FederationId,
    encoding::Canonical,
    session::{HashedItems, Item, SessionHeader, SignedSession},
};

/// Time of the first session, milliseconds since 1970, and between sessions.
const FIRST_TIME: u64 = 1_700_000_000_000;
const SESSION_TIME: u64 = 10_000;
/// Epochs of a session.
const SESSION_EPOCHS: u64 = 4;

/// A growing history.
pub struct Chain {
    federation: FederationId,
    last: Option<SessionHeader>,
    unsigned: Vec<(SessionHeader, HashedItems)>,
}

/// A session ready to be stored.
pub struct ForgedSession {
    /// Its number.
    pub index: u64,
    /// The encoding of the [`SignedSession`].
    pub session: Vec<u8>,
    /// The encoded header and the recovery entries.
    pub recovery: Vec<u8>,
}

impl Chain {
    /// No history yet.
    pub fn new(federation: FederationId) -> Self {
        Self { federation, last: None, unsigned: Vec::new() }
    }

    /// Appends a session with these items.
    pub fn append(&mut self, items: Vec<Item>) {
        let index = self.next();
        let content = HashedItems::new(items);
        let last_epoch = index * SESSION_EPOCHS + SESSION_EPOCHS - 1;
        let time = FIRST_TIME + index * SESSION_TIME;
        let header = content.header(&self.federation, self.last.as_ref(), last_epoch, time);
        self.last = Some(header);
        self.unsigned.push((header, content));
    }

    /// The number of the session that would be appended next.
    pub fn next(&self) -> u64 {
        self.last.map_or(0, |header| header.index + 1)
    }

    /// The last header.
    pub fn last(&self) -> Option<&SessionHeader> {
        self.last.as_ref()
    }

    /// How many sessions wait to be signed.
    pub fn unsigned(&self) -> usize {
        self.unsigned.len()
    }

    /// Signs what was appended since the last time.
    pub fn sign(&mut self, key: &SecretShare) -> Vec<ForgedSession> {
        let mut sessions = std::mem::take(&mut self.unsigned);
        let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let share = sessions.len().div_ceil(cores).max(1);
        let mut parts = Vec::new();
        while !sessions.is_empty() {
            let rest = sessions.split_off(share.min(sessions.len()));
            parts.push(std::mem::replace(&mut sessions, rest));
        }
        let federation = &self.federation;
        thread::scope(|scope| {
            let workers: Vec<_> = parts
                .into_iter()
                .map(|part| {
                    scope.spawn(move || {
                        part.into_iter()
                            .map(|(header, content)| finish(federation, key, header, content))
                            .collect::<Vec<_>>()
                    })
                })
                .collect();
            workers
                .into_iter()
                .flat_map(|worker| worker.join().expect("signing a header does not panic"))
                .collect()
        })
    }
}

fn finish(
    federation: &FederationId,
    key: &SecretShare,
    header: SessionHeader,
    content: HashedItems,
) -> ForgedSession {
    let signature = key.sign(&header.message(federation));
    let mut recovery = header.to_bytes();
    recovery.extend(content.recovery_entries());
    let session = SignedSession { header, signature, items: content.items }.to_bytes();
    ForgedSession { index: header.index, session, recovery }
}
