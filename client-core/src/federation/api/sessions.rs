//! Sessions: how many there are, one, a range of recovery entries.

use rekindle_protocol::{
    api::{MAX_RANGE_BYTES, paths},
    chain::{ChainError, check_signature},
    encoding::Canonical,
    ranges::{RecordCutter, RecoveryRecord},
    session::{HashedItems, MAX_SESSION_BYTES, SessionStatus, SignedSession},
};

use super::{
    super::{
        FederationError, GuardianFault, KnownSession, Served,
        answers::SessionQuery,
        call::Limits,
        query::{AnyValid, CountStrategy},
    },
    ANSWER_MS, FederationApi, SMALL_BYTES,
};
use crate::platform::Request;

/// Room for what surrounds a session's own bytes: kind, length, signature.
const ENVELOPE_BYTES: usize = 1 << 10;

impl FederationApi {
    /// The number of the current session: the (f + 1)-th largest of at least n - f attested answers.
    ///
    /// # Errors
    /// [`FederationError`].
    pub async fn session_count(&self) -> Result<u64, FederationError> {
        let challenge = self.challenge()?;
        let quorum = self.quorum();
        self.ask(CountStrategy::new(quorum), quorum.all_honest(), |guardian| async move {
            self.attested(guardian, paths::SESSION_COUNT, &challenge, None, SMALL_BYTES).await
        })
        .await
    }

    /// A signed session from any guardian. Its signature, index and items root have been checked.
    ///
    /// # Errors
    /// [`FederationError`], also if nobody has it yet.
    pub async fn session(&self, index: u64) -> Result<Served<SignedSession>, FederationError> {
        self.ask(AnyValid::new(self.quorum()), 1, |guardian| async move {
            let request = Request::get(self.at(guardian, &paths::session(index))?);
            let limits = Limits { bytes: MAX_SESSION_BYTES + ENVELOPE_BYTES, milliseconds: ANSWER_MS };
            match self.call(guardian, request, limits).await?.decode()? {
                SessionStatus::Complete(session) => {
                    self.check_session(index, &session)?;
                    Ok(Served { guardian, value: session })
                }
                _ => Err(GuardianFault::Missing(index)),
            }
        })
        .await
    }

    /// What is known of a session; waits up to `wait_seconds` (at most [`MAX_WAIT_SECONDS`]) for it to be
    /// complete.
    ///
    /// # Errors
    /// [`FederationError`].
    pub async fn session_status(
        &self,
        index: u64,
        wait_seconds: u64,
    ) -> Result<KnownSession, FederationError> {
        let challenge = self.challenge()?;
        let path = &paths::session(index);
        let quorum = self.quorum();
        // All at once: while they wait, a silent guardian can't be told from a patient one.
        self.ask(SessionQuery::new(quorum), quorum.guardians(), |guardian| async move {
            let limit = MAX_SESSION_BYTES + ENVELOPE_BYTES;
            let status = self.attested(guardian, path, &challenge, Some(wait_seconds), limit).await?;
            if let SessionStatus::Complete(session) = &status {
                self.check_session(index, session)?;
            }
            Ok(status)
        })
        .await
    }

    /// Recovery entries from session `from` on, in at most `max_bytes` (and at most [`MAX_RANGE_BYTES`]):
    /// as served by one guardian, decoded but not verified.
    ///
    /// # Errors
    /// [`FederationError`].
    pub async fn recovery_range(
        &self,
        from: u64,
        max_bytes: usize,
    ) -> Result<Served<Vec<RecoveryRecord>>, FederationError> {
        self.ask(AnyValid::new(self.quorum()), 1, |guardian| async move {
            let url = self.at(guardian, paths::RECOVERY)?;
            let mut request = Request::get(format!("{url}?from={from}&max_bytes={max_bytes}"));
            request.bypass_cache = self.guardians.borrow().has_lied(guardian);
            let bytes = max_bytes.clamp(MAX_SESSION_BYTES, MAX_RANGE_BYTES) + ENVELOPE_BYTES;
            let answer = self.call(guardian, request, Limits { bytes, milliseconds: 6 * ANSWER_MS }).await?;
            let mut cutter = RecordCutter::new(MAX_SESSION_BYTES + ENVELOPE_BYTES);
            cutter.push(&answer.body);
            let mut records = Vec::new();
            while let Some(record) = cutter.next_record()? {
                records.push(RecoveryRecord::from_bytes(record)?);
            }
            if !cutter.is_empty() {
                return Err(GuardianFault::Truncated);
            }
            if records.is_empty() {
                return Err(GuardianFault::Missing(from));
            }
            Ok(Served { guardian, value: records })
        })
        .await
    }

    fn check_session(&self, index: u64, session: &SignedSession) -> Result<(), ChainError> {
        let header = &session.header;
        if header.index != index {
            return Err(ChainError::WrongIndex { expected: index, got: header.index });
        }
        check_signature(&self.federation, &self.session_key, header, &session.signature)?;
        if HashedItems::new(session.items.clone()).root() != header.items {
            return Err(ChainError::WrongItems(index));
        }
        Ok(())
    }
}
