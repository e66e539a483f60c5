//! Secrets at rest: a file that nobody reads without its password.
//!
//! # The file
//!
//! | bytes | content |
//! |---|---|
//! | 8 | `REKINDLE` |
//! | 1 | version, 1 |
//! | 12 | Argon2id's memory in KiB, passes and lanes, 4 bytes each, little endian |
//! | 16 | salt |
//! | 24 | nonce |
//! | n + 16 | the content, sealed with XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha) |
//! | 32 | BLAKE3 hash of everything before |
//!
//! The key comes from the password by Argon2id (RFC 9106). All bytes before the content are associated data of the
//! seal. The hash protects nothing; it tells a damaged file from a wrong password. The costs of the key derivation
//! are in the file so that they can rise with time, and bounded when it is read, so that no file makes a guardian
//! take all of a machine's memory.

mod kdf;
mod password;
mod sealed;

pub use kdf::KeyDerivation;
pub use password::{Password, PasswordError, PasswordSource};
pub use sealed::{SealError, open, seal};
