//! The canonical binary encoding: that of [borsh](https://borsh.io), with lengths bounded.
//!
//! One value has one encoding and a decoder refuses everything else, trailing bytes included, so that a hash
//! of an encoding is a hash of the value. A variable length is checked against its limit before anything is
//! allocated, and memory grows only as bytes arrive: no input makes a decoder allocate more than a small
//! multiple of its own size.
//!
//! Types derive it, see the crate `rekindle-protocol-derive`.

mod decode;
mod encode;

pub use decode::{Decode, Decoder};
pub use encode::Encode;
pub use rekindle_protocol_derive::{Decode, Encode};

/// Bytes that are no canonical encoding of the expected type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a canonical encoding: {reason}")]
pub struct DecodeError {
    /// What is wrong, for people.
    pub reason: &'static str,
}

/// Encoding to and from canonical bytes.
pub trait Canonical: Encode + Decode {
    /// The one encoding of this value.
    fn to_bytes(&self) -> Vec<u8> {
        to_bytes(self)
    }

    /// Reads a value that takes up all of `bytes`.
    ///
    /// # Errors
    /// [`DecodeError`] for anything but the canonical encoding of exactly one value.
    fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut decoder = Decoder::new(bytes);
        let value = Self::decode(&mut decoder);
        decoder.end().map(|()| value)
    }
}

impl<T: Encode + Decode> Canonical for T {}

/// The encoding of parts, which need not be readable as one value.
pub fn to_bytes(value: &impl Encode) -> Vec<u8> {
    let mut bytes = Vec::new();
    value.encode(&mut bytes);
    bytes
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
    use std::collections::{BTreeMap, BTreeSet};

    use borsh::{BorshDeserialize, BorshSerialize};
    use proptest::{collection, option, prelude::*};

    use super::{testing::assert_strict, *};

    #[derive(Debug, PartialEq, Encode, Decode)]
    struct Limited {
        #[encoding(list = 3)]
        numbers: Vec<u64>,
        #[encoding(text = 4)]
        name: String,
        #[encoding(bytes = 2)]
        bytes: Vec<u8>,
    }

    fn limited(numbers: usize, name: &str, bytes: usize) -> Limited {
        Limited { numbers: vec![0; numbers], name: name.into(), bytes: vec![0; bytes] }
    }

    #[test]
    fn limits_hold() {
        testing::assert_round_trip(&limited(3, "four", 2));
        for too_long in [limited(4, "", 0), limited(0, "fives", 0), limited(0, "", 3)] {
            let error = Limited::from_bytes(&too_long.to_bytes()).unwrap_err();
            assert!(error.reason.contains("above its limit"), "{error}");
        }
    }

    #[test]
    fn a_claimed_length_allocates_nothing() {
        // Each is announced and not there: the error comes before memory does.
        let claimed = [0xff; 4];
        assert!(Limited::from_bytes(&[3, 0, 0, 0]).is_err());
        assert!(Vec::<u8>::from_bytes(&claimed).is_err());
        assert!(Vec::<[u64; 8]>::from_bytes(&claimed).is_err());
        assert!(Decoder::new(&claimed).list::<u64>(usize::MAX).capacity() < 1000);
    }

    #[test]
    fn the_first_failure_stays_and_nothing_is_read_after_it() {
        let mut decoder = Decoder::new(&[2, 7, 7]);
        assert!(!bool::decode(&mut decoder));
        assert_eq!((decoder.failure(), decoder.rest()), (Some("neither yes nor no"), [].as_slice()));
        assert_eq!((u16::decode(&mut decoder), decoder.value::<u8>()), (0, None));
        assert_eq!(decoder.end().unwrap_err().reason, "neither yes nor no");
    }

    #[test]
    fn keys_rise() {
        let set = |keys: [u8; 2]| BTreeSet::<u8>::from_bytes(&[&[2, 0, 0, 0], &keys[..]].concat());
        assert_eq!(set([1, 2]), Ok(BTreeSet::from([1, 2])));
        for keys in [[2, 1], [1, 1]] {
            assert!(set(keys).unwrap_err().reason.contains("out of order"));
        }
    }

    #[test]
    fn a_list_ends_where_it_fails() {
        let mut bytes = u32::MAX.to_bytes();
        bytes.extend([1, 2, 0]);
        assert_eq!(Vec::<bool>::decode(&mut Decoder::new(&bytes)).len(), 2);
    }

    /// Every kind of value, encoded by us and by another implementation.
    #[derive(Debug, Clone, PartialEq, Encode, Decode, BorshSerialize, BorshDeserialize)]
    enum Any {
        Nothing,
        Integers(u8, u16, u32, u64, u128),
        Rest {
            yes: bool,
            maybe: Option<u16>,
            list: Vec<(u8, String)>,
            array: [u8; 3],
            arrays: [Vec<u8>; 2],
            inner: Inner,
        },
    }

    #[derive(Debug, Clone, PartialEq, Encode, Decode, BorshSerialize, BorshDeserialize)]
    struct Inner(BTreeMap<u16, Vec<u8>>, BTreeSet<u8>, ());

    fn any_value() -> impl Strategy<Value = Any> {
        let bytes = || collection::vec(any::<u8>(), 0..5);
        let inner =
            (collection::btree_map(any::<u16>(), bytes(), 0..4), collection::btree_set(any::<u8>(), 0..4));
        let rest = (
            any::<bool>(),
            option::of(any::<u16>()),
            collection::vec((any::<u8>(), ".{0,3}"), 0..4),
            any::<[u8; 3]>(),
            [bytes(), bytes()],
            inner.prop_map(|(map, set)| Inner(map, set, ())),
        );
        prop_oneof![
            Just(Any::Nothing),
            any::<(u8, u16, u32, u64, u128)>().prop_map(|(a, b, c, d, e)| Any::Integers(a, b, c, d, e)),
            rest.prop_map(|(yes, maybe, list, array, arrays, inner)| Any::Rest {
                yes,
                maybe,
                list,
                array,
                arrays,
                inner
            }),
        ]
    }

    proptest! {
        #[test]
        fn encodes_as_borsh_does(value in any_value()) {
            prop_assert_eq!(value.to_bytes(), borsh::to_vec(&value).unwrap());
            testing::assert_round_trip(&value);
        }

        #[test]
        fn decodes_what_borsh_does(bytes in testing::hostile_bytes(any_value())) {
            assert_strict::<Any>(&bytes);
            if let Ok(value) = Any::from_bytes(&bytes) {
                prop_assert_eq!(borsh::from_slice::<Any>(&bytes).unwrap(), value);
            }
        }
    }
}
