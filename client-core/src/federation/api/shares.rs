//! Guardians' signature shares for what the mint issued.

use bytes::Bytes;
use rekindle_protocol::{
    api::paths,
    encoding::Canonical,
    modules::mint::{MAX_SHARES_REQUEST, SharesAnswer, SharesRequest},
    session::MAX_SESSION_BYTES,
    transaction::OutPoint,
};

use super::{
    super::{
        FederationError, FederationResult, GuardianFault, GuardianId, SharesVerdict, answers::UntilSatisfied,
        call::Limits,
    },
    ANSWER_MS, FederationApi, Question, SMALL_BYTES,
};

impl FederationApi {
    /// Collects guardians' blind signature shares for up to [`MAX_SHARES_REQUEST`] out points, until `check`
    /// has enough of them.
    ///
    /// # Errors
    /// [`FederationError::TooMuch`]; [`FederationError::NoAgreement`] if all have been asked and it is not
    /// enough.
    pub async fn mint_shares(
        &self,
        out_points: &[OutPoint],
        check: &mut dyn FnMut(GuardianId, SharesAnswer) -> SharesVerdict,
    ) -> FederationResult<()> {
        if out_points.len() > MAX_SHARES_REQUEST {
            return Err(FederationError::TooMuch { limit: MAX_SHARES_REQUEST }.into());
        }
        let body = Bytes::from(SharesRequest { out_points: out_points.to_vec() }.to_bytes());
        // A share takes 131 bytes; this is twice that.
        let limit = SMALL_BYTES + out_points.len() * 256;
        self.collect_shares(check, limit, paths::MINT_SIGNATURES, Some(body)).await
    }

    /// Collects guardians' blind signature shares for all outputs of a session, until `check` has enough. A
    /// wallet that restores asks like this, so that no guardian learns which outputs are its own.
    ///
    /// # Errors
    /// [`FederationError::NoAgreement`] if all have been asked and it is not enough.
    pub async fn session_shares(
        &self,
        index: u64,
        check: &mut dyn FnMut(GuardianId, SharesAnswer) -> SharesVerdict,
    ) -> FederationResult<()> {
        let path = paths::session_signatures(index);
        // An output takes about as many bytes in the session as its share in the answer.
        let limit = 2 * MAX_SESSION_BYTES;
        self.collect_shares(check, limit, &path, None).await
    }

    async fn collect_shares(
        &self,
        check: &mut dyn FnMut(GuardianId, SharesAnswer) -> SharesVerdict,
        limit: usize,
        path: &str,
        body: Option<Bytes>,
    ) -> FederationResult<()> {
        let quorum = self.quorum();
        let limits = Limits { bytes: limit, milliseconds: 3 * ANSWER_MS };
        let question = Question::Plain { path, body, limits };
        self.ask(UntilSatisfied::new(quorum), quorum.one_honest(), question, |guardian, sent| {
            match check(guardian, SharesAnswer::from_bytes(&sent?)?) {
                SharesVerdict::Wrong => Err(GuardianFault::WrongShares.into()),
                verdict => Ok(verdict),
            }
        })
        .await
    }
}
