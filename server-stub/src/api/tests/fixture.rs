//! A guardian of a federation of one, with a history to ask about.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes},
    http::{HeaderMap, Method, Request, StatusCode, header},
};
use http_body_util::BodyExt;
use rekindle_protocol::{
    api::{Attested, Problem, TransactionStatus},
    bytes::{Challenge, Hash, Tweak, TxId},
    config::UrlAnnouncement,
    encoding::Canonical,
    modules::mint::Denomination,
    ownership::{OperationKind, SeedWords, WalletSecret},
    session::Item,
    transaction::Transaction,
};
use serde::de::DeserializeOwned;
use tempfile::TempDir;
use tower::ServiceExt;

use crate::{
    announcements::Announcements,
    api::{Limits, Setup, router},
    db::{self, Db},
    dealer::{Deal, Dealt},
    forge::{Author, Chain, Draft, FederationSecrets, Place, Spendable, plain_memo, split},
    ledger::Ledger,
    network::{Hub, OutboxLimits},
    node::{self, NodeHandle, NodeSetup, RunningNode, Settings},
};

pub const PATIENCE: Duration = Duration::from_secs(60);
pub const BINARY: &str = "application/octet-stream";
pub const JSON: &str = "application/json";

pub struct Fixture {
    pub dealt: Dealt,
    pub place: Place,
    pub wallet: WalletSecret,
    pub secrets: FederationSecrets,
    pub router: Router,
    running: RunningNode,
    _dir: TempDir,
}

/// An answer in full.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn header(&self, name: header::HeaderName) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn is_immutable(&self) -> bool {
        self.header(header::CACHE_CONTROL).contains("immutable")
    }

    pub fn binary<T: Canonical>(&self) -> T {
        assert_eq!((self.status, self.header(header::CONTENT_TYPE)), (StatusCode::OK, BINARY));
        T::from_bytes(&self.body).unwrap()
    }

    pub fn json<T: DeserializeOwned>(&self) -> T {
        assert_eq!((self.status, self.header(header::CONTENT_TYPE)), (StatusCode::OK, JSON));
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Asserts that this is a problem document.
    pub fn problem(&self, status: u16) -> Problem {
        assert_eq!(self.header(header::CONTENT_TYPE), "application/problem+json", "{:?}", self.status);
        assert_eq!(self.header(header::CACHE_CONTROL), "no-store");
        let problem: Problem = serde_json::from_slice(&self.body).unwrap();
        assert_eq!((problem.status, self.status.as_u16()), (status, status), "{problem:?}");
        problem
    }
}

fn federation_of_one() -> Dealt {
    Deal { denominations: 12, ..Deal::new(1, String::new()) }.deal(&[7; 32])
}

impl Fixture {
    /// A guardian without history.
    pub fn new() -> Self {
        Self::with_history(&[], &Limits::default())
    }

    /// A guardian whose first sessions have so many transactions each. They are not valid, which nobody asks.
    pub fn with_history(transactions: &[usize], limits: &Limits) -> Self {
        Self::with_setup(transactions, |urls| Setup { limits: *limits, ..Setup::new(urls) })
    }

    /// The same with an API of the test's own, which gets the announcements.
    pub fn with_setup(transactions: &[usize], setup: impl FnOnce(Arc<Announcements>) -> Setup) -> Self {
        let dealt = federation_of_one();
        let place = Place::of(&dealt.config).unwrap();
        let secrets = FederationSecrets::of(&dealt).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db");
        let mut chain = Chain::new(place.federation);
        for (session, count) in transactions.iter().enumerate() {
            chain.append((0..*count).map(|number| Item::Transaction(filler(session, number))).collect());
        }
        if let Some(last) = chain.last().copied() {
            let db = Db::open(&path, &place.federation, 0).unwrap();
            let txn = db.write().unwrap();
            for session in chain.sign(&secrets.session) {
                db::store_signed(&txn, session.index, &session.session, &session.recovery).unwrap();
            }
            node::resume_after(&txn, 1, &last).unwrap();
            txn.commit().unwrap();
        }
        let node_setup = NodeSetup {
            id: 0,
            machine: Arc::new(Ledger::new(&dealt.config).unwrap()),
            config: Arc::new(dealt.config.clone()),
            keys: dealt.guardians[0].clone(),
            settings: Settings { session_time: Duration::ZERO, ..Settings::default() },
        };
        let hub = Hub::new(1, OutboxLimits::default());
        let running = node::start(node_setup, &path, hub.connect(0).unwrap()).unwrap();
        let identity = &dealt.guardians[0].identity;
        let url = UrlAnnouncement::sign(&place.federation, 0, 1, "http://here".into(), identity);
        Self {
            wallet: SeedWords::from_entropy(&[1; 16]).wallet_secret(&place.federation),
            router: router(
                running.handle().clone(),
                setup(Arc::new(Announcements::in_memory(Arc::new(dealt.config.clone()), vec![url]))),
            )
            .unwrap(),
            secrets,
            place,
            dealt,
            running,
            _dir: dir,
        }
    }

    pub fn node(&self) -> &NodeHandle {
        self.running.handle()
    }

    pub fn author(&self) -> Author<'_> {
        Author { place: self.place, wallet: &self.wallet, secrets: &self.secrets }
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: body.collect().await.unwrap().to_bytes(),
        }
    }

    pub async fn get(&self, path: &str, accept: &str) -> Answer {
        let request = Request::get(path).header(header::ACCEPT, accept);
        self.send(request.body(Body::empty()).unwrap()).await
    }

    pub async fn post(&self, path: &str, content: &str, body: impl Into<Body>) -> Answer {
        let mut request = Request::builder().method(Method::POST).uri(path).header(header::ACCEPT, content);
        if content == JSON {
            request = request.header(header::CONTENT_TYPE, content);
        }
        self.send(request.body(body.into()).unwrap()).await
    }

    /// Asks for an attested answer in both encodings and checks the signature.
    pub async fn attested<T: Canonical>(&self, path: &str, query: &str) -> T {
        let challenge = Challenge([5; 16]);
        let url = format!("{path}?challenge={challenge}{query}");
        let json: Attested = self.get(&url, JSON).await.json();
        let answer = self.get(&url, BINARY).await;
        assert!(!answer.is_immutable());
        let binary: Attested = answer.binary();
        let key = &self.dealt.config.guardians[0].key;
        let verify = |attested: &Attested| {
            attested.verify::<T>(&self.place.federation, path, &challenge, key).unwrap()
        };
        verify(&json);
        verify(&binary)
    }

    /// Has an issuer credit the wallet; the transaction and how to claim it.
    pub fn credit(&self, sats: u64, number: u8) -> (Transaction, Spendable) {
        self.author().credit(Tweak([number; 16]), rekindle_protocol::amount::Amount(sats), Hash([number; 32]))
    }

    pub fn claim(&self, claim: Spendable, sats: u64, tweak: u8) -> Transaction {
        let notes: Vec<Denomination> =
            split(rekindle_protocol::amount::Amount(sats), self.secrets.mint.len());
        let memo = plain_memo(OperationKind::Deposit, rekindle_protocol::amount::Amount(sats));
        let fee = rekindle_protocol::amount::Amount::ZERO;
        let draft = Draft { inputs: vec![claim], notes, withdrawal: None, fee, memo };
        self.author().write(Tweak([tweak; 16]), draft)
    }

    /// Waits until a transaction's session is signed, and says which it is.
    pub async fn settle(&self, txid: &TxId) -> u64 {
        let TransactionStatus::Accepted { session } =
            self.node().wait_transaction(txid, PATIENCE).await.unwrap()
        else {
            panic!("not accepted");
        };
        let state = self.node().wait_session(session, PATIENCE).await.unwrap();
        assert!(matches!(state, node::SessionState::Complete(_)));
        session
    }
}

/// A transaction that is like no other.
fn filler(session: usize, number: usize) -> Transaction {
    use rekindle_protocol::{amount::Amount, bytes::*, transaction::Input};
    let mut nonce = [0; 32];
    nonce[..8].copy_from_slice(&(session as u64).to_le_bytes());
    nonce[8..16].copy_from_slice(&(number as u64).to_le_bytes());
    Transaction {
        tweak: Tweak([3; 16]),
        tag: Tag([1, 2]),
        memo: Memo([0; 64]),
        fee: Amount::ZERO,
        inputs: vec![Input { module: 0, nonce: Hash(nonce), body: vec![1; 300] }],
        outputs: vec![],
        signatures: vec![],
    }
}
