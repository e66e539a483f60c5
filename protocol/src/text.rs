//! Bech32m (BIP-350) for what people copy: invite codes, deposit addresses, tokens.

use bech32::{Bech32m, Checksum, Hrp, primitives::decode::CheckedHrpstring};

/// Bech32m without its length limit: a token of many notes is longer than the 90 characters of BIP-350.
/// Up to 1,023 characters any three changed ones are still noticed; beyond that all but one change in 2^30.
enum LongBech32m {}

impl Checksum for LongBech32m {
    type MidstateRepr = <Bech32m as Checksum>::MidstateRepr;
    type CorrectionField = <Bech32m as Checksum>::CorrectionField;
    const ROOT_GENERATOR: Self::CorrectionField = Bech32m::ROOT_GENERATOR;
    const ROOT_EXPONENTS: core::ops::RangeInclusive<usize> = Bech32m::ROOT_EXPONENTS;
    const CODE_LENGTH: usize = 1 << 20;
    const CHECKSUM_LENGTH: usize = Bech32m::CHECKSUM_LENGTH;
    const GENERATOR_SH: [u32; 5] = Bech32m::GENERATOR_SH;
    const TARGET_RESIDUE: u32 = Bech32m::TARGET_RESIDUE;
}

/// Why a text is not what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// A character was changed, lost or added, or it is no such text at all.
    #[error("the text is damaged or incomplete")]
    Damaged,
    /// A sound text, but of something else (an invite code where a token should be).
    #[error("this is not a text of the kind expected here")]
    WrongKind,
    /// The text is undamaged but what it holds does not decode: made by a newer or a broken program.
    #[error("the text holds something that this version can't read")]
    Unreadable,
}

/// Writes bytes as lower-case text that begins with `prefix`, or `None` above a mebibyte of text.
pub fn encode(prefix: &'static str, bytes: &[u8]) -> Option<String> {
    let hrp = Hrp::parse(prefix).ok()?;
    bech32::encode_lower::<LongBech32m>(hrp, bytes).ok()
}

/// Reads text written by [`encode`]; surrounding white space and upper case (as in QR codes) are fine.
///
/// # Errors
/// [`TextError::Damaged`] and [`TextError::WrongKind`].
pub fn decode(prefix: &'static str, text: &str) -> Result<Vec<u8>, TextError> {
    let checked = CheckedHrpstring::new::<LongBech32m>(text.trim()).map_err(|_| TextError::Damaged)?;
    if !checked.hrp().as_str().eq_ignore_ascii_case(prefix) {
        return Err(TextError::WrongKind);
    }
    Ok(checked.byte_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};

    proptest! {
        #[test]
        fn round_trips_and_notices_a_flipped_character(bytes in vec(any::<u8>(), 0..400), at in any::<prop::sample::Index>()) {
            let text = encode("rekindle", &bytes).unwrap();
            prop_assert_eq!(decode("rekindle", &text).unwrap(), bytes.clone());
            prop_assert_eq!(decode("rekindle", &format!(" {}\n", text.to_uppercase())).unwrap(), bytes);
            prop_assert_eq!(decode("other", &text), Err(TextError::WrongKind));
            let at = at.index(text.len());
            let flipped: String = text
                .chars()
                .enumerate()
                .map(|(i, c)| if i == at { if c == 'q' { 'p' } else { 'q' } } else { c })
                .collect();
            prop_assert_eq!(decode("rekindle", &flipped), Err(TextError::Damaged));
        }

        #[test]
        fn arbitrary_text_never_panics(text in ".*") {
            let _ = decode("rekindle", &text);
        }
    }
}
