//! Stored states begin with their version, so that a newer one is noticed and never misread.

use rekindle_protocol::encoding::{Canonical, DecodeError};

/// Writes `version` and the encoding of `state`.
pub fn write(version: u8, state: &impl Canonical) -> Vec<u8> {
    let mut bytes = vec![version];
    bytes.append(&mut state.to_bytes());
    bytes
}

/// Reads what [`write()`] wrote with the same version.
///
/// # Errors
/// [`DecodeError`] for another version and for damaged bytes.
pub fn read<T: Canonical>(version: u8, bytes: &[u8]) -> Result<T, DecodeError> {
    match bytes.split_first() {
        Some((found, state)) if *found == version => T::from_bytes(state),
        Some((newer, _)) if *newer > version => Err(DecodeError { reason: "a newer version wrote it" }),
        Some(_) => Err(DecodeError { reason: "an older version wrote it" }),
        None => Err(DecodeError { reason: "nothing there" }),
    }
}
