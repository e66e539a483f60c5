//! Guardians in memory: a [`TestFederation`] behind the session API, without sockets or consensus.
//!
//! They accept what a ledger would accept as far as spends go, close a session for every transaction, and can be told to
//! misbehave one by one. Time is the [`Runtime`]'s that the test brings along.

mod backups;
mod history;

use std::{cell::RefCell, collections::BTreeMap, ops::RangeInclusive, rc::Rc};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, stream};
use rekindle_protocol::{
    api::{
        API_VERSION, Attested, CHALLENGE_PARAMETER, PREVIOUS_API_VERSION, Rejection, RejectionReason,
        TransactionStatus, UNKNOWN_VERSION,
    },
    backup::Backup,
    bytes::{Challenge, G2Bytes, Hash, TxId},
    encoding::Canonical,
    modules::mint::{MintOutput, SharesAnswer, SharesRequest},
    session::{Item, SessionStatus},
    transaction::{ModuleId, OutPoint, Transaction},
};

use backups::KeptBackups;
use history::Range;

use super::federation::TestFederation;
use crate::{
    federation::GuardianId,
    platform::{BodyStream, Method, Request, Response, Runtime, Transport, TransportError},
};

/// How a guardian behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Behaviour {
    /// As it should.
    #[default]
    Honest,
    /// It can't be reached.
    Down,
    /// It never answers.
    Silent,
    /// It answers every question with a web page.
    WebPage,
    /// It says of every transaction that it can never be valid.
    Refuse,
    /// It flips a byte in everything it serves.
    Corrupt,
    /// It serves a history of its own making: sound, but not signed by the federation.
    Forge,
    /// Some of its signature shares are another's.
    WrongShares,
}

/// Judges a transaction of a session with this number, and remembers it if it is valid.
pub type Judge = dyn Fn(u64, &Transaction) -> Result<(), Rejection>;

struct State {
    federation: TestFederation,
    statuses: BTreeMap<TxId, TransactionStatus>,
    spent: BTreeMap<(ModuleId, Hash), u64>,
    behaviours: Vec<Behaviour>,
    versions: Vec<RangeInclusive<u32>>,
    /// Where guardians are reached that have moved.
    hosts: Vec<String>,
    requests: u64,
    /// The transactions of the session that is not closed yet, if sessions stay open.
    open: Option<Vec<Transaction>>,
    /// How many of them each guardian knows; without a number, not even that the session has begun.
    known: Vec<Option<usize>>,
    /// Says of a transaction in a session whether it is valid, where more is to be judged than what it spends.
    judge: Option<Rc<Judge>>,
    /// Without it guardians keep no backups.
    backups: Option<KeptBackups>,
    /// Most sessions in one answer.
    at_once: usize,
}

/// The guardians of a [`TestFederation`], as a [`Transport`]. Clones share everything.
#[derive(Clone)]
pub struct TestGuardians {
    state: Rc<RefCell<State>>,
    runtime: Rc<dyn Runtime>,
}

impl TestGuardians {
    /// Honest guardians who serve what `federation` has signed.
    pub fn new(federation: TestFederation, runtime: Rc<dyn Runtime>) -> Self {
        let behaviours = vec![Behaviour::Honest; federation.guardian_keys.len()];
        let versions = vec![PREVIOUS_API_VERSION..=API_VERSION; behaviours.len()];
        let hosts = (0..behaviours.len()).map(|id| format!("guardian-{id}")).collect();
        let (mut statuses, mut spent) = (BTreeMap::new(), BTreeMap::new());
        for session in &federation.sessions {
            for transaction in session.items.iter().filter_map(Item::transaction) {
                let accepted = TransactionStatus::Accepted { session: session.header.index };
                statuses.insert(transaction.id(), accepted);
                for input in &transaction.inputs {
                    spent.insert((input.module, input.nonce), session.header.index);
                }
            }
        }
        let known = vec![Some(usize::MAX); behaviours.len()];
        let state = State {
            federation,
            statuses,
            spent,
            behaviours,
            versions,
            hosts,
            requests: 0,
            open: None,
            known,
            judge: None,
            backups: None,
            at_once: usize::MAX,
        };
        Self { state: Rc::new(RefCell::new(state)), runtime }
    }

    /// Tells a guardian how to behave from now on.
    pub fn set(&self, guardian: GuardianId, behaviour: Behaviour) {
        self.state.borrow_mut().behaviours[usize::from(guardian)] = behaviour;
    }

    /// Has a guardian speak these versions of the API.
    pub fn speak(&self, guardian: GuardianId, versions: RangeInclusive<u32>) {
        self.state.borrow_mut().versions[usize::from(guardian)] = versions;
    }

    /// Moves a guardian to another host. It announces nothing.
    pub fn relocate(&self, guardian: GuardianId, host: &str) {
        self.state.borrow_mut().hosts[usize::from(guardian)] = host.to_owned();
    }

    /// Has guardians give so many sessions in one answer at most.
    pub fn serve_at_most(&self, sessions: usize) {
        self.state.borrow_mut().at_once = sessions;
    }

    /// From now on transactions are accepted into a session that stays open.
    pub fn keep_open(&self) {
        self.state.borrow_mut().open = Some(Vec::new());
    }

    /// Closes the session that was kept open, with those of its transactions that `keep` chooses.
    pub fn close(&self, keep: impl FnMut(&Transaction) -> bool) {
        let mut state = self.state.borrow_mut();
        let mut transactions = state.open.take().unwrap_or_default();
        transactions.retain(keep);
        state.federation.close(transactions);
    }

    /// How many transactions of the open session a guardian knows; `None` if not even that it has begun.
    pub fn know(&self, guardian: GuardianId, transactions: Option<usize>) {
        self.state.borrow_mut().known[usize::from(guardian)] = transactions;
    }

    /// Has transactions judged by a real ledger.
    pub fn judge_by(&self, judge: Rc<Judge>) {
        self.state.borrow_mut().judge = Some(judge);
    }

    /// Works with the federation behind the guardians.
    pub fn with<R>(&self, work: impl FnOnce(&mut TestFederation) -> R) -> R {
        work(&mut self.state.borrow_mut().federation)
    }

    /// How many requests have come in.
    pub fn requests(&self) -> u64 {
        self.state.borrow().requests
    }

    /// Accepts a transaction in a session of its own, or says why not.
    pub fn accept(&self, transaction: Transaction) -> TransactionStatus {
        let mut state = self.state.borrow_mut();
        let txid = transaction.id();
        if let Some(known @ TransactionStatus::Accepted { .. }) = state.statuses.get(&txid) {
            return known.clone();
        }
        for (number, input) in (0..=u8::MAX).zip(&transaction.inputs) {
            if let Some(session) = state.spent.get(&(input.module, input.nonce)) {
                let reason = RejectionReason::AlreadySpent { input: number, session: *session };
                let rejected = TransactionStatus::Rejected(Rejection { reason, detail: "spent".into() });
                state.statuses.insert(txid, rejected.clone());
                return rejected;
            }
        }
        let session = state.federation.sessions.len() as u64;
        if let Some(Err(rejection)) = state.judge.as_ref().map(|judge| judge(session, &transaction)) {
            let rejected = TransactionStatus::Rejected(rejection);
            state.statuses.insert(txid, rejected.clone());
            return rejected;
        }
        for input in &transaction.inputs {
            state.spent.insert((input.module, input.nonce), session);
        }
        let accepted = TransactionStatus::Accepted { session };
        state.statuses.insert(txid, accepted.clone());
        match &mut state.open {
            Some(transactions) => transactions.push(transaction),
            None => drop(state.federation.close(vec![transaction]).clone()),
        }
        accepted
    }

    fn status(&self, txid: &TxId) -> TransactionStatus {
        self.state.borrow().statuses.get(txid).cloned().unwrap_or(TransactionStatus::Unknown)
    }

    fn session(&self, guardian: GuardianId, index: u64) -> SessionStatus {
        let state = self.state.borrow();
        let sessions = &state.federation.sessions;
        if let Some(session) = usize::try_from(index).ok().and_then(|index| sessions.get(index)) {
            return SessionStatus::Complete(session.clone());
        }
        match state.known[usize::from(guardian)] {
            Some(known) if index == sessions.len() as u64 => {
                let items = state.open.iter().flatten().take(known).cloned();
                SessionStatus::Pending(items.map(Item::Transaction).collect())
            }
            _ => SessionStatus::Initial,
        }
    }

    fn shares(&self, guardian: GuardianId, wanted: impl Fn(&OutPoint) -> bool) -> SharesAnswer {
        let state = self.state.borrow();
        let mut shares: Vec<(OutPoint, Option<G2Bytes>)> = Vec::new();
        let items = state.federation.sessions.iter().flat_map(|s| &s.items);
        for transaction in items.filter_map(Item::transaction).chain(state.open.iter().flatten()) {
            let txid = transaction.id();
            for (output, part) in (0..=u8::MAX).zip(&transaction.outputs).filter(|(_, part)| part.module == 0)
            {
                let out_point = OutPoint { txid, output };
                let Ok(mint) = MintOutput::from_bytes(&part.body) else { continue };
                if wanted(&out_point) {
                    let lies = state.behaviours[usize::from(guardian)] == Behaviour::WrongShares;
                    let signer = if lies && output % 3 == 1 { (guardian + 1) % 4 } else { guardian };
                    let share = state.federation.share(signer, mint.denomination, &mint.blinded_nonce);
                    shares.push((out_point, share));
                }
            }
        }
        SharesAnswer { shares }
    }

    async fn answer(&self, guardian: GuardianId, request: &Request) -> Option<Vec<u8>> {
        let (_, rest) = request.url.split_once("//")?;
        let (_, path_and_query) = rest.split_once('/')?;
        let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
        let path = format!("/{path}");
        let parameter = |name: &str| query.split('&').find_map(|p| p.strip_prefix(name)?.strip_prefix('='));
        let wait: u64 = parameter("wait").and_then(|w| w.parse().ok()).unwrap_or(0);
        let challenge: Option<Challenge> = parameter(CHALLENGE_PARAMETER).and_then(|c| c.parse().ok());
        let parts: Vec<&str> = path.split('/').skip(2).collect();
        match (request.method, &*parts) {
            (Method::Get, ["config"]) => Some(self.state.borrow().federation.document.to_bytes()),
            (Method::Get, ["announcements"]) => Some(self.state.borrow().federation.document.urls.to_bytes()),
            (Method::Get, ["sessions", "count"]) => {
                let count = self.state.borrow().federation.sessions.len() as u64;
                Some(self.attest(guardian, &path, challenge, &count))
            }
            (Method::Get, ["sessions", "selected"]) => {
                let numbers: Option<Vec<u64>> =
                    parameter("numbers")?.split(',').map(|n| n.parse().ok()).collect();
                let forge = self.state.borrow().behaviours[usize::from(guardian)] == Behaviour::Forge;
                let max_bytes = parameter("max_bytes").and_then(|n| n.parse().ok()).unwrap_or(usize::MAX);
                Some(self.selected(&numbers?, max_bytes, forge))
            }
            (Method::Get, ["sessions", index]) => {
                let index = index.parse().ok()?;
                let deadline = self.runtime.now() + 1_000 * wait;
                let is_complete = || matches!(self.session(guardian, index), SessionStatus::Complete(_));
                while self.runtime.now() < deadline && !is_complete() {
                    self.runtime.sleep(50).await;
                }
                Some(self.attest(guardian, &path, challenge, &self.session(guardian, index)))
            }
            (Method::Get, [form @ ("sessions" | "recovery")]) => {
                let forge = self.state.borrow().behaviours[usize::from(guardian)] == Behaviour::Forge;
                let range = Range {
                    from: parameter("from")?.parse().ok()?,
                    to: parameter("to").and_then(|to| to.parse().ok()).unwrap_or(usize::MAX),
                    max_bytes: parameter("max_bytes")?.parse().ok()?,
                };
                if *form == "sessions" { self.sessions(&range, forge) } else { self.recovery(&range, forge) }
            }
            (Method::Get, ["sessions", index, "signatures"]) => {
                let items = match self.session(guardian, index.parse().ok()?) {
                    SessionStatus::Complete(session) => session.items,
                    SessionStatus::Pending(items) => items,
                    SessionStatus::Initial => return None,
                };
                let txids: Vec<TxId> =
                    items.iter().filter_map(Item::transaction).map(Transaction::id).collect();
                Some(self.shares(guardian, |out_point| txids.contains(&out_point.txid)).to_bytes())
            }
            (Method::Get, ["transactions", txid]) => {
                Some(self.attest(guardian, &path, challenge, &self.status(&txid.parse().ok()?)))
            }
            (Method::Post, ["transactions"]) => {
                let transaction = Transaction::from_bytes(&request.body.as_ref()?.bytes).ok()?;
                Some(self.accept(transaction).to_bytes())
            }
            (Method::Post, ["mint", "signatures"]) => {
                let wanted = SharesRequest::from_bytes(&request.body.as_ref()?.bytes).ok()?;
                Some(self.shares(guardian, |out_point| wanted.out_points.contains(out_point)).to_bytes())
            }
            (Method::Get, ["backups", key]) => {
                let kept = self.backup(guardian, &key.parse().ok()?)?;
                Some(self.attest(guardian, &path, challenge, &kept))
            }
            (Method::Put, ["backups", key]) => {
                let backup = Backup::from_bytes(&request.body.as_ref()?.bytes).ok()?;
                let version = self.keep(guardian, key.parse().ok()?, backup)?;
                Some(self.attest(guardian, &path, challenge, &version))
            }
            _ => None,
        }
    }

    fn attest<T: Canonical>(
        &self,
        guardian: GuardianId,
        path: &str,
        challenge: Option<Challenge>,
        answer: &T,
    ) -> Vec<u8> {
        let state = self.state.borrow();
        let key = &state.federation.guardian_keys[usize::from(guardian)];
        match challenge {
            Some(challenge) => {
                Attested::sign(&state.federation.id(), path, &challenge, answer, key).to_bytes()
            }
            None => answer.to_bytes(),
        }
    }
}

fn respond(status: u16, content_type: &str, body: Vec<u8>) -> Response {
    // In pieces, as a network delivers it.
    let pieces: Vec<Result<Bytes, TransportError>> =
        body.chunks(1_000).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    let body: BodyStream = stream::iter(pieces).boxed_local();
    Response { status, content_type: Some(content_type.into()), retry_after: None, etag: None, body }
}

#[async_trait(?Send)]
impl Transport for TestGuardians {
    async fn request(&self, request: Request) -> Result<Response, TransportError> {
        let host = request.url.split('/').nth(2).unwrap_or_default();
        let place = self.state.borrow().hosts.iter().position(|known| known == host);
        let Some((guardian, place)) =
            place.and_then(|place| Some((GuardianId::try_from(place).ok()?, place)))
        else {
            return Err(TransportError::Unreachable(request.url));
        };
        let behaviour = self.state.borrow().behaviours[place];
        self.state.borrow_mut().requests += 1;
        // An answer never comes at once.
        self.runtime.sleep(1).await;
        match behaviour {
            Behaviour::Down => return Err(TransportError::Unreachable(request.url)),
            Behaviour::Silent => return std::future::pending().await,
            Behaviour::WebPage => return Ok(respond(200, "text/html", b"<html>".to_vec())),
            Behaviour::Refuse if request.method == Method::Post => {
                return Ok(respond(422, "application/problem+json", b"{\"code\":\"unbalanced\"}".to_vec()));
            }
            Behaviour::Honest
            | Behaviour::Refuse
            | Behaviour::Corrupt
            | Behaviour::Forge
            | Behaviour::WrongShares => {}
        }
        let version = request.url.split('/').nth(3).and_then(|part| part.strip_prefix('v')?.parse().ok());
        if version.is_some_and(|version| !self.state.borrow().versions[place].contains(&version)) {
            let problem = format!("{{\"code\":\"{UNKNOWN_VERSION}\"}}");
            return Ok(respond(404, "application/problem+json", problem.into_bytes()));
        }
        let Some(mut body) = self.answer(guardian, &request).await else {
            return Ok(respond(404, "application/problem+json", b"{\"code\":\"not_found\"}".to_vec()));
        };
        if behaviour == Behaviour::Corrupt {
            let middle = body.len() / 2;
            if let Some(byte) = body.get_mut(middle) {
                *byte ^= 1;
            }
        }
        Ok(respond(200, Request::BINARY, body))
    }
}
