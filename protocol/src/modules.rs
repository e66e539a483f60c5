//! What the modules' parts of transactions and of the config hold.

pub mod deposit;
pub mod mint;
pub mod withdrawals;
