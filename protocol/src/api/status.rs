//! What a guardian says of itself.

use serde::{Deserialize, Serialize};

use crate::encoding::{Decode, Encode};

/// The answer to `GET /v2/status`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct Status {
    /// Which guardian answers.
    pub guardian: u16,
    /// Version of its software.
    #[encoding(text = 100)]
    pub version: String,
    /// Versions of the API that it speaks.
    #[encoding(list = 16)]
    pub api_versions: Vec<u32>,
    /// Number of the current session.
    pub session_count: u64,
    /// The current epoch.
    pub epoch: u64,
    /// For each guardian the last epoch with a contribution of its, if any since the start.
    #[encoding(list = 100)]
    pub latest_contributions: Vec<Option<u64>>,
    /// For each guardian how it is connected to this one.
    #[encoding(list = 100)]
    pub connections: Vec<Connection>,
    /// What the federation owes, and what it must owe.
    pub audit: Audit,
}

/// The answer to `GET /v1/status`: without the audit.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct StatusV1 {
    /// As in [`Status`].
    pub guardian: u16,
    /// As in [`Status`].
    #[encoding(text = 100)]
    pub version: String,
    /// As in [`Status`].
    #[encoding(list = 16)]
    pub api_versions: Vec<u32>,
    /// As in [`Status`].
    pub session_count: u64,
    /// As in [`Status`].
    pub epoch: u64,
    /// As in [`Status`].
    #[encoding(list = 100)]
    pub latest_contributions: Vec<Option<u64>>,
    /// As in [`Status`].
    #[encoding(list = 100)]
    pub connections: Vec<Connection>,
}

impl From<Status> for StatusV1 {
    fn from(status: Status) -> Self {
        let Status {
            guardian,
            version,
            api_versions,
            session_count,
            epoch,
            latest_contributions,
            connections,
            ..
        } = status;
        Self { guardian, version, api_versions, session_count, epoch, latest_contributions, connections }
    }
}

/// How a guardian is connected to the one that answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Connection {
    /// It is the one that answers.
    Own,
    /// Messages flow.
    Connected,
    /// It is dialled, or waited for.
    Disconnected,
    /// It sent what no correct guardian sends, and is not listened to until this guardian restarts.
    Banned,
    /// In the same process, where nothing can be disconnected.
    Local,
}

/// What a federation owes, in sats, as one of its guardians has counted. Also the answer to `GET /v1/admin/audit`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct Audit {
    /// Notes issued, ever.
    pub issued: u128,
    /// Notes spent.
    pub redeemed: u128,
    /// What issuers credited.
    pub credited: u128,
    /// Credits claimed.
    pub claimed: u128,
    /// What was burned toward issuers.
    pub withdrawn: u128,
    /// What the federation kept.
    pub fees: u128,
    /// What it owes: notes in circulation and unclaimed credits. None if more was taken than there was.
    pub liabilities: Option<u128>,
    /// What it must owe: credits less withdrawals and fees. None if more was taken than there was.
    pub backing: Option<u128>,
    /// Whether the two are the same.
    pub balanced: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::testing::{assert_round_trip, assert_strict};
    use proptest::{collection::vec, prelude::*};

    #[test]
    fn statuses_round_trip() {
        let audit =
            Audit { credited: 7, fees: 2, liabilities: Some(5), backing: Some(5), ..Audit::default() };
        let status = Status {
            guardian: 1,
            version: "1.2.3".into(),
            api_versions: vec![1, 2],
            session_count: 4,
            epoch: 5,
            latest_contributions: vec![None, Some(4)],
            connections: vec![Connection::Banned, Connection::Own],
            audit,
        };
        assert_round_trip(&status);
        assert_round_trip(&StatusV1::from(status));
    }

    proptest! {
        #[test]
        fn decoders_are_strict(bytes in vec(any::<u8>(), 0..200)) {
            assert_strict::<Status>(&bytes);
            assert_strict::<StatusV1>(&bytes);
        }
    }
}
