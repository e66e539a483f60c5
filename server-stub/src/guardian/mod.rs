//! One guardian as its operator runs it: a process with a data directory, peers and wallets.
//!
//! # How it works
//!
//! [`Home`] is the data directory. Setup fills it; [`run`] opens it with the password, checks that its files belong
//! together and that this version knows all of the federation's modules, listens for guardians and wallets, and
//! drives the node ([`crate::node`]) over the network ([`crate::network::tcp`]) until it is told to stop.
//!
//! The API answers from the first moment on: what history there is can be read while other guardians are away. No
//! message is exchanged with others before guardians enough for consensus have shown the same config
//! ([`Members::config_hash`]); if more than can be faulty show another one, the guardian stops and names them.

mod agreement;
mod backup;
pub mod deal;
mod error;
mod home;
mod members;
mod run;
mod secrets;
mod served;

#[cfg(test)]
mod tests;

pub use error::{GuardianError, HomeError};
pub use home::{Home, Membership, Profile};
pub use members::{Member, Members};
pub use run::{Description, RunOptions, RunningGuardian, run};
pub use secrets::Secrets;
pub use served::ServedNode;
