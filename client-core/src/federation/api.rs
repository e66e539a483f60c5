//! The session API, asked of a whole federation.

mod announcements;
mod backups;
mod sessions;
mod shares;
mod transactions;

use std::{cell::RefCell, future::Future, rc::Rc};

use bytes::Bytes;
use rekindle_protocol::{
    api::{Attested, CHALLENGE_PARAMETER, MAX_WAIT_SECONDS, paths},
    bls::PublicKey,
    bytes::{Challenge, FederationId},
    config::{ClientConfig, ConfigError, UrlAnnouncement},
    encoding::Canonical,
};

use super::{
    Evidence, FederationError, GuardianFault, GuardianId, Guardians,
    ask::{ask, note_fault},
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
    /// [`FederationError::Random`].
    pub fn penalise(&self, guardian: GuardianId, fault: &GuardianFault) -> Result<(), FederationError> {
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

    async fn attested<T: Canonical>(
        &self,
        guardian: GuardianId,
        path: &str,
        challenge: &Challenge,
        wait_seconds: Option<u64>,
        limit: usize,
    ) -> Result<T, GuardianFault> {
        let mut url = self.challenging(guardian, path, challenge)?;
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
        self.verified(guardian, path, challenge, &attested)
    }

    /// Stores something, and gives the number that the guardian attests.
    async fn attested_put(
        &self,
        guardian: GuardianId,
        path: &str,
        challenge: &Challenge,
        body: Bytes,
    ) -> Result<u64, GuardianFault> {
        let request = Request::put(self.challenging(guardian, path, challenge)?, body);
        // It is large, and waits for the disk: how long it takes says nothing about the guardian.
        let limits = Limits { bytes: SMALL_BYTES, milliseconds: 3 * ANSWER_MS };
        let attested: Attested = call(&*self.transport, &*self.runtime, request, limits).await?.decode()?;
        self.verified(guardian, path, challenge, &attested)
    }

    fn challenging(
        &self,
        guardian: GuardianId,
        path: &str,
        challenge: &Challenge,
    ) -> Result<String, GuardianFault> {
        Ok(format!("{}?{CHALLENGE_PARAMETER}={challenge}", self.at(guardian, path)?))
    }

    fn verified<T: Canonical>(
        &self,
        guardian: GuardianId,
        path: &str,
        challenge: &Challenge,
        attested: &Attested,
    ) -> Result<T, GuardianFault> {
        let known = self.config.guardians.get(usize::from(guardian)).ok_or(GuardianFault::NoAddress)?;
        // Attested is the path as it was asked for.
        let path = self.path(guardian, path);
        Ok(attested.verify(&self.federation, &path, challenge, &known.key)?)
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

    /// Where a guardian answers to `path`, in the version of the API that it speaks.
    fn at(&self, guardian: GuardianId, path: &str) -> Result<String, GuardianFault> {
        Ok(self.base(guardian)? + &self.path(guardian, path))
    }

    fn path(&self, guardian: GuardianId, path: &str) -> String {
        paths::in_version(path, self.guardians.borrow().version(guardian))
    }

    fn base(&self, guardian: GuardianId) -> Result<String, GuardianFault> {
        self.url(guardian).ok_or(GuardianFault::NoAddress)
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
