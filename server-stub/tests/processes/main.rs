//! Guardians in processes of their own: founded by the ceremony (`setup`), and killed at any moment, upon which nothing
//! that was taken up is lost, nobody's history differs from another's, and ordering goes on.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod client;
mod process;
mod setup;
mod upgrade;

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rand::{Rng, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use rekindle_guardian::{
    dev::Credits,
    guardian::deal::Deal,
    secrets::{KeyDerivation, Password},
};
use rekindle_protocol::{
    api::TransactionStatus,
    bytes::TxId,
    encoding::Canonical,
    session::{Item, SessionStatus},
    transaction::Transaction,
};
use tokio::{sync::watch, time::timeout};

use client::Client;
use process::{PASSWORD, PATIENCE, Process};

const GUARDIANS: usize = 4;
/// How often guardians are killed.
const ROUNDS: usize = 40;
/// How long the whole test may take on a busy machine.
const ALL: Duration = Duration::from_secs(300);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guardians_killed_at_any_moment_lose_nothing() {
    timeout(ALL, kill_in_a_loop(1)).await.expect("too slow");
}

/// Guardians that do not run yet, and their issuer's credits.
fn deal(dir: &Path) -> (Vec<Process>, Credits) {
    let deal = Deal {
        guardians: u16::try_from(GUARDIANS).unwrap(),
        denominations: 1,
        data: dir.into(),
        password: Password::new(PASSWORD.to_owned().into()).unwrap(),
        derivation: KeyDerivation::CHEAPEST,
    };
    let dealt = deal.run().unwrap();
    let config = dealt.homes[0].member(&deal.password).unwrap().config;
    let credits = Credits::new(&config, dealt.issuer).unwrap();
    (dealt.homes.iter().map(|home| Process::new(home.path())).collect(), credits)
}

async fn kill_in_a_loop(seed: u64) {
    let dir = tempfile::tempdir().unwrap();
    let (mut guardians, credits) = deal(dir.path());
    let mut addresses = Vec::new();
    for guardian in &mut guardians {
        addresses.push(guardian.start().await["api"].as_str().unwrap().to_owned());
    }
    let load = Load::start(credits, addresses.clone());
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    for round in 0..ROUNDS {
        // At a moment that depends on what happens, not on the clock.
        load.wait_for(rng.gen_range(1..15)).await;
        let mut victims: Vec<usize> = (0..GUARDIANS).collect();
        victims.shuffle(&mut rng);
        victims.truncate(rng.gen_range(1..=GUARDIANS));
        println!("round {round}: kills {victims:?}");
        for victim in &victims {
            guardians[*victim].kill();
        }
        if victims.len() == 1 {
            // Three of four go on while one is away.
            load.wait_for(rng.gen_range(1..15)).await;
        }
        for victim in &victims {
            guardians[*victim].start().await;
        }
    }
    load.wait_for(5).await;
    let (client, credits, taken_up) = load.stop().await;
    println!("{} transactions were taken up", taken_up.len());

    // Every guardian orders again.
    let mut last = 0;
    for (number, address) in (u64::MAX - 10..).zip(&addresses) {
        let credit = credits.credit(number);
        client.submit(address, &credit).await.expect("taken up");
        for address in &addresses {
            last = accepted(&client, address, &credit).await.max(last);
        }
    }
    // All histories are the same, byte for byte.
    let mut found: BTreeMap<TxId, u64> = BTreeMap::new();
    for index in 0..=last {
        let session = client.session(&addresses[0], index).await;
        for address in &addresses[1..] {
            assert_eq!(client.session(address, index).await, session, "session {index}");
        }
        let SessionStatus::Complete(signed) = SessionStatus::from_bytes(&session).unwrap() else {
            panic!("session {index} is not signed")
        };
        for transaction in signed.items.iter().filter_map(Item::transaction) {
            assert_eq!(found.insert(transaction.id(), index), None, "accepted twice");
        }
    }
    // What any guardian has taken up is in them, and where it said.
    for (transaction, said) in &taken_up {
        let session = found.get(&transaction.id()).expect("a transaction that was taken up is lost");
        assert!(said.is_none_or(|said| said == *session), "in session {session}, not {said:?}");
    }
    for guardian in &mut guardians {
        let status = guardian.terminate(Duration::from_secs(10)).await;
        assert!(status.success(), "{status}: {}", guardian.log());
        assert!(!guardian.runs());
    }
}

/// Waits until a guardian has accepted a transaction; in which session.
async fn accepted(client: &Client, guardian: &str, transaction: &Transaction) -> u64 {
    let accepted = async {
        loop {
            if let Some(TransactionStatus::Accepted { session }) = client.outcome(guardian, transaction).await
            {
                return session;
            }
        }
    };
    timeout(PATIENCE, accepted).await.expect("not accepted")
}

/// Clients that submit all the time, one to each guardian.
struct Load {
    shared: Arc<Shared>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

struct Shared {
    client: Client,
    credits: Credits,
    stop: AtomicBool,
    /// What was taken up, and the session in which it was accepted as far as its guardian lived to say.
    taken_up: Mutex<Vec<(Transaction, Option<u64>)>>,
    /// How many were accepted.
    accepted: watch::Sender<u64>,
}

impl Load {
    fn start(credits: Credits, addresses: Vec<String>) -> Self {
        let shared = Arc::new(Shared {
            client: Client::new(),
            credits,
            stop: AtomicBool::new(false),
            taken_up: Mutex::default(),
            accepted: watch::Sender::new(0),
        });
        let tasks = (0..)
            .zip(addresses)
            .map(|(id, address)| tokio::spawn(submit(shared.clone(), id << 32, address)))
            .collect();
        Self { shared, tasks }
    }

    /// Waits until so many more transactions are accepted.
    async fn wait_for(&self, more: u64) {
        let mut accepted = self.shared.accepted.subscribe();
        let seen = *accepted.borrow();
        let enough = accepted.wait_for(|accepted| *accepted >= seen + more);
        timeout(PATIENCE, enough).await.expect("consensus has stopped").unwrap();
    }

    async fn stop(self) -> (Client, Credits, Vec<(Transaction, Option<u64>)>) {
        self.shared.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
        let shared = Arc::into_inner(self.shared).unwrap();
        (shared.client, shared.credits, shared.taken_up.into_inner().unwrap())
    }
}

/// Submits one transaction after the other to a guardian that comes and goes.
async fn submit(shared: Arc<Shared>, first: u64, address: String) {
    let mut number = first;
    while !shared.stop.load(Ordering::Relaxed) {
        let credit = shared.credits.credit(number);
        match shared.client.submit(&address, &credit).await {
            Some(_) => {
                number += 1;
                let outcome = shared.client.outcome(&address, &credit).await;
                let session = match outcome {
                    Some(TransactionStatus::Accepted { session }) => Some(session),
                    // It was killed, or all of them are.
                    _ => None,
                };
                shared.taken_up.lock().unwrap().push((credit, session));
                shared.accepted.send_modify(|accepted| *accepted += u64::from(session.is_some()));
            }
            // It does not run at the moment.
            None => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}
