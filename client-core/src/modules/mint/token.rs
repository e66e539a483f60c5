//! Tokens: notes as text, to be handed to somebody. Whoever redeems a token first has the money.

use rekindle_protocol::{
    amount::Amount,
    bytes::{FederationId, G2Bytes, SchnorrKey},
    encoding::{Canonical, Decode, Encode},
    modules::{deposit::DepositAddress, mint::Denomination},
    schnorr::SecretKey,
    text::{self, TextError},
    transaction::MAX_INPUTS,
};
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::sorted::SortedSet;

/// Why a text is not a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TokenError {
    /// Damaged, of another kind, or of a newer version.
    #[error(transparent)]
    Text(#[from] TextError),
    /// It holds no notes, more than a transaction can spend, the same one twice, or impossible ones.
    #[error("the token holds impossible notes")]
    Notes,
}

/// A note with everything needed to spend it. Erased when dropped; it has no `Debug`.
#[derive(Clone, PartialEq, Eq, Encode, Decode, Zeroize, ZeroizeOnDrop)]
pub struct TokenNote {
    /// What it is worth.
    #[zeroize(skip)]
    pub denomination: Denomination,
    /// The secret key of its nonce, 32 bytes.
    pub secret: [u8; 32],
    /// The federation's signature on its nonce.
    #[zeroize(skip)]
    pub signature: G2Bytes,
}

impl TokenNote {
    /// Its nonce, or `None` if the secret is no key.
    pub fn nonce(&self) -> Option<SchnorrKey> {
        SecretKey::from_bytes(&self.secret).ok().map(|key| key.public_key())
    }
}

/// Notes of one federation. It has no `Debug`.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct Token {
    /// First bytes of the federation's id.
    pub federation: [u8; 8],
    /// The notes, at least one.
    pub notes: Vec<TokenNote>,
}

impl Token {
    const PREFIX: &'static str = "rktoken";

    /// A token of these notes.
    pub fn new(federation: &FederationId, notes: Vec<TokenNote>) -> Self {
        Self { federation: DepositAddress::federation_prefix(federation), notes }
    }

    /// What it is worth.
    pub fn amount(&self) -> Amount {
        Amount(self.notes.iter().filter_map(|n| n.denomination.amount()).map(Amount::sats).sum())
    }

    /// The token's text, bech32m with the prefix `rktoken`. As good as cash.
    pub fn to_text(&self) -> Zeroizing<String> {
        let bytes = Zeroizing::new(self.to_bytes());
        // 255 notes of 129 bytes are far below the mebibyte at which encoding gives up.
        Zeroizing::new(text::encode(Self::PREFIX, &bytes).unwrap_or_default())
    }

    /// Reads a token's text.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        let bytes = Zeroizing::new(text::decode(Self::PREFIX, text)?);
        let token = Self::from_bytes(&bytes).map_err(|_| TextError::Unreadable)?;
        let count = token.notes.len();
        if count == 0 || count > MAX_INPUTS || token.notes.iter().any(|n| n.denomination.amount().is_none()) {
            return Err(TokenError::Notes);
        }
        // Two secrets, k and -k, share one nonce: what must differ is the nonces.
        let nonces: Option<SortedSet<SchnorrKey>> = token.notes.iter().map(TokenNote::nonce).collect();
        if nonces.is_some_and(|nonces| nonces.len() == count) { Ok(token) } else { Err(TokenError::Notes) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};

    fn note(k: u8, secret: u8) -> TokenNote {
        TokenNote { denomination: Denomination(k), secret: [secret; 32], signature: G2Bytes([3; 96]) }
    }

    #[test]
    fn impossible_tokens_are_refused() {
        let federation = FederationId([1; 32]);
        let parse = |notes| Token::parse(&Token::new(&federation, notes).to_text()).err();
        assert_eq!(parse(vec![note(3, 1), note(3, 2)]), None);
        for notes in
            [vec![], vec![note(1, 1), note(2, 1)], vec![note(28, 1)], vec![note(1, 0)], vec![note(1, 0xff)]]
        {
            assert_eq!(parse(notes), Some(TokenError::Notes));
        }
        assert_eq!(Token::parse("rktoken1").err(), Some(TokenError::Text(TextError::Damaged)));
    }

    proptest! {
        #[test]
        fn round_trips(notes in vec((0u8..28, 1u8..255), 1..6)) {
            let mut notes: Vec<TokenNote> = notes.into_iter().map(|(k, s)| note(k, s)).collect();
            notes.sort_by_key(|note| note.secret);
            notes.dedup_by_key(|note| note.secret);
            let token = Token::new(&FederationId([7; 32]), notes);
            let read = Token::parse(&token.to_text()).unwrap_or_else(|e| panic!("{e}"));
            prop_assert!(read == token);
            prop_assert_eq!(read.amount(), token.amount());
        }
    }
}
