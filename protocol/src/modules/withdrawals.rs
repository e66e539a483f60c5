//! What an issuer follows to pay what was burned toward it.

use serde::{Deserialize, Serialize};

use crate::{
    amount::Amount,
    bytes::{FederationId, Hash, SchnorrKey, SchnorrSignature},
    encoding::{Decode, Encode},
    hash::Context,
    schnorr,
    transaction::OutPoint,
};

/// Most withdrawals in one answer: 24 MiB of sessions can't hold more.
pub const MAX_WITHDRAWALS: usize = 1 << 19;

/// How far the clocks of issuer and guardian may be apart, in seconds.
pub const MAX_CLOCK_SKEW: u64 = 300;

/// Value that a signed session burned toward an issuer. Before it pays, an issuer checks the session's signature
/// itself: a guardian's word is not enough.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct Withdrawal {
    /// The session that holds it.
    pub session: u64,
    /// The output; it names the withdrawal for ever.
    pub output: OutPoint,
    /// How much, in sats.
    pub amount: Amount,
    /// What the owner and the issuer know it by.
    pub reference: Hash,
}

/// The answer to `GET /v1/issuer/withdrawals`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct Withdrawals {
    /// In the order of history.
    #[encoding(list = MAX_WITHDRAWALS)]
    pub withdrawals: Vec<Withdrawal>,
    /// The session to ask from the next time: all before it are looked through.
    pub next: u64,
}

/// An issuer's signature on a request, as `Authorization: Issuer ISSUER:SECONDS:SIGNATURE`. A request is good for
/// some minutes ([`MAX_CLOCK_SKEW`]); whoever repeats it in that time learns what the issuer learned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerAuthorization {
    /// The issuer's id.
    pub issuer: u16,
    /// When it was signed, in seconds since 1970.
    pub time: u64,
    /// The issuer's signature on federation, issuer, time and path with query.
    pub signature: SchnorrSignature,
}

impl IssuerAuthorization {
    /// The scheme in the header.
    pub const SCHEME: &'static str = "Issuer";

    /// Signs a request for `target`, which is a path with its query.
    pub fn sign(
        federation: &FederationId,
        issuer: u16,
        time: u64,
        target: &str,
        key: &schnorr::SecretKey,
    ) -> Self {
        Self { issuer, time, signature: key.sign(&Self::digest(federation, issuer, time, target)) }
    }

    /// Whether the owner of `key` signed it for `target`, at a time that is close to `now`.
    pub fn verify(&self, federation: &FederationId, target: &str, now: u64, key: &SchnorrKey) -> bool {
        self.time.abs_diff(now) <= MAX_CLOCK_SKEW
            && schnorr::verify(
                key,
                &Self::digest(federation, self.issuer, self.time, target),
                &self.signature,
            )
    }

    fn digest(federation: &FederationId, issuer: u16, time: u64, target: &str) -> Hash {
        Context::IssuerRequest.hash(&[
            &federation.0,
            &issuer.to_le_bytes(),
            &time.to_le_bytes(),
            target.as_bytes(),
        ])
    }

    /// The value of the header.
    pub fn header(&self) -> String {
        format!("{} {}:{}:{}", Self::SCHEME, self.issuer, self.time, self.signature)
    }

    /// Reads the value of the header; `None` if it is anything else.
    pub fn parse(header: &str) -> Option<Self> {
        let mut parts = header.strip_prefix(Self::SCHEME)?.strip_prefix(' ')?.split(':');
        let parsed = Self {
            issuer: parts.next()?.parse().ok()?,
            time: parts.next()?.parse().ok()?,
            signature: parts.next()?.parse().ok()?,
        };
        parts.next().is_none().then_some(parsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        bytes::TxId,
        encoding::testing::{assert_round_trip, assert_strict},
    };
    use proptest::{collection::vec, prelude::*};

    #[test]
    fn an_authorization_binds_issuer_time_and_target() {
        let key = schnorr::SecretKey::from_bytes(&[6; 32]).unwrap();
        let federation = FederationId([1; 32]);
        let signed = IssuerAuthorization::sign(&federation, 2, 1_000, "/a?from=1", &key);
        let valid = |signed: &IssuerAuthorization, target: &str, now| {
            signed.verify(&federation, target, now, &key.public_key())
        };
        assert!(valid(&signed, "/a?from=1", 1_000 + MAX_CLOCK_SKEW));
        assert!(valid(&signed, "/a?from=1", 1_000 - MAX_CLOCK_SKEW));
        assert!(!valid(&signed, "/a?from=1", 1_001 + MAX_CLOCK_SKEW));
        assert!(!valid(&signed, "/a?from=2", 1_000));
        assert!(!valid(&IssuerAuthorization { issuer: 1, ..signed.clone() }, "/a?from=1", 1_000));
        assert!(!valid(&IssuerAuthorization { time: 1_001, ..signed.clone() }, "/a?from=1", 1_000));
        assert!(!signed.verify(&FederationId([2; 32]), "/a?from=1", 1_000, &key.public_key()));
        assert_eq!(IssuerAuthorization::parse(&signed.header()), Some(signed.clone()));
        for wrong in ["", "Issuer", "Bearer 1:2:3", &format!("{}:", signed.header()), "Issuer x:1:00"] {
            assert_eq!(IssuerAuthorization::parse(wrong), None, "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn decoders_are_strict(bytes in vec(any::<u8>(), 0..200)) {
            assert_strict::<Withdrawals>(&bytes);
        }

        #[test]
        fn answers_round_trip(session in any::<u64>(), hash in any::<[u8; 32]>(), amount in any::<u64>()) {
            let withdrawal = Withdrawal {
                session,
                output: OutPoint { txid: TxId(hash), output: 3 },
                amount: Amount(amount),
                reference: Hash(hash),
            };
            assert_round_trip(&Withdrawals { withdrawals: vec![withdrawal], next: session });
        }
    }
}
