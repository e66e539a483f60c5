//! Reading values.
//!
//! A decoder remembers that it has failed and goes on with nothing, so reading a value has no ways out: of the many types
//! that a wallet reads none needs code for what to do about each field. Whoever began asks at the end.

use std::collections::{BTreeMap, BTreeSet};

use super::DecodeError;

/// What has an encoding that can be read.
pub trait Decode: Sized {
    /// Reads a value; some value, if the decoder has failed.
    fn decode(from: &mut Decoder<'_>) -> Self;

    /// Reads `count` values.
    fn decode_all(count: usize, from: &mut Decoder<'_>) -> Vec<Self> {
        let mut values = Vec::with_capacity(count.min(RESERVED_BYTES / size_of::<Self>().max(1)));
        for _ in 0..count {
            values.push(Self::decode(from));
            // Also so that a claimed number of values costs nothing where they are missing.
            if from.failure.is_some() {
                break;
            }
        }
        values
    }

    /// Reads `N` values.
    fn decode_array<const N: usize>(from: &mut Decoder<'_>) -> [Self; N] {
        core::array::from_fn(|_| Self::decode(from))
    }
}

/// What is reserved before the first value of a list has arrived.
const RESERVED_BYTES: usize = 1024;

/// Bytes that are being read. It has no `Debug`: they may be secret.
pub struct Decoder<'a> {
    rest: &'a [u8],
    failure: Option<&'static str>,
}

impl<'a> Decoder<'a> {
    /// A decoder at the beginning of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, failure: None }
    }

    /// What is not read yet; nothing, once it has failed.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Why what was read is not valid.
    pub fn failure(&self) -> Option<&'static str> {
        self.failure
    }

    /// Checks that all went well and nothing is left.
    ///
    /// # Errors
    /// [`DecodeError`] with the first reason.
    pub fn end(self) -> Result<(), DecodeError> {
        match self.failure {
            None if self.rest.is_empty() => Ok(()),
            failure => Err(DecodeError { reason: failure.unwrap_or("it goes on after its end") }),
        }
    }

    /// Makes it fail, for people to read why. The first reason stays.
    pub fn fail(&mut self, reason: &'static str) {
        self.failure.get_or_insert(reason);
        self.rest = &[];
    }

    /// The next `count` bytes; `None`, and it has failed, if they are not there.
    pub fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let taken = self.rest.split_at_checked(count);
        if let Some((taken, rest)) = taken {
            self.rest = rest;
            return Some(taken);
        }
        self.fail("it ends early");
        None
    }

    /// All that is left.
    pub fn take_rest(&mut self) -> &'a [u8] {
        core::mem::take(&mut self.rest)
    }

    /// The next value; `None`, and it has failed, if there is none.
    pub fn value<T: Decode>(&mut self) -> Option<T> {
        let value = T::decode(self);
        self.failure.is_none().then_some(value)
    }

    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        let [byte] = self.array();
        byte
    }

    /// The next `N` bytes.
    pub fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    fn fill(&mut self, bytes: &mut [u8]) {
        if let Some(taken) = self.take(bytes.len()) {
            bytes.copy_from_slice(taken);
        }
    }

    /// A number of entries or bytes, at most `max`.
    fn length(&mut self, max: usize) -> usize {
        let length = u32::decode(self) as usize;
        if length <= max {
            return length;
        }
        self.fail("a length is above its limit");
        0
    }

    /// A list of at most `max` values.
    pub fn list<T: Decode>(&mut self, max: usize) -> Vec<T> {
        let count = self.length(max);
        T::decode_all(count, self)
    }

    /// A byte string of at most `max` bytes.
    pub fn bytes(&mut self, max: usize) -> Vec<u8> {
        self.list(max)
    }

    /// UTF-8 text of at most `max` bytes.
    pub fn text(&mut self, max: usize) -> String {
        String::from_utf8(self.bytes(max)).unwrap_or_else(|_| {
            self.fail("a text is not UTF-8");
            String::new()
        })
    }
}

impl Decode for u8 {
    fn decode(from: &mut Decoder<'_>) -> Self {
        from.byte()
    }

    fn decode_all(count: usize, from: &mut Decoder<'_>) -> Vec<Self> {
        from.take(count).unwrap_or_default().to_vec()
    }

    fn decode_array<const N: usize>(from: &mut Decoder<'_>) -> [Self; N] {
        from.array()
    }
}

macro_rules! integers {
    ($($name:ty),*) => {$(
        impl Decode for $name {
            fn decode(from: &mut Decoder<'_>) -> Self {
                Self::from_le_bytes(from.array())
            }
        }
    )*};
}
integers!(u16, u32, u64, u128);

impl Decode for bool {
    fn decode(from: &mut Decoder<'_>) -> Self {
        let byte = from.byte();
        if byte > 1 {
            from.fail("neither yes nor no");
        }
        byte == 1
    }
}

impl<T: Decode, const N: usize> Decode for [T; N] {
    fn decode(from: &mut Decoder<'_>) -> Self {
        T::decode_array(from)
    }
}

impl<T: Decode> Decode for Vec<T> {
    fn decode(from: &mut Decoder<'_>) -> Self {
        from.list(u32::MAX as usize)
    }
}

impl Decode for String {
    fn decode(from: &mut Decoder<'_>) -> Self {
        from.text(u32::MAX as usize)
    }
}

impl<K: Decode + Ord, V: Decode> Decode for BTreeMap<K, V> {
    fn decode(from: &mut Decoder<'_>) -> Self {
        let entries = Vec::<(K, V)>::decode(from);
        if !entries.is_sorted_by(|one, next| one.0 < next.0) {
            from.fail("keys are out of order");
        }
        entries.into_iter().collect()
    }
}

impl<K: Decode + Ord> Decode for BTreeSet<K> {
    fn decode(from: &mut Decoder<'_>) -> Self {
        BTreeMap::<K, ()>::decode(from).into_keys().collect()
    }
}

impl<T: Decode> Decode for Option<T> {
    fn decode(from: &mut Decoder<'_>) -> Self {
        bool::decode(from).then(|| T::decode(from))
    }
}

impl Decode for () {
    fn decode(_: &mut Decoder<'_>) -> Self {}
}

macro_rules! tuples {
    ($(($($name:ident),+))*) => {$(
        impl<$($name: Decode),+> Decode for ($($name,)+) {
            fn decode(from: &mut Decoder<'_>) -> Self {
                ($($name::decode(from),)+)
            }
        }
    )*};
}
tuples! { (A, B) (A, B, C) }
