//! The English word list of BIP-39: 2,048 words in alphabetical order.
//!
//! It is front-coded, which saves a page a third of its bytes: `words.txt` has of each word what it does not share with
//! the one before, and between two words the number of letters that they share.

use zeroize::Zeroizing;

const WORDS: &str = include_str!("words.txt");
/// The most letters of a word. Room for so many means that a word is never copied to where nobody erases it.
const LONGEST: usize = 8;

/// The number of `word`, in any case.
pub fn number(word: &str) -> Option<usize> {
    find(&|_, listed| listed.eq_ignore_ascii_case(word)).map(|(number, _)| number)
}

/// The word of that number.
pub fn word(number: usize) -> Option<Zeroizing<String>> {
    find(&|at, _| at == number).map(|(_, word)| word)
}

/// The first word that is wanted, and its number.
fn find(wanted: &dyn Fn(usize, &str) -> bool) -> Option<(usize, Zeroizing<String>)> {
    let mut word = Zeroizing::new(String::with_capacity(LONGEST));
    let mut number = 0;
    for sign in WORDS.chars().chain(['0']) {
        let Some(shared) = sign.to_digit(10) else {
            word.push(sign);
            continue;
        };
        if wanted(number, &word) {
            return Some((number, word));
        }
        number += 1;
        word.truncate(shared as usize);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use pbkdf2::sha2::{Digest, Sha256};

    #[test]
    fn the_list_is_the_one_of_the_standard() {
        let words: Vec<_> = (0..2_048).map(|number| word(number).unwrap()).collect();
        let text: String = words.iter().map(|word| format!("{}\n", word.as_str())).collect();
        let hash = hex::encode(Sha256::digest(text));
        assert_eq!(hash, "2f5eed53a4727b4bf8880d8f3f199efc90e58503646d9ff8eff3a2ed3b24dbda");
        assert!(word(2_048).is_none());
        assert!(words.iter().all(|word| word.len() <= LONGEST));
    }

    #[test]
    fn words_are_found_in_any_case() {
        assert_eq!([number("abandon"), number("ABOUT"), number("zoo")], [Some(0), Some(3), Some(2_047)]);
        assert_eq!([number("aband"), number("zoology"), number("")], [None; 3]);
    }
}
