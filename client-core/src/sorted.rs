//! Maps and sets in the order of their keys, each one flat vector.
//!
//! A wallet's collections are small, and the wasm module that a page loads has a copy of a collection's code for
//! every type in it: about 12 KB for a B-tree, 1 KB for these. Inserting moves what is behind; in ten thousand notes
//! that is some microseconds, where deriving the note takes a millisecond.

use core::ops::{Deref, DerefMut};

use litemap::LiteMap;
use rekindle_protocol::encoding::{Decode, Decoder, Encode};

/// A map in the order of its keys, with a canonical encoding: the number of entries (4 bytes), then each key with its
/// value in rising order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SortedMap<K, V>(LiteMap<K, V>);

impl<K, V> SortedMap<K, V> {
    /// An empty map.
    pub const fn new() -> Self {
        Self(LiteMap::new_vec())
    }
}

impl<K, V> Default for SortedMap<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K, V> Deref for SortedMap<K, V> {
    type Target = LiteMap<K, V>;

    fn deref(&self) -> &LiteMap<K, V> {
        &self.0
    }
}

impl<K, V> DerefMut for SortedMap<K, V> {
    fn deref_mut(&mut self) -> &mut LiteMap<K, V> {
        &mut self.0
    }
}

/// Of entries with the same key the last one stays.
impl<K: Ord, V> FromIterator<(K, V)> for SortedMap<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        // One by one: collecting into the vector would sort it, and sorting is 3 KB of code for every type.
        let mut map = Self::new();
        for (key, value) in entries {
            map.insert(key, value);
        }
        map
    }
}

impl<K, V> IntoIterator for SortedMap<K, V> {
    type Item = (K, V);
    type IntoIter = std::vec::IntoIter<(K, V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_tuple_vec().into_iter()
    }
}

impl<K: Encode, V: Encode> Encode for SortedMap<K, V> {
    fn encode(&self, to: &mut Vec<u8>) {
        self.0.as_slice().encode(to);
    }
}

impl<K: Decode + Ord, V: Decode> Decode for SortedMap<K, V> {
    fn decode(from: &mut Decoder<'_>) -> Self {
        let mut map = Self::new();
        for _ in 0..u32::decode(from) {
            let (key, value) = Decode::decode(from);
            if map.try_append(key, value).is_some() {
                from.fail("keys are out of order");
            }
            if from.failure().is_some() {
                break;
            }
        }
        map
    }
}

/// A set in the order of its elements, encoded like a [`SortedMap`] without values.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct SortedSet<K: Ord>(SortedMap<K, ()>);

impl<K: Ord> SortedSet<K> {
    /// An empty set.
    pub const fn new() -> Self {
        Self(SortedMap::new())
    }

    /// How many elements it has.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it has this one.
    pub fn contains(&self, element: &K) -> bool {
        self.0.contains_key(element)
    }

    /// Takes in an element; false if it was there.
    pub fn insert(&mut self, element: K) -> bool {
        self.0.insert(element, ()).is_none()
    }

    /// Removes an element; false if it was not there.
    pub fn remove(&mut self, element: &K) -> bool {
        self.0.remove(element).is_some()
    }

    /// The elements in rising order.
    pub fn iter(&self) -> impl Iterator<Item = &K> {
        self.0.iter().map(|(element, ())| element)
    }
}

impl<K: Ord> Default for SortedSet<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Ord> FromIterator<K> for SortedSet<K> {
    fn from_iter<I: IntoIterator<Item = K>>(elements: I) -> Self {
        Self(elements.into_iter().map(|element| (element, ())).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::{collection::vec, prelude::*};
    use rekindle_protocol::encoding::{self, Canonical};

    use super::*;

    proptest! {
        #[test]
        fn they_hold_and_encode_what_trees_do(steps in vec((any::<bool>(), 0u8..20, any::<u16>()), 0..60)) {
            let (mut map, mut tree) = (SortedMap::new(), BTreeMap::new());
            let (mut set, mut tree_set) = (SortedSet::new(), BTreeSet::new());
            for (insert, key, value) in steps {
                if insert {
                    prop_assert_eq!(map.insert(key, value), tree.insert(key, value));
                    prop_assert_eq!(set.insert(key), tree_set.insert(key));
                } else {
                    prop_assert_eq!(map.remove(&key), tree.remove(&key));
                    prop_assert_eq!(set.remove(&key), tree_set.remove(&key));
                }
            }
            prop_assert!(map.iter().eq(tree.iter()));
            prop_assert!(set.iter().eq(tree_set.iter()));
            prop_assert_eq!(map.to_bytes(), encoding::to_bytes(&tree));
            prop_assert_eq!(SortedMap::from_bytes(&map.to_bytes()).unwrap(), map);
            prop_assert_eq!(SortedSet::from_bytes(&set.to_bytes()).unwrap(), set);
        }
    }

    #[test]
    fn the_last_of_equal_keys_stays() {
        let map: SortedMap<u8, u8> = [(2, 1), (1, 1), (2, 2)].into_iter().collect();
        assert_eq!(map.into_iter().collect::<Vec<_>>(), [(1, 1), (2, 2)]);
    }

    #[test]
    fn disorder_and_repetition_are_refused() {
        for keys in [[2u8, 1], [1, 1]] {
            assert!(SortedSet::<u8>::from_bytes(&keys.to_vec().to_bytes()).is_err());
        }
        // A count without entries asks for no memory.
        assert!(SortedSet::<u8>::from_bytes(&u32::MAX.to_le_bytes()).is_err());
    }
}
