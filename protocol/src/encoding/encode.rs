//! Writing values.

use std::collections::{BTreeMap, BTreeSet};

/// What has an encoding.
pub trait Encode {
    /// Appends the encoding of this value.
    fn encode(&self, to: &mut Vec<u8>);

    /// Appends the encodings of `list`, one after the other.
    fn encode_all(list: &[Self], to: &mut Vec<u8>)
    where
        Self: Sized,
    {
        list.iter().for_each(|value| value.encode(to));
    }
}

fn count(entries: usize) -> u32 {
    u32::try_from(entries).expect("every limit here is far below 2^32 entries")
}

impl Encode for u8 {
    fn encode(&self, to: &mut Vec<u8>) {
        to.push(*self);
    }

    fn encode_all(list: &[Self], to: &mut Vec<u8>) {
        to.extend_from_slice(list);
    }
}

macro_rules! integers {
    ($($name:ty),*) => {$(
        impl Encode for $name {
            fn encode(&self, to: &mut Vec<u8>) {
                to.extend_from_slice(&self.to_le_bytes());
            }
        }
    )*};
}
integers!(u16, u32, u64, u128);

impl Encode for bool {
    fn encode(&self, to: &mut Vec<u8>) {
        to.push(u8::from(*self));
    }
}

impl<T: Encode, const N: usize> Encode for [T; N] {
    fn encode(&self, to: &mut Vec<u8>) {
        T::encode_all(self, to);
    }
}

impl<T: Encode> Encode for [T] {
    fn encode(&self, to: &mut Vec<u8>) {
        count(self.len()).encode(to);
        T::encode_all(self, to);
    }
}

impl<T: Encode> Encode for Vec<T> {
    fn encode(&self, to: &mut Vec<u8>) {
        self.as_slice().encode(to);
    }
}

impl Encode for str {
    fn encode(&self, to: &mut Vec<u8>) {
        self.as_bytes().encode(to);
    }
}

impl Encode for String {
    fn encode(&self, to: &mut Vec<u8>) {
        self.as_str().encode(to);
    }
}

impl<K: Encode, V: Encode> Encode for BTreeMap<K, V> {
    fn encode(&self, to: &mut Vec<u8>) {
        count(self.len()).encode(to);
        self.iter().for_each(|entry| entry.encode(to));
    }
}

impl<K: Encode> Encode for BTreeSet<K> {
    fn encode(&self, to: &mut Vec<u8>) {
        count(self.len()).encode(to);
        self.iter().for_each(|key| key.encode(to));
    }
}

impl<T: Encode> Encode for Option<T> {
    fn encode(&self, to: &mut Vec<u8>) {
        self.is_some().encode(to);
        self.iter().for_each(|value| value.encode(to));
    }
}

impl<T: Encode + ?Sized> Encode for &T {
    fn encode(&self, to: &mut Vec<u8>) {
        (**self).encode(to);
    }
}

impl Encode for () {
    fn encode(&self, _: &mut Vec<u8>) {}
}

macro_rules! tuples {
    ($(($($name:ident $at:tt),+))*) => {$(
        impl<$($name: Encode),+> Encode for ($($name,)+) {
            fn encode(&self, to: &mut Vec<u8>) {
                $(self.$at.encode(to);)+
            }
        }
    )*};
}
tuples! {
    (A 0, B 1)
    (A 0, B 1, C 2)
    (A 0, B 1, C 2, D 3)
    (A 0, B 1, C 2, D 3, E 4)
}
