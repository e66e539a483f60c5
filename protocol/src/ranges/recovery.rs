//! Records of `GET /v1/recovery`: recovery entries session by session, closed by a signed header.

use serde::{Deserialize, Serialize};

use crate::{
    bytes::{G2Bytes, Hash},
    encoding::{Decode, Encode},
    recovery_index::Entries,
    session::{MAX_SESSION_BYTES, SessionHeader},
};

/// One record of a range of recovery entries.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecoveryRecord {
    /// The entries of the next session.
    Session {
        /// The session's items root, with which it can be checked by hashes alone if it is fetched.
        items: Hash,
        /// The entries, see [`crate::recovery_index::Entries`]: the rest of the record, without a length.
        #[encoding(with = rest_of_entries)]
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

/// Well-formed entries up to the end of the record.
mod rest_of_entries {
    use super::{Entries, MAX_SESSION_BYTES};
    use crate::encoding::Decoder;

    pub fn encode(entries: &[u8], to: &mut Vec<u8>) {
        to.extend_from_slice(entries);
    }

    pub fn decode(from: &mut Decoder<'_>) -> Vec<u8> {
        let bytes = from.take_rest();
        if bytes.len() > MAX_SESSION_BYTES {
            from.fail("the entries are above the limit of a session");
            return Vec::new();
        }
        if let Some(error) = Entries(bytes).find_map(Result::err) {
            from.fail(error.reason);
        }
        bytes.to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        encoding::testing::{assert_round_trip, assert_strict, hostile_bytes},
        recovery_index::Entry,
        session::testing::any_session,
        transaction::testing::any_transaction,
    };
    use proptest::{collection::vec, prelude::*};

    fn any_record() -> impl Strategy<Value = RecoveryRecord> {
        prop_oneof![
            (any::<[u8; 32]>(), vec(any_transaction(), 0..4)).prop_map(|(items, transactions)| {
                let mut entries = Vec::new();
                transactions.iter().for_each(|transaction| Entry::write(transaction, &mut entries));
                RecoveryRecord::Session { items: Hash(items), entries }
            }),
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
