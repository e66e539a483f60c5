//! Whole nodes over real databases and in-process links, stepped in an order that one seed decides.

use std::{path::PathBuf, sync::Arc, time::Duration};

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
    message::{PeerMessage, SigningMessage},
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

#[test]
fn one_guardian_makes_a_federation() {
    let mut federation = Federation::new(1, settings(), 1);
    let accepted = federation.submit(0, spend(1, 0));
    let spent_again = federation.submit(0, spend(1, 1));
    federation.run_until("signed", |federation| federation.all_signed(1));
    let session = TransactionStatus::Accepted { session: 0 };
    assert_eq!(federation.handle(0).transaction_status(&accepted).unwrap(), session);
    let rejected = federation.handle(0).transaction_status(&spent_again).unwrap();
    assert!(matches!(rejected, TransactionStatus::Rejected(_)));
    assert_eq!(federation.history()[0].items.len(), 1);
}

#[test]
fn four_guardians_agree_on_one_of_two_spends() {
    let mut federation = Federation::new(4, settings(), 2);
    let one = federation.submit(0, spend(7, 0));
    let two = federation.submit(3, spend(7, 1));
    let other = federation.submit(1, spend(8, 0));
    // Submitted to two guardians, in history once.
    federation.submit(2, spend(8, 0));
    federation.run_until("signed", |federation| federation.all_signed(1));
    let history = federation.history();
    assert_eq!(history.iter().map(|session| session.items.len()).sum::<usize>(), 2);
    assert!(federation.all_accepted(&[other]));
    assert!(federation.all_accepted(&[one]) != federation.all_accepted(&[two]));
    let now = federation.now;
    assert!(history.iter().all(|session| (1_000_000..=now).contains(&session.header.time)));
}

#[test]
fn an_idle_federation_makes_no_epochs() {
    let mut federation = Federation::new(4, settings(), 3);
    federation.submit(0, spend(1, 0));
    federation.run_until("signed", |federation| federation.all_signed(1));
    for _ in 0..500 {
        federation.step();
    }
    let epoch = federation.handle(0).epoch();
    federation.now += 100_000;
    for _ in 0..500 {
        federation.step();
    }
    assert!(federation.everywhere(|handle| handle.epoch() == epoch && handle.session_count() == 1));
    assert!(federation.nodes.iter().flatten().all(|node| node.core.next_wakeup().is_none()));
}

#[test]
fn sessions_close_at_their_item_limit() {
    let settings =
        Settings { session_items: 5, session_time: Duration::from_secs(1_000_000), ..Settings::default() };
    let mut federation = Federation::new(4, settings, 4);
    let txids: Vec<_> = (0..12).map(|nonce| federation.submit(nonce as u16 % 4, spend(nonce, 0))).collect();
    federation.run_until("accepted", |federation| federation.all_accepted(&txids));
    federation.run_until("signed", |federation| federation.all_signed(1));
    assert!(federation.history().iter().all(|session| session.items.len() >= 5));
}

#[test]
fn what_a_contribution_has_no_room_for_comes_in_a_later_one() {
    let settings = Settings { contribution_bytes: 1_000, ..settings() };
    let mut federation = Federation::new(4, settings, 5);
    let txids: Vec<_> = (0..20).map(|nonce| federation.submit(0, spend(nonce, 0))).collect();
    federation.run_until("accepted", |federation| federation.all_accepted(&txids));
    assert!(federation.handle(0).epoch() >= 4);
}

#[test]
fn a_stopped_guardian_holds_up_nobody_and_catches_up() {
    let mut federation = Federation::new(4, settings(), 6);
    federation.stop(2);
    for round in 0..3 {
        let txid = federation.submit(0, spend(round, 0));
        federation.run_until("accepted", |federation| federation.all_accepted(&[txid]));
        federation.run_until("signed", |federation| federation.all_signed(u64::from(round) + 1));
    }
    federation.start(2);
    federation.run_until("caught up", |federation| federation.all_signed(3));
    assert_eq!(federation.history().len(), 3);
    let last = federation.submit(2, spend(50, 0));
    federation.run_until("accepted", |federation| federation.all_accepted(&[last]));
}

#[test]
fn a_guardian_with_an_empty_database_comes_back() {
    let mut federation = Federation::new(4, settings(), 12);
    let mut txids = Vec::new();
    for round in 0..6 {
        txids.push(federation.submit(0, spend(round, 0)));
        federation.run_until("signed", |federation| federation.all_signed(u64::from(round) + 1));
    }
    federation.stop(2);
    std::fs::remove_file(federation.path(2)).unwrap();
    federation.start(2);
    federation.run_until("caught up", |federation| federation.all_signed(6));
    assert!(federation.all_accepted(&txids), "what was accepted is known again");
    assert_eq!(federation.history().len(), 6);
    // It takes part again: one more guardian may be away now.
    federation.stop(3);
    let last = federation.submit(2, spend(50, 0));
    federation.run_until("accepted", |federation| federation.all_accepted(&[last]));
}

#[test]
fn an_upgrade_stops_all_after_the_same_session() {
    let mut federation = Federation::new(4, settings(), 13);
    let version = RULES_VERSION + 1;
    federation.submit(0, spend(0, 0));
    federation.run_until("signed", |federation| federation.all_signed(1));
    federation.signal(0, version);
    federation.signal(1, version);
    for _ in 0..2_000 {
        federation.step();
        federation.now += 1;
    }
    assert_eq!(federation.stopped, [], "two of four are not enough");
    // A signal outlives a restart.
    federation.stop(0);
    federation.start(0);
    federation.signal(3, version);
    federation.run_until("stopped", |federation| federation.stopped.len() == 4);
    let expected = NodeError::UpgradeRequired { version, session: 1 }.to_string();
    assert!(federation.stopped.iter().all(|(_, error)| *error == expected), "{:?}", federation.stopped);
    federation.stopped.clear();
    federation.start(0);
    federation.run_until("stopped", |federation| federation.stopped.len() == 1);
    assert_eq!(federation.stopped, [(0, expected)], "the old software does not go on");
    federation.settings.rules_version = version;
    (0..4).for_each(|id| federation.start(id));
    let txid = federation.submit(2, spend(1, 0));
    federation.run_until("accepted", |federation| federation.all_accepted(&[txid]));
    assert!(federation.history().len() >= 2);
}

#[test]
fn restarts_of_any_or_all_guardians_continue_one_history() {
    for seed in 0..2 {
        let mut federation = Federation::new(4, settings(), seed);
        let mut txids = Vec::new();
        for nonce in 0..30 {
            let submitted_to = federation.rng.gen_range(0..4);
            txids.push(federation.submit(submitted_to, spend(nonce, 0)));
            for _ in 0..federation.rng.gen_range(0..40) {
                federation.step();
                federation.now += 5;
            }
            // Sometimes one, sometimes several, sometimes all stop in the middle of whatever they were doing.
            let victims: Vec<GuardianId> = match federation.rng.gen_range(0..4) {
                0 => vec![],
                1 => vec![federation.rng.gen_range(0..4)],
                2 => (0..4).filter(|_| federation.rng.gen_ratio(1, 2)).collect(),
                _ => (0..4).collect(),
            };
            victims.iter().for_each(|id| federation.stop(*id));
            victims.iter().for_each(|id| federation.start(*id));
        }
        federation.run_until("accepted", |federation| federation.all_accepted(&txids));
        let sessions = federation.handle(0).session_count();
        federation.run_until("signed", |federation| federation.all_signed(sessions));
        let items: Vec<_> = federation.history().into_iter().flat_map(|session| session.items).collect();
        assert!(items.len() <= txids.len(), "a transaction is in history once");
    }
}

#[test]
fn two_lost_guardians_stop_progress_and_their_return_resumes_it() {
    let mut federation = Federation::new(4, settings(), 7);
    let first = federation.submit(0, spend(0, 0));
    federation.run_until("accepted", |federation| federation.all_accepted(&[first]));
    federation.stop(1);
    federation.stop(2);
    let second = federation.submit(0, spend(1, 0));
    for _ in 0..2_000 {
        federation.step();
        federation.now += 1;
    }
    assert!(!federation.all_accepted(&[second]), "n - f guardians are needed");
    federation.start(1);
    federation.start(2);
    federation.run_until("accepted", |federation| federation.all_accepted(&[second]));
}

#[test]
fn wrong_shares_are_sorted_out_and_a_lost_one_is_asked_for() {
    let mut federation = Federation::new(4, settings(), 8);
    // Guardian 3's place is taken by one that signs garbage; guardian 2 is away until the session is closed.
    federation.stop(3);
    let mut liar = federation.hub.connect(3).unwrap();
    let txid = federation.submit(0, spend(0, 0));
    for to in 0..3 {
        let garbage = [
            SigningMessage::Share { session: 0, header: Hash([1; 32]), share: G2Bytes([0; 96]) },
            SigningMessage::Share { session: 0, header: Hash([1; 32]), share: G2Bytes([0xff; 96]) },
        ];
        for message in garbage {
            liar.send(to, None, PeerMessage::Signing(message).encode());
        }
        liar.send(to, None, bytes::Bytes::from_static(b"\xffgarbage"));
    }
    federation.run_until("accepted", |federation| federation.all_accepted(&[txid]));
    federation.run_until("signed", |federation| federation.all_signed(1));
}

#[test]
fn a_guardian_with_another_history_stops_instead_of_serving_a_fork() {
    let mut federation = Federation::new(4, settings(), 10);
    federation.submit(0, spend(0, 0));
    federation.run_until("signed", |federation| federation.all_signed(1));
    // What the federation would have signed had this guardian computed something else.
    let mut header = federation.history()[0].header;
    header.time += 1;
    let id = federation.dealt.config.federation_id();
    let config = federation.dealt.config.clone();
    let secret = federation.dealt.guardians[0].session.clone();
    let mut signing = super::signing::Signing::new(0, &config, secret, 1_000).unwrap();
    let _ = signing.close(header, 0);
    let truth = federation.history()[0].clone();
    let error = signing.on_signature(1, &truth.header, &truth.signature).unwrap_err();
    assert!(matches!(&error, NodeError::Fork { session: 0, own, .. } if *own == header.hash(&id)), "{error}");
    assert!(error.to_string().starts_with("FORK"));
}

#[test]
fn foreign_keys_are_refused() {
    let federation = Federation::new(1, settings(), 11);
    let mut dealt = deal(4);
    let setup = NodeSetup {
        id: 0,
        config: Arc::new(dealt.config.clone()),
        keys: dealt.guardians.remove(1),
        settings: settings(),
        machine: Arc::new(TestMachine),
    };
    let hub = Hub::new(4, OutboxLimits::default());
    let result = start(setup, &federation.dir.path().join("other"), hub.connect(0).unwrap());
    assert!(matches!(result, Err(NodeError::ForeignKeys)));
}

/// Lets a test decide how long a check takes.
struct Gate(std::sync::Barrier);

impl StateMachine for Gate {
    fn create_tables(&self, _: &redb::WriteTransaction) -> Result<(), redb::Error> {
        Ok(())
    }

    fn check(
        &self,
        _: &redb::ReadTransaction,
        _: &Transaction,
    ) -> Result<Result<(), rekindle_protocol::api::Rejection>, redb::Error> {
        self.0.wait();
        self.0.wait();
        Ok(Ok(()))
    }

    fn apply(
        &self,
        _: &redb::WriteTransaction,
        _: u64,
        _: &Transaction,
    ) -> Result<Result<(), rekindle_protocol::api::Rejection>, redb::Error> {
        Ok(Ok(()))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_submission_ends_when_the_node_stops_during_its_check() {
    let dealt = deal(1);
    let dir = tempfile::tempdir().unwrap();
    let gate = Arc::new(Gate(std::sync::Barrier::new(2)));
    let setup = NodeSetup {
        id: 0,
        config: Arc::new(dealt.config.clone()),
        keys: dealt.guardians[0].clone(),
        settings: settings(),
        machine: gate.clone(),
    };
    let shared = setup.share(&dir.path().join("db")).unwrap();
    let (requests, received) = mpsc::channel(100);
    let handle = NodeHandle { shared, requests };
    let submitting = tokio::spawn(async move { handle.submit(spend(1, 0)).await });
    gate.0.wait();
    drop(received);
    gate.0.wait();
    let result = tokio::time::timeout(Duration::from_secs(20), submitting).await.unwrap().unwrap();
    assert!(matches!(result, Err(SubmitError::Stopped)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_on_their_threads_order_sign_and_restart() {
    let dealt = deal(4);
    let hub = Hub::new(4, OutboxLimits::default());
    let dir = tempfile::tempdir().unwrap();
    let run = |id: GuardianId| {
        let setup = NodeSetup {
            id,
            config: Arc::new(dealt.config.clone()),
            keys: dealt.guardians[usize::from(id)].clone(),
            settings: Settings { session_time: Duration::from_millis(50), ..Settings::default() },
            machine: Arc::new(TestMachine),
        };
        start(setup, &dir.path().join(format!("{id}")), hub.connect(id).unwrap()).unwrap()
    };
    let patience = Duration::from_secs(20);
    let mut nodes: Vec<_> = (0..4).map(run).collect();
    let handle = nodes[0].handle().clone();
    let txid = handle.submit(spend(1, 0)).await.unwrap();
    assert_eq!(handle.submit(spend(1, 0)).await.unwrap(), txid, "submitting again changes nothing");
    let accepted = TransactionStatus::Accepted { session: 0 };
    assert_eq!(handle.wait_transaction(&txid, patience).await.unwrap(), accepted);
    assert!(matches!(handle.submit(spend(1, 1)).await, Err(SubmitError::Rejected(_))));
    let unknown = handle.transaction_status(&spend(2, 0).id()).unwrap();
    assert_eq!(unknown, TransactionStatus::Unknown);
    for node in &nodes {
        let session = node.handle().wait_session(0, patience).await.unwrap();
        assert!(matches!(session, SessionState::Complete(_)));
        assert_eq!(node.handle().session(1).unwrap(), SessionState::Pending(vec![]));
        assert_eq!(node.handle().session(2).unwrap(), SessionState::Initial);
    }
    assert_eq!(handle.progress().borrow().latest_contributions.len(), 4);
    drop(handle);
    for node in nodes.drain(..) {
        node.stop().await.unwrap();
    }
    nodes.extend((0..4).map(run));
    let handle = nodes[3].handle().clone();
    assert_eq!(handle.session_count(), 1);
    let txid = handle.submit(spend(2, 0)).await.unwrap();
    let accepted = TransactionStatus::Accepted { session: 1 };
    assert_eq!(handle.wait_transaction(&txid, patience).await.unwrap(), accepted);
    for node in nodes {
        node.stop().await.unwrap();
    }
    assert!(matches!(handle.submit(spend(3, 0)).await, Err(SubmitError::Stopped)));
}
