//! Whole nodes over real databases and in-process links, stepped in an order that one seed decides.

mod faults;
mod ordering;
mod proposing;
mod returning;
mod threads;
mod upgrading;

use std::{path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use rekindle_protocol::{
    api::TransactionStatus,
    bytes::{G2Bytes, Hash, TxId},
    chain::{ChainPosition, check_signature},
    encoding::Canonical,
    session::{HashedSession, SignedSession},
    transaction::Transaction,
};
use tokio::sync::{mpsc, oneshot};

use super::{
    handle::{NodeHandle, Request, SessionState, Shared, Submission},
    message::{CatchUpMessage, PeerMessage, PeerStatus, SigningMessage},
    testing::{TestMachine, deal, spend},
    *,
};
use crate::{
    consensus::GuardianId,
    dealer::Dealt,
    network::{Hub, HubEnd, OutboxLimits, PeerNetwork},
};

struct Federation {
    dealt: Dealt,
    hub: Hub,
    dir: tempfile::TempDir,
    settings: Settings,
    nodes: Vec<Option<Node>>,
    /// Which guardians ended by themselves, and what they said.
    stopped: Vec<(GuardianId, String)>,
    now: u64,
    rng: ChaCha8Rng,
}

struct Node {
    core: Core<HubEnd>,
    handle: NodeHandle,
    received: mpsc::Receiver<Request>,
}

impl Federation {
    fn new(guardians: u16, settings: Settings, seed: u64) -> Self {
        let mut federation = Self {
            dealt: deal(guardians),
            hub: Hub::new(guardians, OutboxLimits::default()),
            dir: tempfile::tempdir().unwrap(),
            settings,
            nodes: (0..guardians).map(|_| None).collect(),
            stopped: Vec::new(),
            now: 1_000_000,
            rng: ChaCha8Rng::seed_from_u64(seed),
        };
        for id in 0..guardians {
            federation.start(id);
        }
        federation
    }

    fn path(&self, id: GuardianId) -> PathBuf {
        self.dir.path().join(format!("{id}.redb"))
    }

    fn shared(&self, id: GuardianId) -> Arc<Shared> {
        let setup = NodeSetup {
            id,
            config: Arc::new(self.dealt.config.clone()),
            keys: self.dealt.guardians[usize::from(id)].clone(),
            settings: self.settings,
            machine: Arc::new(TestMachine),
        };
        setup.share(&self.path(id)).unwrap()
    }

    fn time(&self) -> Time {
        Time { wall: self.now, monotonic: self.now }
    }

    fn start(&mut self, id: GuardianId) {
        let shared = self.shared(id);
        let core = Core::open(
            shared.clone(),
            self.hub.connect(id).unwrap(),
            StdRng::seed_from_u64(self.rng.r#gen()),
            self.time(),
        )
        .unwrap();
        let (requests, received) = mpsc::channel(100);
        let handle = NodeHandle { shared, requests };
        self.nodes[usize::from(id)] = Some(Node { core, handle, received });
    }

    fn stop(&mut self, id: GuardianId) {
        self.nodes[usize::from(id)] = None;
    }

    fn handle(&self, id: GuardianId) -> &NodeHandle {
        &self.nodes[usize::from(id)].as_ref().unwrap().handle
    }

    /// Hands a transaction to a guardian, past the checks of its handle.
    fn submit(&mut self, id: GuardianId, transaction: Transaction) -> TxId {
        let txid = transaction.id();
        let (done, mut answer) = oneshot::channel();
        let time = self.time();
        let node = self.nodes[usize::from(id)].as_mut().unwrap();
        node.core.step(vec![Request::Submit(Submission { txid, transaction, done })], time).unwrap();
        answer.try_recv().unwrap().unwrap();
        txid
    }

    /// Steps one running node that the seed chooses.
    fn step(&mut self) {
        let running: Vec<_> = (0..self.nodes.len()).filter(|id| self.nodes[*id].is_some()).collect();
        let Some(id) = running.choose(&mut self.rng).copied() else { return };
        let time = self.time();
        let node = self.nodes[id].as_mut().unwrap();
        let mut submissions = Vec::new();
        while let Ok(submission) = node.received.try_recv() {
            submissions.push(submission);
        }
        if let Err(error) = node.core.step(submissions, time) {
            self.stopped.push((u16::try_from(id).unwrap(), error.to_string()));
            self.nodes[id] = None;
        }
    }

    fn signal(&mut self, id: GuardianId, version: u32) {
        let (done, mut answer) = oneshot::channel();
        let time = self.time();
        let node = self.nodes[usize::from(id)].as_mut().unwrap();
        node.core.step(vec![Request::Signal { version, done }], time).unwrap();
        answer.try_recv().unwrap();
    }

    /// Hands a guardian a session as its operator does.
    fn adopt(&mut self, id: GuardianId, session: Vec<u8>) -> Result<(), AdoptError> {
        let (done, mut answer) = oneshot::channel();
        let time = self.time();
        let node = self.nodes[usize::from(id)].as_mut().unwrap();
        node.core.step(vec![Request::Adopt { session, done }], time).unwrap();
        answer.try_recv().unwrap()
    }

    /// Steps nodes while time passes until `done`.
    fn run_until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        for _ in 0..50_000 {
            if done(self) {
                return;
            }
            self.step();
            self.now += 1;
        }
        panic!("never {what}");
    }

    fn everywhere(&self, check: impl Fn(&NodeHandle) -> bool) -> bool {
        self.nodes.iter().flatten().all(|node| check(&node.handle))
    }

    fn all_accepted(&self, txids: &[TxId]) -> bool {
        self.everywhere(|handle| {
            txids.iter().all(|txid| {
                matches!(handle.transaction_status(txid).unwrap(), TransactionStatus::Accepted { .. })
            })
        })
    }

    fn all_signed(&self, sessions: u64) -> bool {
        self.everywhere(|handle| handle.signed_count() >= sessions)
    }

    /// Asserts that all running guardians serve the same signed history, and gives it.
    fn history(&self) -> Vec<SignedSession> {
        let federation = self.dealt.config.federation_id();
        let key = self.dealt.config.session_key().unwrap();
        let mut histories = Vec::new();
        for node in self.nodes.iter().flatten() {
            let mut position = ChainPosition::GENESIS;
            let mut history = Vec::new();
            for index in 0..node.handle.signed_count() {
                let SessionState::Complete(bytes) = node.handle.session(index).unwrap() else {
                    panic!("session {index} is counted as signed")
                };
                let session = HashedSession::from_bytes(&bytes).unwrap();
                position.extend(&federation, &session).unwrap();
                check_signature(&federation, &key, &session.header, &session.signature.unwrap()).unwrap();
                history.push(SignedSession::from_bytes(&bytes).unwrap());
            }
            histories.push(history);
        }
        for other in &histories[1..] {
            let both = other.len().min(histories[0].len());
            assert_eq!(other[..both], histories[0][..both], "guardians serve different histories");
        }
        histories.into_iter().max_by_key(Vec::len).unwrap()
    }
}

fn settings() -> Settings {
    Settings { session_time: Duration::from_millis(200), ..Settings::default() }
}
