//! The canonical binary encoding: [borsh](https://borsh.io), with every length bounded.
//!
//! One value has one encoding and a decoder refuses everything else, trailing bytes included, so that a hash
//! of an encoding is a hash of the value. A variable length is checked against its limit before anything is
//! allocated, and memory grows only as bytes arrive: no input makes a decoder allocate more than a small
//! multiple of its own size.

use borsh::{
    BorshDeserialize, BorshSerialize,
    io::{Error, ErrorKind, Read, Write},
};

/// Bytes that are no canonical encoding of the expected type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a canonical encoding of {expected}: {reason}")]
pub struct DecodeError {
    /// The type that was expected.
    pub expected: &'static str,
    /// What is wrong, for people.
    pub reason: String,
}

/// Encoding to and from canonical bytes, for every type that borsh can encode.
pub trait Canonical: BorshSerialize + BorshDeserialize {
    /// The one encoding of this value.
    fn to_bytes(&self) -> Vec<u8> {
        borsh::to_vec(self).expect("writing to memory fails only past 2^32 entries, above every limit here")
    }

    /// Reads a value that takes up all of `bytes`.
    ///
    /// # Errors
    /// [`DecodeError`] for anything but the canonical encoding of exactly one value.
    fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut rest = bytes;
        match Self::deserialize(&mut rest) {
            Ok(value) if rest.is_empty() => Ok(value),
            Ok(_) => Err(DecodeError::new::<Self>(&"it goes on after its end")),
            Err(error) => Err(DecodeError::new::<Self>(&error)),
        }
    }
}

impl<T: BorshSerialize + BorshDeserialize> Canonical for T {}

impl DecodeError {
    pub(crate) fn new<T: ?Sized>(reason: &impl ToString) -> Self {
        Self { expected: short(core::any::type_name::<T>()), reason: reason.to_string() }
    }
}

/// A type's name without its path.
fn short(name: &'static str) -> &'static str {
    name.rsplit(':').next().unwrap_or(name)
}

/// Writes bytes that are the rest of their record: no length is needed.
pub(crate) fn write_rest<W: Write>(bytes: &[u8], writer: &mut W) -> Result<(), Error> {
    writer.write_all(bytes)
}

/// Reads the rest of a record, at most `MAX` bytes.
pub(crate) fn rest<const MAX: usize, R: Read>(reader: &mut R) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let mut chunk = [0; CHUNK_BYTES];
    loop {
        let read = reader.read(&mut chunk)?;
        if read == 0 {
            return Ok(bytes);
        }
        if bytes.len() + read > MAX {
            return Err(Error::new(ErrorKind::InvalidData, format!("more than {MAX} bytes")));
        }
        bytes.extend_from_slice(&chunk[..read]);
    }
}

fn read_length<R: Read>(reader: &mut R, max: usize) -> Result<usize, Error> {
    let len = u32::deserialize_reader(reader)? as usize;
    if len > max {
        return Err(Error::new(ErrorKind::InvalidData, format!("length {len} is above the limit of {max}")));
    }
    Ok(len)
}

/// What is reserved before the first byte of a value of variable length has arrived.
const RESERVED_BYTES: usize = 1024;
/// What is read of such a value at a time.
const CHUNK_BYTES: usize = 512;

/// For `#[borsh(deserialize_with)]`: a list of at most `MAX` values.
///
/// # Errors
/// If it is longer or does not decode.
pub fn list<const MAX: usize, T: BorshDeserialize, R: Read>(reader: &mut R) -> Result<Vec<T>, Error> {
    let len = read_length(reader, MAX)?;
    let mut values = Vec::with_capacity(len.min(RESERVED_BYTES / size_of::<T>().max(1)));
    for _ in 0..len {
        values.push(T::deserialize_reader(reader)?);
    }
    Ok(values)
}

/// For `#[borsh(deserialize_with)]`: a byte string of at most `MAX` bytes.
///
/// # Errors
/// If it is longer or does not decode.
pub fn bytes<const MAX: usize, R: Read>(reader: &mut R) -> Result<Vec<u8>, Error> {
    let len = read_length(reader, MAX)?;
    let mut bytes = Vec::with_capacity(len.min(RESERVED_BYTES));
    let mut chunk = [0; CHUNK_BYTES];
    while bytes.len() < len {
        let part = &mut chunk[..CHUNK_BYTES.min(len - bytes.len())];
        reader.read_exact(part)?;
        bytes.extend_from_slice(part);
    }
    Ok(bytes)
}

/// For `#[borsh(deserialize_with)]`: UTF-8 text of at most `MAX` bytes.
///
/// # Errors
/// If it is longer or does not decode.
pub fn text<const MAX: usize, R: Read>(reader: &mut R) -> Result<String, Error> {
    String::from_utf8(bytes::<MAX, R>(reader)?)
        .map_err(|error| Error::new(ErrorKind::InvalidData, error.to_string()))
}

#[cfg(test)]
pub(crate) mod testing {
    use super::Canonical;
    use proptest::prelude::*;

    /// Asserts that a value round-trips through its encoding and that the encoding is strict at both ends.
    pub fn assert_round_trip<T: Canonical + PartialEq + core::fmt::Debug>(value: &T) {
        let bytes = value.to_bytes();
        assert_eq!(&T::from_bytes(&bytes).unwrap(), value);
        let mut longer = bytes.clone();
        longer.push(0);
        assert!(T::from_bytes(&longer).is_err(), "trailing bytes must be refused");
        if let Some((_, shorter)) = bytes.split_last() {
            assert!(T::from_bytes(shorter).is_err(), "a cut encoding must be refused");
        }
    }

    /// Asserts that decoding never panics and accepts nothing but canonical bytes.
    pub fn assert_strict<T: Canonical>(bytes: &[u8]) {
        if let Ok(value) = T::from_bytes(bytes) {
            assert_eq!(value.to_bytes(), bytes, "only the canonical encoding may decode");
        }
    }

    /// Arbitrary bytes, and encodings of `T` with a few bytes changed.
    pub fn hostile_bytes<T: Canonical + core::fmt::Debug + 'static>(
        valid: impl Strategy<Value = T> + 'static,
    ) -> BoxedStrategy<Vec<u8>> {
        let mutated = (valid, proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4))
            .prop_map(|(value, changes)| {
                let mut bytes = value.to_bytes();
                for (at, byte) in changes {
                    if !bytes.is_empty() {
                        let at = at.index(bytes.len());
                        bytes[at] = byte;
                    }
                }
                bytes
            });
        prop_oneof![proptest::collection::vec(any::<u8>(), 0..512), mutated].boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, BorshSerialize, BorshDeserialize)]
    struct Sample {
        #[borsh(deserialize_with = "list::<3, _, _>")]
        numbers: Vec<u64>,
        #[borsh(deserialize_with = "text::<4, _>")]
        name: String,
    }

    #[test]
    fn limits_hold() {
        testing::assert_round_trip(&Sample { numbers: vec![1, 2, 3], name: "four".into() });
        for too_long in [
            Sample { numbers: vec![0; 4], name: String::new() },
            Sample { numbers: vec![], name: "fives".into() },
        ] {
            let error = Sample::from_bytes(&too_long.to_bytes()).unwrap_err();
            assert!(error.reason.contains("above the limit"), "{error}");
        }
    }

    #[test]
    fn byte_strings_are_read_whole() {
        for len in [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES] {
            let value: Vec<u8> = (0..len).map(|at| at as u8).collect();
            let (encoded, end) = (value.to_bytes(), [7]);
            let both = [&encoded[..], &end].concat();
            let mut reader = &both[..];
            assert_eq!(bytes::<{ 3 * CHUNK_BYTES }, _>(&mut reader).unwrap(), value);
            assert_eq!(reader, end, "it reads what is its own");
            let cut = encoded.len() - 1;
            assert!(bytes::<{ 3 * CHUNK_BYTES }, _>(&mut &encoded[..cut]).is_err());
        }
    }

    #[test]
    fn a_claimed_length_allocates_nothing() {
        // 3 numbers announced, none there: the error comes before memory does.
        assert!(Sample::from_bytes(&[3, 0, 0, 0]).is_err());
        assert!(Vec::<u8>::from_bytes(&[0xff, 0xff, 0xff, 0xff]).is_err());
    }
}
