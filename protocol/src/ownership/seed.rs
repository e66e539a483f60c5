//! Seed words: BIP-39, twelve English words.

use core::fmt;

use pbkdf2::{
    pbkdf2_hmac_array,
    sha2::{Digest, Sha256, Sha512},
};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::{WalletSecret, word_list};
use crate::{bytes::FederationId, hash::Context};

/// Why a text is no seed. The messages never repeat a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SeedError {
    /// Not twelve words.
    #[error("a seed has twelve words, not {0}")]
    WordCount(usize),
    /// A word that is not in the list.
    #[error("word {0} is not in the word list")]
    UnknownWord(usize),
    /// The last word does not fit the others: one is wrong, or two changed places.
    #[error("the words don't belong together: one is wrong or out of place")]
    Checksum,
}

/// What each word stands for.
const BITS_PER_WORD: usize = 11;
/// What the last word holds beside the entropy: the first bits of its SHA-256.
const CHECKSUM_BITS: usize = 4;
/// Rounds of HMAC-SHA-512 from words to seed.
const ROUNDS: u32 = 2_048;

/// The twelve words that a wallet comes back from, as the 16 bytes that they stand for. Erased when dropped, and shown
/// only when asked for by name.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct SeedWords([u8; 16]);

impl fmt::Debug for SeedWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SeedWords(..)")
    }
}

impl SeedWords {
    /// How many words there are.
    pub const COUNT: usize = 12;

    /// The words for 16 random bytes.
    pub fn from_entropy(entropy: &[u8; 16]) -> Self {
        Self(*entropy)
    }

    /// Reads words separated by white space, in any case.
    ///
    /// # Errors
    /// [`SeedError`].
    pub fn parse(text: &str) -> Result<Self, SeedError> {
        let count = text.split_whitespace().count();
        if count != Self::COUNT {
            return Err(SeedError::WordCount(count));
        }
        let mut bits = Zeroizing::new(0u128);
        let mut checksum = 0;
        for (word, number) in text.split_whitespace().zip(1..) {
            let index = word_list::number(word).ok_or(SeedError::UnknownWord(number))? as u128;
            if number < Self::COUNT {
                *bits = *bits << BITS_PER_WORD | index;
            } else {
                *bits = *bits << (BITS_PER_WORD - CHECKSUM_BITS) | index >> CHECKSUM_BITS;
                checksum = index as u8 & ((1 << CHECKSUM_BITS) - 1);
            }
        }
        let words = Self(bits.to_be_bytes());
        if words.checksum() == checksum { Ok(words) } else { Err(SeedError::Checksum) }
    }

    /// The words with a space between, to be shown to their owner.
    pub fn reveal(&self) -> Zeroizing<String> {
        let bits = Zeroizing::new(u128::from_be_bytes(self.0));
        let mut text = Zeroizing::new(String::with_capacity(Self::COUNT * 9));
        for number in 1..=Self::COUNT {
            let index = match (number * BITS_PER_WORD).checked_sub(128) {
                // The last word: what is left of the entropy, then the checksum.
                Some(missing) => *bits << missing | u128::from(self.checksum()),
                None => *bits >> (128 - number * BITS_PER_WORD),
            };
            let index = (index % (1 << BITS_PER_WORD)) as usize;
            if number > 1 {
                text.push(' ');
            }
            text.push_str(&word_list::word(index).expect("the list has a word for any eleven bits"));
        }
        text
    }

    /// The 16 bytes that the words stand for, for storage.
    pub fn entropy(&self) -> Zeroizing<[u8; 16]> {
        Zeroizing::new(self.0)
    }

    fn checksum(&self) -> u8 {
        Sha256::digest(self.0)[0] >> (8 - CHECKSUM_BITS)
    }

    /// The wallet's secrets in a federation. Costs 2,048 rounds of HMAC-SHA-512 (BIP-39).
    pub fn wallet_secret(&self, federation: &FederationId) -> WalletSecret {
        let seed = self.seed();
        let root = Zeroizing::new(Context::SeedRoot.hash(&[&*seed]).0);
        WalletSecret::new(&root, federation)
    }

    /// The seed of BIP-39, without a passphrase.
    fn seed(&self) -> Zeroizing<[u8; 64]> {
        Zeroizing::new(pbkdf2_hmac_array::<Sha512, 64>(self.reveal().as_bytes(), b"mnemonic", ROUNDS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WORDS: &str =
        "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about";

    #[test]
    fn words_are_read_forgivingly_but_checked() {
        let words = SeedWords::parse(WORDS).unwrap();
        assert_eq!(*words.entropy(), [0; 16]);
        assert_eq!(words.reveal().as_str(), WORDS);
        let untidy = format!("  {}\n", WORDS.to_uppercase().replace(' ', " \t "));
        assert_eq!(SeedWords::parse(&untidy), Ok(words));
        assert_eq!(SeedWords::parse("abandon"), Err(SeedError::WordCount(1)));
        assert_eq!(SeedWords::parse(""), Err(SeedError::WordCount(0)));
        assert_eq!(SeedWords::parse(&WORDS.replace("about", "abandon")), Err(SeedError::Checksum));
        assert_eq!(SeedWords::parse(&WORDS.replace("about", "aboot")), Err(SeedError::UnknownWord(12)));
    }

    #[test]
    fn nothing_shows_the_words() {
        let words = SeedWords::parse(WORDS).unwrap();
        assert!(!format!("{words:?}").contains("abandon"));
        assert!(
            !SeedWords::parse(&WORDS.replace("about", "secretive"))
                .unwrap_err()
                .to_string()
                .contains("secretive")
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn another_implementation_agrees(entropy in any::<[u8; 16]>(), last in 0usize..2_048) {
            let other = bip39::Mnemonic::from_entropy(&entropy).unwrap();
            let words = SeedWords::from_entropy(&entropy);
            let text = words.reveal();
            prop_assert_eq!(text.as_str(), other.to_string());
            prop_assert_eq!(*words.seed(), other.to_seed(""));
            let mut changed: Vec<_> = text.split(' ').map(str::to_owned).collect();
            changed[11] = word_list::word(last).unwrap().to_string();
            let changed = changed.join(" ");
            let read = SeedWords::parse(&changed).ok().map(|words| words.entropy().to_vec());
            prop_assert_eq!(read, bip39::Mnemonic::parse(&changed).ok().map(|words| words.to_entropy()));
        }
    }

    proptest! {
        #[test]
        fn entropy_round_trips(entropy in any::<[u8; 16]>()) {
            let words = SeedWords::from_entropy(&entropy);
            prop_assert_eq!(*words.entropy(), entropy);
            prop_assert_eq!(SeedWords::parse(&words.reveal()), Ok(words));
        }

        #[test]
        fn arbitrary_text_never_panics(text in ".*") {
            let _ = SeedWords::parse(&text);
        }
    }
}
