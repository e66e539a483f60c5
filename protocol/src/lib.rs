//! What guardians and wallets of a federation agree on.

pub mod amount;
pub mod bls;
pub mod bytes;
pub mod encoding;
pub mod hash;
pub mod merkle;
pub mod schnorr;
pub mod transaction;
