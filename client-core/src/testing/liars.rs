//! A network of lies: one guardian that lies whenever it is asked, a proxy in front of all of them that forges, repeats and
//! cuts what it passes on, a cache that never forgets, and somebody who copies what wallets send.

mod said;

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
};

use async_trait::async_trait;
use futures::StreamExt;
use rand::{Rng, RngCore, SeedableRng, rngs::StdRng, seq::SliceRandom};
use rekindle_protocol::{
    api::{Attested, CHALLENGE_PARAMETER},
    bytes::{Challenge, Hash},
    encoding::Canonical,
    session::Item,
    transaction::{Input, Transaction},
};

use super::{guardians::TestGuardians, meddler::binary};
use crate::{
    federation::GuardianId,
    platform::{Method, Request, Response, Transport, TransportError},
};

/// How often each lie was told.
pub type Told = BTreeMap<&'static str, u32>;

/// The network. It is honest until [`Liars::begin`].
pub struct Liars {
    guardians: TestGuardians,
    /// The guardian that lies.
    pub liar: GuardianId,
    rng: RefCell<StdRng>,
    is_lying: Cell<bool>,
    /// How often the proxy may still interfere: one that never stops can keep everything from happening.
    proxy: Cell<u32>,
    /// What was answered before, by URL without challenge.
    kept: RefCell<BTreeMap<String, Vec<u8>>>,
    /// Nonces of notes that strangers know of, because they have them in a token.
    tokens: RefCell<Vec<Hash>>,
    told: Rc<RefCell<Told>>,
}

/// A request, taken apart.
struct Question {
    guardian: GuardianId,
    path: String,
    challenge: Option<Challenge>,
    /// The URL without what makes each question new.
    url: String,
}

impl Question {
    fn of(request: &Request) -> Option<Self> {
        let (host, rest) = request.url.strip_prefix("http://")?.split_once('/')?;
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let challenge =
            query.split('&').find_map(|part| part.strip_prefix(CHALLENGE_PARAMETER)?.strip_prefix('='));
        let url = match challenge {
            Some(_) => format!("{host}/{path}"),
            None => request.url.clone(),
        };
        Some(Self {
            guardian: host.strip_prefix("guardian-")?.parse().ok()?,
            path: format!("/{path}"),
            challenge: challenge.and_then(|challenge| challenge.parse().ok()),
            url,
        })
    }
}

impl Liars {
    /// In front of `guardians`, by a seed. `told` counts the lies.
    pub fn new(guardians: TestGuardians, seed: u64, told: Rc<RefCell<Told>>) -> Rc<Self> {
        let mut rng = StdRng::seed_from_u64(seed);
        Rc::new(Self {
            guardians,
            liar: rng.gen_range(0, 4),
            rng: rng.into(),
            is_lying: Cell::new(false),
            proxy: Cell::new(0),
            kept: RefCell::default(),
            tokens: RefCell::default(),
            told,
        })
    }

    /// From now on one guardian lies, and the proxy interferes so many times.
    pub fn begin(&self, proxy: u32) {
        self.is_lying.set(true);
        self.proxy.set(proxy);
    }

    /// From now on everybody is honest.
    pub fn end(&self) {
        self.is_lying.set(false);
    }

    /// Tells of the notes of a token.
    pub fn show(&self, nonces: impl IntoIterator<Item = Hash>) {
        self.tokens.borrow_mut().extend(nonces);
    }

    fn tell<T>(&self, lie: &'static str, answer: T) -> Option<T> {
        *self.told.borrow_mut().entry(lie).or_default() += 1;
        Some(answer)
    }

    fn chance(&self, of_hundred: u32) -> bool {
        self.rng.borrow_mut().gen_range(0, 100) < of_hundred
    }

    fn below(&self, end: usize) -> usize {
        self.rng.borrow_mut().gen_range(0, end.max(1))
    }

    fn sessions(&self) -> u64 {
        self.guardians.with(|federation| federation.sessions.len() as u64)
    }

    /// What the liar signs for a question, or says unsigned where nothing is to be signed.
    fn sign<T: Canonical>(&self, question: &Question, answer: &T) -> Response {
        let bytes = match question.challenge {
            Some(challenge) => self.guardians.with(|federation| {
                let key = &federation.guardian_keys[usize::from(self.liar)];
                Attested::sign(&federation.id(), &question.path, &challenge, answer, key).to_bytes()
            }),
            None => answer.to_bytes(),
        };
        binary(200, bytes)
    }

    fn any_transaction(&self) -> Option<Transaction> {
        let all: Vec<Transaction> = self.guardians.with(|federation| {
            let items = federation.sessions.iter().flat_map(|session| &session.items);
            items.filter_map(Item::transaction).cloned().collect()
        });
        all.choose(&mut *self.rng.borrow_mut()).cloned()
    }

    /// A copy of somebody's transaction under another one's inputs: the same tweak, tag and blinded nonces.
    pub fn copy(&self, transaction: &Transaction) -> Transaction {
        let mut copy = transaction.clone();
        let mut rng = self.rng.borrow_mut();
        let mut nonce = Hash([0; 32]);
        rng.fill_bytes(&mut nonce.0);
        copy.inputs = vec![Input { module: 0, nonce, body: vec![] }];
        copy.signatures.clear();
        // A credit would need its issuer.
        copy.outputs.retain(|output| output.module == 0);
        if rng.r#gen() {
            rng.fill_bytes(&mut copy.memo.0);
        }
        copy
    }

    /// Plants a copy of a transaction of history in it.
    pub fn plant(&self) {
        if let Some(transaction) = self.any_transaction() {
            self.guardians.accept(self.copy(&transaction));
            self.tell("copy of the past", ());
        }
    }

    /// An answer that ends early, or in which something is another.
    fn spoiled(&self, mut answer: Vec<u8>) -> Response {
        let at = self.below(answer.len());
        match answer.get_mut(at) {
            Some(byte) if self.chance(50) => *byte ^= 1 << self.below(8),
            _ => answer.truncate(at),
        }
        binary(200, answer)
    }

    /// What the proxy or the cache answers in a guardian's place.
    async fn interfere(&self, request: &Request, question: &Question) -> Option<Response> {
        if self.proxy.get() == 0 {
            return None;
        }
        let kept = self.kept.borrow().get(&question.url).cloned();
        if let (Method::Get, None, false, Some(kept)) =
            (request.method, question.challenge, request.bypass_cache, &kept)
        {
            return self.tell("stale cache", binary(200, kept.clone()));
        }
        let is_submission = request.method == Method::Post && question.path.ends_with("/transactions");
        if !self.chance(if is_submission { 60 } else { 20 }) {
            return None;
        }
        self.proxy.set(self.proxy.get() - 1);
        if is_submission {
            if self.chance(50) {
                // It is taken all the same.
                self.pass(request.clone()).await.ok()?;
            }
            return self.tell("forged refusal", refusal());
        }
        match (self.below(4), kept) {
            (0, Some(kept)) => self.tell("replay", binary(200, kept)),
            // With the one key that it has.
            (2, _) if question.challenge.is_some() => {
                let answer = self.lie(request, question).await?;
                self.tell("word for another", answer)
            }
            (1, _) => {
                let page =
                    Response { content_type: Some("text/html".into()), ..binary(200, b"<html>".into()) };
                self.tell("page", page)
            }
            _ => {
                let answer = self.pass(request.clone()).await.ok()?.1;
                self.tell("bytes on the way", self.spoiled(answer))
            }
        }
    }

    /// The honest answer: its response without the body, and the body.
    async fn pass(&self, request: Request) -> Result<(Response, Vec<u8>), TransportError> {
        let response = self.guardians.request(request).await?;
        let pieces: Vec<_> = response.body.collect().await;
        let mut body = Vec::new();
        for piece in pieces {
            body.extend_from_slice(&piece?);
        }
        Ok((Response { body: futures::stream::empty().boxed_local(), ..response }, body))
    }
}

fn refusal() -> Response {
    let problem = br#"{"status":422,"code":"unbalanced","detail":"a lie"}"#.to_vec();
    Response { content_type: Some("application/problem+json".into()), ..binary(422, problem) }
}

#[async_trait(?Send)]
impl Transport for Liars {
    async fn request(&self, request: Request) -> Result<Response, TransportError> {
        let question = Question::of(&request).filter(|_| self.is_lying.get());
        if let Some(question) = &question {
            if question.path.ends_with("/transactions")
                && self.chance(20)
                && let Some(body) = &request.body
                && let Ok(transaction) = Transaction::from_bytes(&body.bytes)
            {
                // Whoever sees it on its way is faster.
                self.guardians.accept(self.copy(&transaction));
                self.tell("copy of what comes", ());
            }
            let answer = match question.guardian == self.liar && self.chance(80) {
                true => self.lie(&request, question).await,
                false => self.interfere(&request, question).await,
            };
            if let Some(answer) = answer {
                return Ok(answer);
            }
        }
        let (response, body) = self.pass(request).await?;
        if let Some(question) = question.filter(|_| response.is_success()) {
            self.kept.borrow_mut().entry(question.url).or_insert_with(|| body.clone());
        }
        let content_type = response.content_type;
        Ok(Response { content_type, ..binary(response.status, body) })
    }
}
