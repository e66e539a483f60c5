//! What faulty guardians do to what they send.

use bytes::Bytes;
use rand::{Rng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use rekindle_protocol::{
    bls::{Message, SESSION_DST},
    bytes::{G2Bytes, Hash, SchnorrSignature},
    encoding::Canonical,
    session::SignedSession,
};

use crate::{
    consensus::{GuardianId, simulation::other_face},
    node::{
        GuardianKeys,
        message::{CatchUpMessage, PeerMessage, SigningMessage},
    },
};

/// How a guardian behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// By the rules.
    Honest,
    /// By the rules until a moment, then not at all.
    FallsSilent,
    /// Two copies with the same keys speak to different peers.
    Equivocates,
    /// Changes bytes of what it sends.
    Garbles,
    /// Says what is not true of history, batches and itself, well signed where it can.
    Lies,
    /// Contributes more than is allowed.
    Overfills,
    /// Loses its database once.
    Forgets,
}

/// What leaves instead of a message.
pub fn tamper(
    role: Role,
    keys: &GuardianKeys,
    to: GuardianId,
    message: Bytes,
    rng: &mut ChaCha8Rng,
) -> Vec<Bytes> {
    match role {
        Role::Garbles if rng.gen_ratio(1, 200) => vec![garbled(&message, rng)],
        Role::Lies => match PeerMessage::decode(&message) {
            Some(decoded) => lie(keys, to, decoded, rng),
            None => vec![message],
        },
        _ => vec![message],
    }
}

fn garbled(message: &Bytes, rng: &mut ChaCha8Rng) -> Bytes {
    let mut bytes = message.to_vec();
    match rng.gen_range(0..4) {
        0 => bytes.truncate(rng.gen_range(0..bytes.len())),
        1 => bytes.push(rng.r#gen()),
        // Nothing but noise behind the kind.
        2 => bytes.iter_mut().skip(1).for_each(|byte| *byte = rng.r#gen()),
        _ => {
            let at = rng.gen_range(0..bytes.len());
            bytes[at] ^= 1 << rng.gen_range(0..8);
        }
    }
    bytes.into()
}

fn lie(keys: &GuardianKeys, to: GuardianId, message: PeerMessage, rng: &mut ChaCha8Rng) -> Vec<Bytes> {
    match message {
        // Some peers hear nothing of some epochs, and others what it tells nobody else.
        PeerMessage::Consensus(bytes) => {
            let epoch = bytes.first().copied().unwrap_or(0);
            let said =
                match (epoch / 4).wrapping_mul(7).wrapping_add(3).wrapping_add(u8::try_from(to).unwrap_or(0))
                    % 5
                {
                    0 => None,
                    1 | 2 => other_face(&bytes, rng),
                    _ => Some(bytes),
                };
            said.map(|bytes| PeerMessage::Consensus(bytes).encode()).into_iter().collect()
        }
        PeerMessage::Signing(message) => {
            let message = if rng.gen_ratio(1, 2) { false_signing(keys, message, rng) } else { message };
            vec![PeerMessage::Signing(message).encode()]
        }
        PeerMessage::CatchUp(message) => {
            if rng.gen_ratio(1, 3) {
                return vec![];
            }
            let message = if rng.gen_ratio(1, 2) { false_catch_up(keys, message, rng) } else { message };
            vec![PeerMessage::CatchUp(message).encode()]
        }
    }
}

fn false_signing(keys: &GuardianKeys, message: SigningMessage, rng: &mut ChaCha8Rng) -> SigningMessage {
    match message {
        SigningMessage::Share { session, mut header, share } => match rng.gen_range(0..3) {
            0 => {
                header.0[0] ^= 1;
                let share = keys.session.sign(&Message::hash(&header.0, SESSION_DST));
                SigningMessage::Share { session, header, share }
            }
            1 => SigningMessage::Share { session: session + 1, header, share },
            _ => SigningMessage::Share { session, header, share: G2Bytes([0xc0; 96]) },
        },
        SigningMessage::Signature { mut header, signature } => {
            header.time += 1;
            SigningMessage::Signature { header, signature }
        }
        SigningMessage::Request { session } => SigningMessage::Request { session: session + 1 },
    }
}

fn false_catch_up(keys: &GuardianKeys, message: CatchUpMessage, rng: &mut ChaCha8Rng) -> CatchUpMessage {
    match message {
        CatchUpMessage::Status { mut status, ask } => {
            let far = *[1, 7, 1_000, u64::MAX / 2].choose(rng).unwrap_or(&1);
            status.epoch = if rng.r#gen() { status.epoch.saturating_add(far) } else { 0 };
            status.signed = if rng.r#gen() { status.signed.saturating_add(far) } else { 0 };
            CatchUpMessage::Status { status, ask }
        }
        CatchUpMessage::Signed(mut signed) => {
            if rng.r#gen() {
                signed.hash = Hash(rng.r#gen());
            }
            signed.signature =
                if rng.r#gen() { keys.identity.sign(&signed.hash) } else { SchnorrSignature([9; 64]) };
            CatchUpMessage::Signed(signed)
        }
        CatchUpMessage::Batches(mut batches) => {
            if let Some(first) = batches.first_mut() {
                match rng.gen_range(0..4) {
                    0 => first.batch.contributions.clear(),
                    1 => first.batch.epoch += 1,
                    2 => first.signatures.iter_mut().for_each(|(id, _)| *id = 0),
                    _ => first.signatures.clear(),
                }
            }
            CatchUpMessage::Batches(batches)
        }
        CatchUpMessage::History { from, mut sessions } => {
            match rng.gen_range(0..4) {
                0 => sessions.clear(),
                1 => {
                    sessions.pop();
                }
                2 => sessions.reverse(),
                _ => sessions.iter_mut().for_each(|session| *session = without_items(session)),
            }
            CatchUpMessage::History { from, sessions }
        }
        CatchUpMessage::BatchRequest { .. } => CatchUpMessage::BatchRequest { from: rng.r#gen() },
        CatchUpMessage::HistoryRequest { from, .. } => {
            CatchUpMessage::HistoryRequest { from, count: u64::MAX }
        }
    }
}

fn without_items(session: &[u8]) -> Vec<u8> {
    SignedSession::from_bytes(session)
        .map_or_else(|_| vec![], |session| SignedSession { items: vec![], ..session }.to_bytes())
}
