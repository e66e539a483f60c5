//! Connection info: all that other guardians must know of one before the ceremony.

use std::fmt;

use rekindle_protocol::{
    bytes::SchnorrKey,
    config::{MAX_NAME_BYTES, MAX_URL_BYTES},
    encoding::{Canonical, Decode, Encode},
    text::{self, TextError},
};

use crate::network::tcp::Fingerprint;

/// Most bytes of an address.
const MAX_ADDRESS_BYTES: usize = 300;

/// What a guardian's operator gives to all others, by a way that nobody can change it on: whoever could would take
/// the guardian's place.
///
/// As text it is bech32m with the prefix `guardian`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct ConnectionInfo {
    /// The key with which it signs. Guardians are numbered in the order of these keys.
    pub identity: SchnorrKey,
    /// The fingerprint of its certificate.
    pub certificate: Fingerprint,
    /// A name for people.
    #[encoding(text = MAX_NAME_BYTES)]
    pub name: String,
    /// Host and port at which other guardians reach it.
    #[encoding(text = MAX_ADDRESS_BYTES)]
    pub address: String,
    /// Base URL at which wallets reach it, without a slash at the end.
    #[encoding(text = MAX_URL_BYTES)]
    pub public_url: String,
}

impl ConnectionInfo {
    const PREFIX: &'static str = "guardian";

    /// Reads connection info.
    ///
    /// # Errors
    /// [`TextError`].
    pub fn parse(text: &str) -> Result<Self, TextError> {
        let bytes = text::decode(Self::PREFIX, text)?;
        Self::from_bytes(&bytes).map_err(|_| TextError::Unreadable)
    }
}

impl fmt::Display for ConnectionInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text::encode(Self::PREFIX, &self.to_bytes()).ok_or(fmt::Error)?)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn round_trips(identity in any::<[u8; 32]>(), certificate in any::<[u8; 32]>(), texts in [".{0,20}", ".{0,20}", ".{0,20}"]) {
            let [name, address, public_url] = texts;
            let (identity, certificate) = (SchnorrKey(identity), Fingerprint(certificate));
            let info = ConnectionInfo { identity, certificate, name, address, public_url };
            prop_assert_eq!(ConnectionInfo::parse(&info.to_string()), Ok(info));
        }
    }

    #[test]
    fn other_codes_are_refused() {
        assert_eq!(ConnectionInfo::parse("hello"), Err(TextError::Damaged));
        let invite = text::encode("rekindle", b"abc").unwrap();
        assert_eq!(ConnectionInfo::parse(&invite), Err(TextError::WrongKind));
        let short = text::encode("guardian", b"abc").unwrap();
        assert_eq!(ConnectionInfo::parse(&short), Err(TextError::Unreadable));
    }
}
