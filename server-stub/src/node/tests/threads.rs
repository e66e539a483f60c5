//! Nodes on their own threads.

use super::*;

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
        _: &Proposals,
        _: &Transaction,
    ) -> Result<Result<(), rekindle_protocol::api::Rejection>, redb::Error> {
        Ok(Ok(()))
    }

    fn replay(
        &self,
        _: &redb::WriteTransaction,
        _: u64,
        _: &Transaction,
        _: &TxId,
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
