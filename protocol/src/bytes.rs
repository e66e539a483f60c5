//! Fixed-size byte strings: hashes, keys, points, signatures.
//!
//! Wire types hold curve points as bytes, so that decoding never costs curve arithmetic. Whoever uses a
//! point first turns it into one through [`crate::bls`] or [`crate::schnorr`], which check it.

/// Defines a newtype over `[u8; N]` that is encoded as its bytes and shown as hex in JSON, `Display` and `Debug`.
macro_rules! byte_string {
    ($(#[$doc:meta])* $name:ident, $len:expr) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord,
            crate::encoding::Encode, crate::encoding::Decode,
        )]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// Length in bytes.
            pub const LEN: usize = $len;

            /// The bytes.
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }
        }

        impl AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl core::str::FromStr for $name {
            type Err = hex::FromHexError;

            /// Reads exactly `2 * LEN` hex digits.
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let mut bytes = [0; $len];
                hex::decode_to_slice(text, &mut bytes)?;
                Ok(Self(bytes))
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(deserializer)?
                    .parse()
                    .map_err(serde::de::Error::custom)
            }
        }
    };
}

byte_string!(
    /// A BLAKE3 hash, 32 bytes.
    Hash, 32
);
byte_string!(
    /// The hash of a federation's client config, 32 bytes: what a wallet trusts when it joins.
    FederationId, 32
);
byte_string!(
    /// The hash of all of a transaction's bytes, 32 bytes.
    TxId, 32
);
byte_string!(
    /// 16 random bytes, fresh for every new transaction, from which its owner derives all of its secrets.
    Tweak, 16
);
byte_string!(
    /// A keyed hash of the tweak, 2 bytes: lets the owner find a transaction, noise to everybody else.
    Tag, 2
);
byte_string!(
    /// A sealed note to the transaction's owner, 64 bytes (see [`crate::ownership`]).
    Memo, 64
);
byte_string!(
    /// An x-only secp256k1 public key of BIP-340, 32 bytes.
    SchnorrKey, 32
);
byte_string!(
    /// A BIP-340 signature, 64 bytes.
    SchnorrSignature, 64
);
byte_string!(
    /// A compressed G1 point of BLS12-381, 48 bytes, not yet checked: a public key or part of one.
    G1Bytes, 48
);
byte_string!(
    /// A compressed G2 point of BLS12-381, 96 bytes, not yet checked: a message, blinded message, share or signature.
    G2Bytes, 96
);
byte_string!(
    /// A wallet's random bytes in a request that the guardian signs into its answer, 16 bytes, so that no answer can be replayed.
    Challenge, 16
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_round_trips_and_refuses_other_lengths() {
        let tag = Tag([0xab, 0x01]);
        assert_eq!(tag.to_string(), "ab01");
        assert_eq!("ab01".parse::<Tag>(), Ok(tag));
        assert!("ab0".parse::<Tag>().is_err());
        assert!("ab0102".parse::<Tag>().is_err());
        assert_eq!(serde_json::to_string(&tag).unwrap(), "\"ab01\"");
        assert_eq!(serde_json::from_str::<Tag>("\"ab01\"").unwrap(), tag);
    }
}
