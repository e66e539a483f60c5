//! Forging: long, signed histories for tests and benches, written without consensus by whoever holds all keys.

mod author;

pub use author::{Author, Draft, FederationSecrets, OwnedNote, Place, Spendable, plain_memo, sign, split};
