//! Sessions: how many there are, and one.

use rekindle_protocol::{
    api::paths,
    chain::{ChainError, check_signature},
    encoding::Canonical,
    session::{HashedItems, MAX_SESSION_BYTES, SessionStatus, SignedSession},
};

use super::{
    super::{
        FederationResult, GuardianFault, KnownSession, Served,
        answers::SessionQuery,
        call::Limits,
        query::{AnyValid, CountStrategy},
    },
    ANSWER_MS, FederationApi, Question, SMALL_BYTES, attested,
};

/// Room for what surrounds a session's own bytes: kind, length, signature.
const ENVELOPE_BYTES: usize = 1 << 10;

impl FederationApi {
    /// The number of the current session: the (f + 1)-th largest of at least n - f attested answers.
    ///
    /// # Errors
    /// [`FederationError`](crate::federation::FederationError).
    pub async fn session_count(&self) -> FederationResult<u64> {
        let quorum = self.quorum();
        let question = Question::Attested {
            path: paths::SESSION_COUNT,
            body: None,
            wait_seconds: 0,
            limit: SMALL_BYTES,
        };
        self.ask(CountStrategy::new(quorum), quorum.all_honest(), question, |_, sent| attested(sent)).await
    }

    /// A signed session from any guardian. Its signature, index and items root have been checked.
    ///
    /// # Errors
    /// [`FederationError`](crate::federation::FederationError), also if nobody has it yet.
    pub async fn session(&self, index: u64) -> FederationResult<Served<SignedSession>> {
        let limits = Limits { bytes: MAX_SESSION_BYTES + ENVELOPE_BYTES, milliseconds: ANSWER_MS };
        let question = Question::Plain { path: &paths::session(index), body: None, limits };
        self.ask(AnyValid::new(self.quorum()), 1, question, |guardian, sent| match SessionStatus::from_bytes(
            &sent?,
        )? {
            SessionStatus::Complete(value) => {
                self.check_session(index, &value)?;
                Ok(Served { guardian, value })
            }
            _ => Err(GuardianFault::Missing(index).into()),
        })
        .await
    }

    /// What is known of a session; waits up to `wait_seconds` (at most [`MAX_WAIT_SECONDS`]) for it to be
    /// complete.
    ///
    /// # Errors
    /// [`FederationError`](crate::federation::FederationError).
    pub async fn session_status(&self, index: u64, wait_seconds: u64) -> FederationResult<KnownSession> {
        self.known_session(index, wait_seconds, false).await
    }

    /// What is known of a session that has begun, by the count of sessions. To a guardian who says that it has not, it
    /// is missing.
    ///
    /// # Errors
    /// [`FederationError`](crate::federation::FederationError).
    pub async fn begun_session(&self, index: u64) -> FederationResult<KnownSession> {
        self.known_session(index, 0, true).await
    }

    async fn known_session(
        &self,
        index: u64,
        wait_seconds: u64,
        has_begun: bool,
    ) -> FederationResult<KnownSession> {
        let path = &paths::session(index);
        let quorum = self.quorum();
        let question =
            Question::Attested { path, body: None, wait_seconds, limit: MAX_SESSION_BYTES + ENVELOPE_BYTES };
        // All at once: while they wait, a silent guardian can't be told from a patient one.
        self.ask(SessionQuery::new(quorum), quorum.guardians(), question, |_, sent| {
            let status = attested(sent)?;
            match &status {
                SessionStatus::Complete(session) => self.check_session(index, session)?,
                SessionStatus::Initial if has_begun => return Err(GuardianFault::Missing(index).into()),
                _ => {}
            }
            Ok(status)
        })
        .await
    }

    fn check_session(&self, index: u64, session: &SignedSession) -> Result<(), ChainError> {
        let header = &session.header;
        if header.index != index {
            return Err(ChainError::WrongIndex { expected: index, got: header.index });
        }
        check_signature(&self.federation, &self.session_key, header, &session.signature)?;
        let is_right = HashedItems::new(session.items.clone()).root() == header.items;
        if is_right { Ok(()) } else { Err(ChainError::WrongItems(index)) }
    }
}
