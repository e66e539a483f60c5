//! Records of `GET /v1/recovery`: recovery entries session by session, closed by a signed header.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use crate::{
    bytes::{G2Bytes, Hash},
    encoding,
    session::{MAX_SESSION_BYTES, SessionHeader},
};

/// One record of a range of recovery entries.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecoveryRecord {
    /// The entries of the next session.
    Session {
        /// The session's items root, with which it can be checked by hashes alone if it is fetched.
        items: Hash,
        /// The entries, see [`crate::recovery_index::Entries`].
        #[borsh(deserialize_with = "encoding::bytes::<MAX_SESSION_BYTES, _>")]
        #[serde(with = "hex::serde")]
        entries: Vec<u8>,
    },
    /// This many sessions without items follow.
    Empty(u32),
    /// The header of the last session of the range, signed: it vouches for the whole range. Always the last record.
    Signed {
        /// The header.
        header: SessionHeader,
        /// The federation's signature on it.
        signature: G2Bytes,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        encoding::testing::{assert_round_trip, assert_strict, hostile_bytes},
        session::testing::any_session,
    };
    use proptest::{collection::vec, prelude::*};

    fn any_record() -> impl Strategy<Value = RecoveryRecord> {
        prop_oneof![
            (any::<[u8; 32]>(), vec(any::<u8>(), 0..60))
                .prop_map(|(items, entries)| RecoveryRecord::Session { items: Hash(items), entries }),
            any::<u32>().prop_map(RecoveryRecord::Empty),
            any_session().prop_map(|s| RecoveryRecord::Signed { header: s.header, signature: s.signature }),
        ]
    }

    proptest! {
        #[test]
        fn round_trips(record in any_record()) {
            assert_round_trip(&record);
        }

        #[test]
        fn decoder_is_strict(bytes in hostile_bytes(any_record())) {
            assert_strict::<RecoveryRecord>(&bytes);
        }
    }
}
