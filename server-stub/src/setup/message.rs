//! What participants of a ceremony send each other.

use rekindle_protocol::{
    bls::MAX_GUARDIANS,
    bytes::{Hash, SchnorrKey, SchnorrSignature},
    encoding::{Decode, Encode},
    schnorr,
};

use crate::consensus::GuardianId;

/// Most bytes of a message; the acks of 28 keys among 100 guardians take some 57 MB.
pub const MAX_MESSAGE_BYTES: usize = 64 << 20;
/// Most bytes of a reason.
const MAX_REASON_BYTES: usize = 1_000;

/// Version of this folder's messages. Guardians of different versions make no federation.
pub const VERSION: u16 = 1;

/// A message.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Message {
    /// First of every run of a participant.
    Hello {
        /// [`VERSION`]. First for ever, so that other versions can be told.
        version: u16,
        /// A random number for each run.
        run: u64,
    },
    /// The sender's statement of a step.
    Say {
        /// Which step.
        step: u8,
        /// What it says, signed.
        statement: Statement,
        /// The statement's content.
        #[encoding(bytes = MAX_MESSAGE_BYTES)]
        body: Vec<u8>,
    },
    /// Everybody's statements of a step as the sender has heard them, by id.
    Echo {
        /// Which step.
        step: u8,
        /// The statements.
        #[encoding(list = MAX_GUARDIANS)]
        heard: Vec<Statement>,
    },
    /// The sender gives up.
    GiveUp {
        /// Why, for people.
        #[encoding(text = MAX_REASON_BYTES)]
        reason: String,
    },
}

impl Message {
    /// A message that gives up, with as much of the reason as there is room for.
    pub fn give_up(reason: &str) -> Self {
        let end = (0..=reason.len().min(MAX_REASON_BYTES)).rev().find(|at| reason.is_char_boundary(*at));
        Self::GiveUp { reason: reason[..end.unwrap_or(0)].to_owned() }
    }
}

/// What a participant has said in a step, as a signed hash: enough to prove that it said different things to
/// different participants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Statement {
    /// Hash of the content.
    pub content: Hash,
    /// The participant's signature.
    pub signature: SchnorrSignature,
}

impl Statement {
    /// Signs what `from` says.
    pub fn sign(ceremony: &Hash, step: u8, from: GuardianId, body: &[u8], key: &schnorr::SecretKey) -> Self {
        let content = content(body);
        Self { content, signature: key.sign(&digest(ceremony, step, from, &content)) }
    }

    /// Whether `key` has signed it.
    pub fn is_signed(&self, ceremony: &Hash, step: u8, from: GuardianId, key: &SchnorrKey) -> bool {
        schnorr::verify(key, &digest(ceremony, step, from, &self.content), &self.signature)
    }

    /// Whether it is about this content.
    pub fn is_about(&self, body: &[u8]) -> bool {
        content(body) == self.content
    }
}

fn content(body: &[u8]) -> Hash {
    let mut hasher = blake3::Hasher::new_derive_key("rekindle 2026-11 setup content");
    hasher.update(body);
    Hash(*hasher.finalize().as_bytes())
}

fn digest(ceremony: &Hash, step: u8, from: GuardianId, content: &Hash) -> Hash {
    let mut hasher = blake3::Hasher::new_derive_key("rekindle 2026-11 setup statement");
    hasher.update(&ceremony.0);
    hasher.update(&[step]);
    hasher.update(&from.to_le_bytes());
    hasher.update(&content.0);
    Hash(*hasher.finalize().as_bytes())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rekindle_protocol::encoding::Canonical;

    use super::*;

    proptest! {
        #[test]
        fn reasons_are_cut_between_characters(reason in "\\PC{0,1200}") {
            let message = Message::give_up(&reason);
            prop_assert_eq!(Message::from_bytes(&message.to_bytes()), Ok(message.clone()));
            let Message::GiveUp { reason: kept } = message else { unreachable!() };
            prop_assert!(reason.starts_with(&kept) && (kept.len() > 996 || kept == reason));
        }
    }

    #[test]
    fn a_statement_is_of_one_ceremony_step_and_participant() {
        let key = schnorr::SecretKey::from_bytes(&[3; 32]).unwrap();
        let statement = Statement::sign(&Hash([1; 32]), 2, 3, b"body", &key);
        let signed =
            |ceremony, step, from| statement.is_signed(&Hash([ceremony; 32]), step, from, &key.public_key());
        assert!(signed(1, 2, 3) && statement.is_about(b"body"));
        assert!(!signed(2, 2, 3) && !signed(1, 3, 3) && !signed(1, 2, 4) && !statement.is_about(b"bodies"));
    }
}
