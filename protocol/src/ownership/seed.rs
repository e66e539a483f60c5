//! Seed words: BIP-39, twelve English words.

use core::fmt;

use bip39::{Language, Mnemonic};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::WalletSecret;
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

/// The twelve words that a wallet comes back from. Erased when dropped, and shown only when asked for by name.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct SeedWords(Mnemonic);

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
        Self(Mnemonic::from_entropy(entropy).expect("BIP-39 has words for any 16 bytes"))
    }

    /// Reads words separated by white space, in any case.
    ///
    /// # Errors
    /// [`SeedError`].
    pub fn parse(text: &str) -> Result<Self, SeedError> {
        let mut normal = Zeroizing::new(String::with_capacity(text.len()));
        for word in text.split_whitespace() {
            if !normal.is_empty() {
                normal.push(' ');
            }
            normal.extend(word.chars().map(|c| c.to_ascii_lowercase()));
        }
        let count = normal.split(' ').filter(|word| !word.is_empty()).count();
        if count != Self::COUNT {
            return Err(SeedError::WordCount(count));
        }
        Mnemonic::parse_in_normalized(Language::English, &normal).map(Self).map_err(|error| match error {
            bip39::Error::UnknownWord(at) => SeedError::UnknownWord(at + 1),
            bip39::Error::BadWordCount(count) => SeedError::WordCount(count),
            _ => SeedError::Checksum,
        })
    }

    /// The words with a space between, to be shown to their owner.
    pub fn reveal(&self) -> Zeroizing<String> {
        Zeroizing::new(self.0.to_string())
    }

    /// The 16 bytes that the words stand for, for storage.
    pub fn entropy(&self) -> Zeroizing<[u8; 16]> {
        let mut entropy = Zeroizing::new([0; 16]);
        let (mut bytes, length) = self.0.to_entropy_array();
        debug_assert_eq!(length, entropy.len(), "twelve words hold 16 bytes");
        entropy.copy_from_slice(&bytes[..16]);
        bytes.zeroize();
        entropy
    }

    /// The wallet's secrets in a federation. Costs 2,048 rounds of HMAC-SHA-512 (BIP-39).
    pub fn wallet_secret(&self, federation: &FederationId) -> WalletSecret {
        let seed = Zeroizing::new(self.0.to_seed_normalized(""));
        let root = Zeroizing::new(Context::SeedRoot.hash(&[&*seed]).0);
        WalletSecret::new(&root, federation)
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
