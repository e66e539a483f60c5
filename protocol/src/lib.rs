//! What guardians and wallets of a federation agree on.
//!
//! Everything here is a value or a pure function: no I/O, no clock, no platform. Start at [`session`] for
//! history, [`transaction`] for what it is made of, [`ownership`] for how a wallet finds its own again.

// What is derived names this crate from outside.
extern crate self as rekindle_protocol;

pub mod amount;
pub mod api;
pub mod backup;
pub mod bls;
pub mod bytes;
pub mod chain;
pub mod config;
pub mod encoding;
pub mod hash;
pub mod invite;
pub mod merkle;
pub mod modules;
pub mod ownership;
pub mod ranges;
pub mod recovery_index;
pub mod schnorr;
pub mod session;
pub mod text;
pub mod transaction;
