//! The session API, asked of a whole federation.

mod announcements;
mod backups;
mod sessions;
mod shares;
mod transactions;

use std::{cell::RefCell, rc::Rc};

use bytes::Bytes;
use rekindle_protocol::{
    api::{AttestationError, Attested, CHALLENGE_PARAMETER, MAX_WAIT_SECONDS, paths},
    bls::PublicKey,
    bytes::{Challenge, FederationId},
    config::{ClientConfig, ConfigError, UrlAnnouncement},
    encoding::Canonical,
};

use super::{
    Evidence, FederationResult, GuardianFault, GuardianId, GuardianResult, Guardians,
    ask::{self, Judge, Query, drive, note_fault},
    call::{Answer, Limits, call},
    query::{QueryStrategy, Quorum},
};
use crate::platform::{Request, Runtime, Transport};

pub use backups::Kept;

/// Milliseconds until an ordinary answer must have arrived.
const ANSWER_MS: u64 = 10_000;
/// Most bytes of a small answer.
const SMALL_BYTES: usize = 16 << 10;
/// A federation as a wallet asks it: its config, where its guardians are, and how each has fared.
///
/// Every method asks as many guardians as it takes to believe the answer, and fails only when too few give
/// a usable one. Methods can run side by side; dropping a future aborts its requests.
pub struct FederationApi {
    config: Rc<ClientConfig>,
    federation: FederationId,
    session_key: PublicKey,
    urls: RefCell<Vec<Option<String>>>,
    announcements: RefCell<Vec<UrlAnnouncement>>,
    pub(crate) transport: Rc<dyn Transport>,
    pub(crate) runtime: Rc<dyn Runtime>,
    pub(crate) guardians: Rc<RefCell<Guardians>>,
}

/// What is asked of each guardian.
enum Question<'a> {
    /// What it serves. Caches may answer in its place.
    Plain {
        /// Where.
        path: &'a str,
        /// What it is given there, if anything.
        body: Option<Bytes>,
        /// What an answer may cost.
        limits: Limits,
    },
    /// What it attests.
    Attested {
        /// Where it says so.
        path: &'a str,
        /// What it is given there, if anything.
        body: Option<Bytes>,
        /// For how long it may wait before it does.
        wait_seconds: u64,
        /// Most bytes of an answer.
        limit: usize,
    },
}

/// Reads what a guardian has attested.
fn attested<T: Canonical>(sent: GuardianResult<Vec<u8>>) -> GuardianResult<T> {
    Ok(T::from_bytes(&sent?).map_err(AttestationError::from)?)
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
            urls: RefCell::new(known),
            announcements: RefCell::default(),
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
    pub fn url(&self, guardian: GuardianId) -> Option<String> {
        self.urls.borrow().get(usize::from(guardian))?.clone()
    }

    /// Blames a guardian for something that was found out after its answer had been taken.
    ///
    /// # Errors
    /// [`FederationError::Random`](crate::federation::FederationError::Random).
    pub fn penalise(&self, guardian: GuardianId, fault: &GuardianFault) -> FederationResult<()> {
        Ok(note_fault(&self.guardians, &*self.runtime, guardian, fault)?)
    }

    /// The lies of guardians that were found out: the latest of each.
    pub fn evidence(&self) -> Vec<Evidence> {
        self.guardians.borrow().evidence()
    }

    /// When the first guardian may be asked, in milliseconds since 1970; in the past if one may be asked now.
    pub fn ready_at(&self) -> u64 {
        self.guardians.borrow().first_ready_at()
    }

    /// Asks guardians until `strategy` has decided; `read` makes an answer of what a guardian sent.
    async fn ask<A, S: QueryStrategy<A>>(
        &self,
        strategy: S,
        eager: usize,
        question: Question<'_>,
        read: impl FnMut(GuardianId, GuardianResult<Vec<u8>>) -> GuardianResult<A>,
    ) -> FederationResult<S::Output> {
        let mut query = Query::new(strategy, read);
        self.put(&question, eager, &mut query).await?;
        query.outcome()
    }

    async fn put(
        &self,
        question: &Question<'_>,
        eager: usize,
        query: &mut dyn Judge,
    ) -> FederationResult<()> {
        let challenge = &self.challenge()?;
        let ask = |guardian| -> ask::Question<'_> {
            Box::pin(async move {
                match question {
                    Question::Plain { path, body, limits } => {
                        let url = self.at(guardian, path)?;
                        let mut request = match body {
                            Some(body) => Request::post(url, body.clone()),
                            None => Request::get(url),
                        };
                        request.bypass_cache = self.guardians.borrow().has_lied(guardian);
                        Ok(self.call(guardian, request, *limits).await?.body)
                    }
                    Question::Attested { path, body, wait_seconds, limit } => {
                        self.attested(guardian, path, body.clone(), challenge, *wait_seconds, *limit).await
                    }
                }
            })
        };
        let (Question::Plain { path, .. } | Question::Attested { path, .. }) = question;
        drive(&self.guardians, &*self.runtime, query, eager, path, &ask).await
    }

    async fn attested(
        &self,
        guardian: GuardianId,
        path: &str,
        body: Option<Bytes>,
        challenge: &Challenge,
        wait_seconds: u64,
        limit: usize,
    ) -> GuardianResult<Vec<u8>> {
        // Attested is the path as it was asked for.
        let path = &self.path(guardian, path);
        let mut url = format!("{}{path}?{CHALLENGE_PARAMETER}={challenge}", self.base(guardian)?);
        let wait = wait_seconds.min(MAX_WAIT_SECONDS);
        if wait > 0 {
            url.push_str(&format!("&wait={wait}"));
        }
        // What is given is large, and waits for the disk.
        let patience = if body.is_some() { 3 * ANSWER_MS } else { ANSWER_MS };
        let says_something = wait == 0 && body.is_none();
        let request = match body {
            Some(body) => Request::put(url, body),
            None => Request::get(url),
        };
        let limits = Limits { bytes: limit, milliseconds: patience + 1_000 * wait };
        let answer = call(&*self.transport, &*self.runtime, request, limits).await?;
        if says_something {
            // Else how long it takes says nothing about the guardian.
            self.guardians.borrow_mut().observe_latency(guardian, answer.latency_ms);
        }
        let attested = Attested::from_bytes(&answer.body)?;
        let known = self.config.guardians.get(usize::from(guardian)).ok_or(GuardianFault::NoAddress)?;
        Ok(attested.verified(&self.federation, path, challenge, &known.key)?.to_vec())
    }

    async fn call(&self, guardian: GuardianId, request: Request, limits: Limits) -> GuardianResult<Answer> {
        let answer = call(&*self.transport, &*self.runtime, request, limits).await?;
        self.guardians.borrow_mut().observe_latency(guardian, answer.latency_ms);
        Ok(answer)
    }

    /// Where a guardian answers to `path`, in the version of the API that it speaks.
    fn at(&self, guardian: GuardianId, path: &str) -> GuardianResult<String> {
        Ok(self.base(guardian)? + &self.path(guardian, path))
    }

    fn path(&self, guardian: GuardianId, path: &str) -> String {
        paths::in_version(path, self.guardians.borrow().version(guardian))
    }

    fn base(&self, guardian: GuardianId) -> GuardianResult<String> {
        Ok(self.url(guardian).ok_or(GuardianFault::NoAddress)?)
    }

    fn quorum(&self) -> Quorum {
        Quorum::of(self.config.guardian_count())
    }

    fn challenge(&self) -> FederationResult<Challenge> {
        let mut challenge = Challenge([0; Challenge::LEN]);
        self.runtime.random(&mut challenge.0)?;
        Ok(challenge)
    }
}
