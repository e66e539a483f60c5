//! Invite codes: all a wallet needs to join a federation and to trust nothing else.

use crate::{
    bls::MAX_GUARDIANS,
    bytes::FederationId,
    config::MAX_URL_BYTES,
    encoding::{Canonical, Decode, Encode},
    text::{self, TextError},
};

/// A federation's id and where some of its guardians are reached. The config that they serve must hash to the id.
///
/// As text it is bech32m with the prefix `rekindle`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct InviteCode {
    /// The hash of the config.
    pub federation: FederationId,
    /// Guardians to ask first.
    #[encoding(list = MAX_GUARDIANS)]
    pub guardians: Vec<InvitedGuardian>,
}

/// A guardian in an invite code.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct InvitedGuardian {
    /// Its id in the config.
    pub id: u16,
    /// Base URL of its API, without a slash at the end.
    #[encoding(text = MAX_URL_BYTES)]
    pub url: String,
}

impl InviteCode {
    const PREFIX: &'static str = "rekindle";

    /// Reads an invite code.
    ///
    /// # Errors
    /// [`TextError`]; a code without guardians is unreadable.
    pub fn parse(text: &str) -> Result<Self, TextError> {
        let bytes = text::decode(Self::PREFIX, text)?;
        let invite = Self::from_bytes(&bytes).map_err(|_| TextError::Unreadable)?;
        if invite.guardians.is_empty() { Err(TextError::Unreadable) } else { Ok(invite) }
    }
}

impl core::fmt::Display for InviteCode {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&text::encode(Self::PREFIX, &self.to_bytes()).ok_or(core::fmt::Error)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};

    proptest! {
        #[test]
        fn round_trips(id in any::<[u8; 32]>(), guardians in vec((any::<u16>(), ".{0,40}"), 1..5)) {
            let invite = InviteCode {
                federation: FederationId(id),
                guardians: guardians.into_iter().map(|(id, url)| InvitedGuardian { id, url }).collect(),
            };
            prop_assert_eq!(InviteCode::parse(&invite.to_string()), Ok(invite));
        }
    }

    #[test]
    fn what_is_no_invite_code_is_refused() {
        let empty = InviteCode { federation: FederationId([0; 32]), guardians: vec![] };
        assert_eq!(InviteCode::parse(&empty.to_string()), Err(TextError::Unreadable));
        assert_eq!(InviteCode::parse("hello"), Err(TextError::Damaged));
        let other = text::encode("rekindle", b"abc").unwrap();
        assert_eq!(InviteCode::parse(&other), Err(TextError::Unreadable));
    }
}
