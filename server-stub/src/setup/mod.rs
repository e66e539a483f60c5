//! Founding a federation: a ceremony between the processes of guardians, without a dealer.
//!
//! # How it works
//!
//! Each guardian makes a data directory with an identity key and a certificate, and its operator gives its
//! [`ConnectionInfo`] to all others. That is all that needs trust: whoever could change it on the way would take the
//! guardian's place. With everybody's info each process knows the same [`Participants`], numbered in the order of
//! their keys, and connects to all others by the links on which guardians talk ever after (`connect`, [`crate::network::tcp`]): mutual
//! TLS, and a connection that breaks loses nothing. Who begins again loses its part, and all begin again (`greeting`).
//!
//! Then they go through the steps of the ceremony (`ceremony`). In a step everybody says something to everybody, and all
//! make sure that all heard the same (`round`, `exchange`): that is the order in which all must handle the
//! messages of distributed key generation ([`crate::consensus::KeyGeneration`]).
//!
//! 1. *Opening*: a fresh key to encrypt to, and what the federation is to be ([`Terms`]), from at least one.
//! 2. *Commitments*: the hash of what comes next, so that nobody chooses after having seen the others'.
//! 3. *Parts* of all keys at once: the engine's, the sessions', one for each denomination. All keys take f+1 guardians.
//! 4. *Acknowledgements* of all parts.
//! 5. *Confirmation*: the hash of the config, signed, and a test signature with each share. Only if everybody's
//!    shares sign and everybody means the same config, the keys are stored.
//! 6. *Stored*: everybody says that it did.
//!
//! Whoever is silent, breaks the rules, says different things to different participants or means another config is named in
//! the error with which all others end. Nothing is stored then, and the ceremony can begin again.

mod ceremony;
mod connect;
mod error;
mod exchange;
mod found;
mod greeting;
mod info;
mod message;
mod participants;
mod pieces;
mod round;
mod terms;

#[cfg(test)]
mod tests;

pub use ceremony::Founded;
pub use error::SetupError;
pub use found::{Federation, Found, begin, connection_info};
pub use info::ConnectionInfo;
pub use participants::{Participants, ParticipantsError, Who};
pub use terms::Terms;
