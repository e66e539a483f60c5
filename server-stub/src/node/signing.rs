//! Signing closed sessions, outside consensus.
//!
//! A share is deterministic: whoever has the header can compute its own again at any time. So nothing here is
//! stored; after a restart the closed sessions are handed in again. f+1 shares are combined first and the result
//! is verified, two pairings a session; only if that fails is each share verified for itself.

use std::collections::{BTreeMap, BTreeSet};

use rekindle_protocol::{
    bls::{Message, PublicKey, SESSION_DST, SecretShare, combine},
    bytes::{FederationId, G2Bytes, Hash},
    config::ClientConfig,
    session::SessionHeader,
};

use super::{NodeError, message::SigningMessage};
use crate::{
    consensus::{Fault, FaultKind, GuardianId},
    cpu::SIGNATURES,
};

/// How many sessions ahead of one's own a peer's share is kept.
const EARLY_SESSIONS: u64 = 16;
/// How many sessions are asked for at once.
const REQUESTS: usize = 16;
/// The longest time between two requests, in milliseconds.
const MAX_RETRY: u64 = 30_000;

/// What is to be done.
#[derive(Debug, Default)]
#[must_use]
pub(super) struct SigningEffects {
    /// Messages, to one guardian or to all.
    pub messages: Vec<(Option<GuardianId>, SigningMessage)>,
    /// Sessions that are signed now.
    pub signed: Vec<(u64, G2Bytes)>,
    /// What peers did wrong.
    pub faults: Vec<Fault>,
}

impl SigningEffects {
    pub fn extend(&mut self, later: Self) {
        self.messages.extend(later.messages);
        self.signed.extend(later.signed);
        self.faults.extend(later.faults);
    }

    fn fault(&mut self, culprit: GuardianId, kind: FaultKind) {
        self.faults.push(Fault::new(culprit, kind));
    }
}

/// Sessions on their way to a signature.
pub(super) struct Signing {
    own: GuardianId,
    federation: FederationId,
    max_faulty: usize,
    key: PublicKey,
    share_keys: Vec<PublicKey>,
    secret: SecretShare,
    /// Milliseconds before the first request.
    retry: u64,
    unsigned: BTreeMap<u64, Unsigned>,
    /// Number of the open session.
    next: u64,
    /// Shares of sessions that are not closed here yet.
    early: BTreeMap<(u64, GuardianId), (Hash, G2Bytes)>,
}

struct Unsigned {
    header: SessionHeader,
    hash: Hash,
    message: Message,
    shares: BTreeMap<GuardianId, G2Bytes>,
    /// Who has sent something wrong for this session, and is not listened to again.
    refused: BTreeSet<GuardianId>,
    request_at: u64,
    wait: u64,
}

impl Signing {
    /// Nothing to sign yet.
    ///
    /// # Errors
    /// If the config's keys are broken, or not this guardian's.
    pub fn new(
        own: GuardianId,
        config: &ClientConfig,
        secret: SecretShare,
        retry: u64,
    ) -> Result<Self, NodeError> {
        let guardians = u16::try_from(config.guardian_count()).map_err(|_| NodeError::ForeignKeys)?;
        let share_keys: Vec<_> = (0..guardians)
            .map(|id| config.session_keys.share_key(id).map_err(|_| NodeError::ForeignKeys))
            .collect::<Result<_, _>>()?;
        if config.session_keys.shares.get(usize::from(own)) != Some(&secret.public_key()) {
            return Err(NodeError::ForeignKeys);
        }
        Ok(Self {
            own,
            federation: config.federation_id(),
            max_faulty: config.max_faulty(),
            key: config.session_key()?,
            share_keys,
            secret,
            retry,
            unsigned: BTreeMap::new(),
            next: 0,
            early: BTreeMap::new(),
        })
    }

    /// Number of the first closed session without a signature.
    pub fn first_unsigned(&self) -> Option<u64> {
        self.unsigned.first_key_value().map(|(index, _)| *index)
    }

    /// Sets the number of the open session: the ones before it are closed here or came signed.
    pub fn set_next(&mut self, next: u64) {
        self.next = next;
        self.early = self.early.split_off(&(next, 0));
    }

    /// A session is closed: signs it, sends the share, and counts those that came early. `now` is in milliseconds.
    pub fn close(&mut self, header: SessionHeader, now: u64) -> SigningEffects {
        let index = header.index;
        self.next = self.next.max(index + 1);
        let unsigned = Unsigned {
            header,
            hash: header.hash(&self.federation),
            message: header.message(&self.federation),
            shares: BTreeMap::new(),
            refused: BTreeSet::new(),
            request_at: now + self.retry,
            wait: self.retry,
        };
        self.unsigned.insert(index, unsigned);
        let mut effects = SigningEffects::default();
        effects.messages.extend(self.own_share(index).map(|message| (None, message)));
        let later = self.early.split_off(&(index + 1, 0));
        let early = std::mem::replace(&mut self.early, later);
        for ((session, from), (hash, share)) in early {
            if session == index {
                effects.extend(self.on_share(from, index, hash, share));
            }
        }
        // Where one share is enough, it is there.
        self.complete(index, &mut effects);
        effects
    }

    /// This guardian's share, computed on first use.
    fn own_share(&mut self, index: u64) -> Option<SigningMessage> {
        let unsigned = self.unsigned.get_mut(&index)?;
        let sign = || SIGNATURES.measure(|| self.secret.sign(&unsigned.message));
        let share = *unsigned.shares.entry(self.own).or_insert_with(sign);
        Some(SigningMessage::Share { session: index, header: unsigned.hash, share })
    }

    /// A peer's share.
    pub fn on_share(
        &mut self,
        from: GuardianId,
        session: u64,
        header: Hash,
        share: G2Bytes,
    ) -> SigningEffects {
        let mut effects = SigningEffects::default();
        if session >= self.next {
            if session - self.next < EARLY_SESSIONS {
                self.early.insert((session, from), (header, share));
            }
            return effects;
        }
        let Some(unsigned) = self.unsigned.get_mut(&session) else { return effects };
        if unsigned.refused.contains(&from) || unsigned.shares.contains_key(&from) {
            return effects;
        }
        if header == unsigned.hash {
            unsigned.shares.insert(from, share);
            self.complete(session, &mut effects);
        } else {
            unsigned.refused.insert(from);
            let other = Message::hash(&header.0, SESSION_DST);
            let signed = self.share_keys.get(usize::from(from)).is_some_and(|key| key.verify(&other, &share));
            let kind = if signed { FaultKind::OtherHeader(session) } else { FaultKind::InvalidShare };
            effects.fault(from, kind);
        }
        effects
    }

    /// Combines f+1 shares if they are there.
    fn complete(&mut self, session: u64, effects: &mut SigningEffects) {
        let Some(unsigned) = self.unsigned.get_mut(&session) else { return };
        while unsigned.shares.len() > self.max_faulty {
            let chosen = unsigned.shares.iter().take(self.max_faulty + 1).map(|(id, share)| (*id, *share));
            let chosen: Vec<_> = chosen.collect();
            let signature = SIGNATURES.measure(|| {
                let signature = combine(self.max_faulty, &chosen).ok();
                signature.filter(|it| self.key.verify(&unsigned.message, it))
            });
            if let Some(signature) = signature {
                self.unsigned.remove(&session);
                effects.signed.push((session, signature));
                return;
            }
            let valid = |id: &GuardianId, share: &G2Bytes| {
                let key = self.share_keys.get(usize::from(*id));
                key.is_some_and(|key| key.verify(&unsigned.message, share))
            };
            let wrong: Vec<_> =
                unsigned.shares.iter().filter(|(id, share)| !valid(id, share)).map(|(id, _)| *id).collect();
            if wrong.is_empty() {
                // Valid shares always combine to a valid signature.
                return;
            }
            for id in wrong {
                unsigned.shares.remove(&id);
                unsigned.refused.insert(id);
                effects.fault(id, FaultKind::InvalidShare);
            }
        }
    }

    /// The answer to a peer that asks for a session that is closed and not signed here; `None` for any other.
    pub fn on_request(&mut self, session: u64) -> Option<SigningMessage> {
        self.own_share(session)
    }

    /// A combined signature from a peer.
    ///
    /// # Errors
    /// [`NodeError::Fork`] if the federation signed something else than this guardian closed.
    pub fn on_signature(
        &mut self,
        from: GuardianId,
        header: &SessionHeader,
        signature: &G2Bytes,
    ) -> Result<SigningEffects, NodeError> {
        let mut effects = SigningEffects::default();
        let session = header.index;
        let Some(unsigned) = self.unsigned.get_mut(&session) else { return Ok(effects) };
        if unsigned.refused.contains(&from) {
            return Ok(effects);
        }
        if !header.verify(&self.federation, &self.key, signature) {
            unsigned.refused.insert(from);
            effects.fault(from, FaultKind::InvalidShare);
        } else if *header == unsigned.header {
            self.unsigned.remove(&session);
            effects.signed.push((session, *signature));
        } else {
            let signed = header.hash(&self.federation);
            return Err(NodeError::Fork { session, signed, own: unsigned.hash });
        }
        Ok(effects)
    }

    /// Asks for what is missing for too long.
    pub fn tick(&mut self, now: u64) -> SigningEffects {
        let mut effects = SigningEffects::default();
        for (session, unsigned) in self.unsigned.iter_mut().take(REQUESTS) {
            if unsigned.request_at <= now {
                unsigned.request_at = now + unsigned.wait;
                unsigned.wait = (unsigned.wait * 2).min(MAX_RETRY);
                effects.messages.push((None, SigningMessage::Request { session: *session }));
            }
        }
        effects
    }

    /// When [`Signing::tick`] has something to do next.
    pub fn next_tick(&self) -> Option<u64> {
        self.unsigned.values().take(REQUESTS).map(|unsigned| unsigned.request_at).min()
    }
}
