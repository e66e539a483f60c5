//! Threshold BLS signatures on BLS12-381, with public keys in G1 and signatures in G2.
//!
//! Keys and shares are `threshold_crypto`'s. Messages become points by RFC 9380 (suite
//! `BLS12381G2_XMD:SHA-256_SSWU_RO_`), so that any BLS library can check a combined signature; here it is
//! `bls12_381`, whose pairings and checks of points take half the time, and on guardians `blst`, which takes a third
//! of that (`curve`). Whatever multiplies by a secret takes the same time for every secret. Shares are combined with
//! `bls12_381` too, so that a wallet needs one curve library and not two.
//! `threshold_crypto` accepts the identity as a key and as a signature, and such a pair verifies anything:
//! every point that enters through this module is refused if it is the identity or outside the subgroup.

mod batch;
mod blinding;
mod combination;
mod curve;
mod keys;
mod points;
mod sha256;

pub use batch::{Batch, MessageHash};
pub use blinding::{BlindingFactor, blind};
pub use combination::{Interpolation, combine};
pub use keys::{KeySet, MAX_GUARDIANS, PublicKey, SecretShare};
pub use points::{BlsError, Message, Signature, check_g2};

/// Domain separation tag of session signatures (RFC 9380, section 3.1).
pub const SESSION_DST: &[u8] = b"REKINDLE-SESSION-V01-BLS12381G2_XMD:SHA-256_SSWU_RO_";
/// Domain separation tag of notes.
pub const NOTE_DST: &[u8] = b"REKINDLE-NOTE-V01-BLS12381G2_XMD:SHA-256_SSWU_RO_";
