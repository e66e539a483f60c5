//! The session API, asked of a whole federation.

use std::{cell::RefCell, future::Future, rc::Rc};

use rekindle_protocol::{
    api::{
        Attested, CHALLENGE_PARAMETER, MAX_RANGE_BYTES, MAX_WAIT_SECONDS, Rejection, RejectionReason,
        TransactionStatus, paths,
    },
    bls::PublicKey,
    bytes::{Challenge, FederationId, TxId},
    chain::{ChainError, check_signature},
    config::{ClientConfig, ConfigError},
    encoding::Canonical,
    modules::mint::{MAX_SHARES_REQUEST, SharesAnswer, SharesRequest},
    ranges::{RecordCutter, RecoveryRecord},
    session::{HashedItems, MAX_SESSION_BYTES, SessionStatus, SignedSession},
    transaction::{OutPoint, Transaction},
};

use super::{
    FederationError, GuardianFault, GuardianId, Guardians, KnownSession, Served, SharesVerdict, Submitted,
    answers::{Enough, SessionQuery, StatusQuery, UntilSatisfied},
    ask::{ask, note_fault},
    call::{Answer, Limits, call},
    query::{AnyValid, CountStrategy, QueryStrategy, Quorum},
};
use crate::platform::{Request, Runtime, Transport};

/// Milliseconds until an ordinary answer must have arrived.
const ANSWER_MS: u64 = 10_000;
/// Most bytes of a small answer.
const SMALL_BYTES: usize = 16 << 10;
/// Room for what surrounds a session's own bytes: kind, length, signature.
const ENVELOPE_BYTES: usize = 1 << 10;

/// A federation as a wallet asks it: its config, where its guardians are, and how each has fared.
///
/// Every method asks as many guardians as it takes to believe the answer, and fails only when too few give
/// a usable one. Methods can run side by side; dropping a future aborts its requests.
pub struct FederationApi {
    config: Rc<ClientConfig>,
    federation: FederationId,
    session_key: PublicKey,
    urls: Vec<Option<String>>,
    pub(crate) transport: Rc<dyn Transport>,
    pub(crate) runtime: Rc<dyn Runtime>,
    pub(crate) guardians: Rc<RefCell<Guardians>>,
}

impl FederationApi {
    /// Binds to a federation. `urls` holds base URLs without a slash at the end; later ones replace earlier
    /// ones of the same guardian.
    ///
    /// # Errors
    /// [`ConfigError::Key`] if the config's session key is no key.
    pub fn new(
        config: Rc<ClientConfig>,
        urls: impl IntoIterator<Item = (GuardianId, String)>,
        transport: Rc<dyn Transport>,
        runtime: Rc<dyn Runtime>,
    ) -> Result<Self, ConfigError> {
        let mut known = vec![None; config.guardian_count()];
        for (guardian, url) in urls {
            if let Some(place) = known.get_mut(usize::from(guardian)) {
                *place = Some(url.trim_end_matches('/').to_owned());
            }
        }
        let guardians = Guardians::new(known.iter().map(Option::is_some), runtime.now());
        Ok(Self {
            federation: config.federation_id(),
            session_key: config.session_key()?,
            urls: known,
            guardians: Rc::new(RefCell::new(guardians)),
            config,
            transport,
            runtime,
        })
    }

    /// The federation's id.
    pub fn federation(&self) -> &FederationId {
        &self.federation
    }

    /// The federation's config.
    pub fn config(&self) -> &ClientConfig {
        &self.config
    }

    /// Base URL of a guardian, if it is known.
    pub fn url(&self, guardian: GuardianId) -> Option<&str> {
        self.urls.get(usize::from(guardian))?.as_deref()
    }

    /// Blames a guardian for something that was found out after its answer had been taken.
    ///
    /// # Errors
    /// [`FederationError::Random`].
    pub fn penalise(&self, guardian: GuardianId, fault: &GuardianFault) -> Result<(), FederationError> {
        Ok(note_fault(&self.guardians, &*self.runtime, guardian, fault)?)
    }

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

    /// Sends a transaction to f + 1 guardians, or to all of them.
    ///
    /// # Errors
    /// [`FederationError::NoAnswer`] if nobody took it.
    pub async fn submit(
        &self,
        transaction: &Transaction,
        to_all: bool,
    ) -> Result<Submitted, FederationError> {
        let bytes = bytes::Bytes::from(transaction.to_bytes());
        let quorum = self.quorum();
        let wanted = if to_all { quorum.guardians() } else { quorum.one_honest() };
        let bytes = &bytes;
        let answers = self
            .ask(Enough::new(wanted, quorum), wanted, |guardian| async move {
                let request = Request::post(self.at(guardian, paths::TRANSACTIONS)?, bytes.clone());
                match self.call(guardian, request, small()).await {
                    Ok(answer) => answer.decode(),
                    // What is wrong with it for ever is refused at the door.
                    Err(GuardianFault::Refused { status: 422, code }) => {
                        rejection(&code).ok_or(GuardianFault::Refused { status: 422, code })
                    }
                    Err(fault) => Err(fault),
                }
            })
            .await?;
        let rejection = answers.iter().find_map(|status| match status {
            TransactionStatus::Rejected(rejection) => Some(rejection.clone()),
            _ => None,
        });
        let rejected =
            answers.iter().filter(|status| matches!(status, TransactionStatus::Rejected(_))).count();
        Ok(Submitted { taken_by: answers.len() - rejected, rejection })
    }

    /// What f + 1 guardians attest of a transaction; waits up to `wait_seconds` (at most
    /// [`MAX_WAIT_SECONDS`]) for a decision. It is provisional: only a signed session is proof.
    ///
    /// # Errors
    /// [`FederationError`].
    pub async fn transaction_status(
        &self,
        txid: &TxId,
        wait_seconds: u64,
    ) -> Result<TransactionStatus, FederationError> {
        let challenge = self.challenge()?;
        let path = &paths::transaction(txid);
        let quorum = self.quorum();
        self.ask(StatusQuery::new(quorum), quorum.guardians(), |guardian| async move {
            self.attested(guardian, path, &challenge, Some(wait_seconds), SMALL_BYTES).await
        })
        .await
    }

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
    ) -> Result<(), FederationError> {
        if out_points.len() > MAX_SHARES_REQUEST {
            return Err(FederationError::TooMuch { limit: MAX_SHARES_REQUEST });
        }
        let body = bytes::Bytes::from(SharesRequest { out_points: out_points.to_vec() }.to_bytes());
        // A share takes 131 bytes; this is twice that.
        let limit = SMALL_BYTES + out_points.len() * 256;
        self.collect_shares(check, limit, &|guardian| {
            Ok(Request::post(self.at(guardian, paths::MINT_SIGNATURES)?, body.clone()))
        })
        .await
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
    ) -> Result<(), FederationError> {
        let path = paths::session_signatures(index);
        // An output takes about as many bytes in the session as its share in the answer.
        let limit = 2 * MAX_SESSION_BYTES;
        self.collect_shares(check, limit, &|guardian| Ok(Request::get(self.at(guardian, &path)?))).await
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

    async fn collect_shares(
        &self,
        check: &mut dyn FnMut(GuardianId, SharesAnswer) -> SharesVerdict,
        limit: usize,
        request: &dyn Fn(GuardianId) -> Result<Request, GuardianFault>,
    ) -> Result<(), FederationError> {
        let quorum = self.quorum();
        let check = &RefCell::new(check);
        self.ask(UntilSatisfied::new(quorum), quorum.one_honest(), |guardian| async move {
            let limits = Limits { bytes: limit, milliseconds: 3 * ANSWER_MS };
            let answer = self.call(guardian, request(guardian)?, limits).await?.decode()?;
            match (*check.borrow_mut())(guardian, answer) {
                SharesVerdict::Wrong => Err(GuardianFault::WrongShares),
                verdict => Ok(verdict),
            }
        })
        .await
    }

    async fn attested<T: Canonical>(
        &self,
        guardian: GuardianId,
        path: &str,
        challenge: &Challenge,
        wait_seconds: Option<u64>,
        limit: usize,
    ) -> Result<T, GuardianFault> {
        let mut url = format!("{}?{CHALLENGE_PARAMETER}={challenge}", self.at(guardian, path)?);
        let wait = wait_seconds.unwrap_or(0).min(MAX_WAIT_SECONDS);
        if wait > 0 {
            url.push_str(&format!("&wait={wait}"));
        }
        let limits = Limits { bytes: limit, milliseconds: ANSWER_MS + 1_000 * wait };
        let attested: Attested = if wait > 0 {
            // How long it takes says nothing about the guardian.
            call(&*self.transport, &*self.runtime, Request::get(url), limits).await?.decode()?
        } else {
            self.call(guardian, Request::get(url), limits).await?.decode()?
        };
        let known = self.config.guardians.get(usize::from(guardian)).ok_or(GuardianFault::NoAddress)?;
        Ok(attested.verify(&self.federation, path, challenge, &known.key)?)
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

    async fn ask<A, S, F>(
        &self,
        strategy: S,
        eager: usize,
        question: impl Fn(GuardianId) -> F,
    ) -> Result<S::Output, FederationError>
    where
        S: QueryStrategy<A>,
        F: Future<Output = Result<A, GuardianFault>>,
    {
        ask(&self.guardians, &*self.runtime, strategy, eager, question).await
    }

    async fn call(
        &self,
        guardian: GuardianId,
        request: Request,
        limits: Limits,
    ) -> Result<Answer, GuardianFault> {
        let answer = call(&*self.transport, &*self.runtime, request, limits).await?;
        self.guardians.borrow_mut().observe_latency(guardian, answer.latency_ms);
        Ok(answer)
    }

    pub(crate) fn at(&self, guardian: GuardianId, path: &str) -> Result<String, GuardianFault> {
        Ok(format!("{}{path}", self.url(guardian).ok_or(GuardianFault::NoAddress)?))
    }

    fn quorum(&self) -> Quorum {
        Quorum::of(self.config.guardian_count())
    }

    fn challenge(&self) -> Result<Challenge, FederationError> {
        let mut challenge = Challenge([0; Challenge::LEN]);
        self.runtime.random(&mut challenge.0)?;
        Ok(challenge)
    }
}

fn rejection(code: &str) -> Option<TransactionStatus> {
    let reasons = [
        RejectionReason::Malformed,
        RejectionReason::UnknownModule,
        RejectionReason::InvalidSignature,
        RejectionReason::Unbalanced,
    ];
    let reason = reasons.into_iter().find(|reason| reason.code() == code)?;
    Some(TransactionStatus::Rejected(Rejection { reason, detail: String::new() }))
}

fn small() -> Limits {
    Limits { bytes: SMALL_BYTES, milliseconds: ANSWER_MS }
}
