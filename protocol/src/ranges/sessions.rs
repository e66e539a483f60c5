//! Records of `GET /v1/sessions`: sessions back to back, with runs of empty ones collapsed.

use serde::{Deserialize, Serialize};

use crate::{
    bytes::{FederationId, G2Bytes},
    encoding::{Canonical, Decode, DecodeError, Encode},
    session::{HashedItems, HashedSession, SessionHeader, SignedSession},
};

/// Most empty sessions in one run.
pub const MAX_EMPTY_RUN: usize = 10_000;

/// One record of a range of sessions.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionRecord {
    /// One session.
    Session(SignedSession),
    /// Empty sessions, one after the other.
    EmptyRun(EmptyRun),
}

impl SessionRecord {
    /// Decodes a record and gives its sessions to `take`, hashed but not yet verified.
    ///
    /// # Errors
    /// [`DecodeError`]; nothing was given.
    pub fn read(
        bytes: &[u8],
        federation: &FederationId,
        take: &mut dyn FnMut(HashedSession),
    ) -> Result<(), DecodeError> {
        match bytes.split_first() {
            Some((0, session)) => take(HashedSession::from_bytes(session)?),
            _ => match Self::from_bytes(bytes)? {
                Self::EmptyRun(run) => run.expand(federation, take),
                // Kind 0, which was taken care of above.
                Self::Session(_) => {}
            },
        }
        Ok(())
    }
}

/// Sessions without items: all but two numbers of their headers follow from the header before.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct EmptyRun {
    /// The first session's header.
    pub first: SessionHeader,
    /// The sessions after it, at most [`MAX_EMPTY_RUN`].
    #[encoding(list = MAX_EMPTY_RUN)]
    pub more: Vec<EmptySession>,
    /// The signature on the last session's header.
    pub signature: G2Bytes,
}

/// What does not follow of an empty session's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct EmptySession {
    /// The last epoch it contains.
    pub last_epoch: u64,
    /// Consensus time, milliseconds since 1970.
    pub time: u64,
}

impl EmptyRun {
    /// How many sessions it holds.
    #[allow(clippy::len_without_is_empty, reason = "a run has a first session")]
    pub fn len(&self) -> usize {
        1 + self.more.len()
    }

    /// Gives the run's sessions to `take`, not yet verified. Only the last one carries a signature.
    fn expand(&self, federation: &FederationId, take: &mut dyn FnMut(HashedSession)) {
        let content = HashedItems::new(Vec::new());
        let mut header = self.first;
        for EmptySession { last_epoch, time } in self.more.iter().copied() {
            take(HashedSession { header, signature: None, content: content.clone() });
            header = content.header(federation, Some(&header), last_epoch, time);
        }
        take(HashedSession { header, signature: Some(self.signature), content });
    }

    /// Collapses signed sessions without items that follow one another.
    pub fn collapse(sessions: &[(SessionHeader, G2Bytes)]) -> Option<Self> {
        let ((first, _), rest) = sessions.split_first()?;
        let (_, signature) = sessions.last()?;
        let more =
            rest.iter().map(|(h, _)| EmptySession { last_epoch: h.last_epoch, time: h.time }).collect();
        Some(Self { first: *first, more, signature: *signature })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        bytes::Hash,
        chain::ChainPosition,
        encoding::testing::{assert_round_trip, assert_strict, hostile_bytes},
        session::testing::any_session,
    };
    use proptest::{collection::vec, prelude::*};

    const FEDERATION: FederationId = FederationId([3; 32]);

    fn any_run() -> impl Strategy<Value = EmptyRun> {
        (any_session(), vec(any::<(u64, u64)>(), 0..5)).prop_map(|(session, more)| EmptyRun {
            first: session.header,
            more: more.into_iter().map(|(last_epoch, time)| EmptySession { last_epoch, time }).collect(),
            signature: session.signature,
        })
    }

    fn any_record() -> impl Strategy<Value = SessionRecord> {
        prop_oneof![
            any_session().prop_map(SessionRecord::Session),
            any_run().prop_map(SessionRecord::EmptyRun)
        ]
    }

    proptest! {
        #[test]
        fn records_round_trip(record in any_record()) {
            assert_round_trip(&record);
        }

        #[test]
        fn reading_is_strict(bytes in hostile_bytes(any_record())) {
            assert_strict::<SessionRecord>(&bytes);
            let mut sessions = Vec::new();
            let read = SessionRecord::read(&bytes, &FEDERATION, &mut |session| sessions.push(session));
            prop_assert_eq!(read.is_ok(), SessionRecord::from_bytes(&bytes).is_ok());
            prop_assert_eq!(read.is_err(), sessions.is_empty());
        }

        #[test]
        fn a_run_says_what_its_sessions_said(times in vec(any::<(u64, u64)>(), 1..6)) {
            let content = HashedItems::new(vec![]);
            let mut headers: Vec<(SessionHeader, G2Bytes)> = Vec::new();
            for (last_epoch, time) in times {
                let header = content.header(&FEDERATION, headers.last().map(|(h, _)| h), last_epoch, time);
                headers.push((header, G2Bytes([1; 96])));
            }
            let run = EmptyRun::collapse(&headers).unwrap();
            let mut sessions = Vec::new();
            let run = SessionRecord::EmptyRun(run).to_bytes();
            SessionRecord::read(&run, &FEDERATION, &mut |session| sessions.push(session)).unwrap();
            let mut position = ChainPosition::GENESIS;
            for session in &sessions {
                position.extend(&FEDERATION, session).unwrap();
            }
            prop_assert_eq!(sessions.iter().map(|s| s.header).collect::<Vec<_>>(), headers.iter().map(|h| h.0).collect::<Vec<_>>());
            prop_assert_eq!(sessions.iter().filter(|s| s.signature.is_some()).count(), 1);
            prop_assert!(sessions.last().is_some_and(|s| s.signature.is_some()));
            prop_assert_ne!(position.previous, Hash([0; 32]));
        }
    }
}
