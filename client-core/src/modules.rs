//! The parts of a wallet, each with its state, its recovery and its rules.

pub mod deposit;
pub mod mint;
pub mod operations;
pub(crate) mod versioned;
