//! The ceremony over real sockets.

mod rules;

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use rand::{SeedableRng, rngs::StdRng};
use rekindle_protocol::{amount::Amount, config::Fees, encoding::Canonical, schnorr};
use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinSet,
    time::Instant,
};

use super::{
    ceremony::{Part, commitment},
    connect::Connections,
    exchange::{Event, Wire},
    message::{Message, Statement},
    *,
};
use crate::{
    consensus::{DealingKey, GuardianId, max_faulty},
    guardian::{Home, HomeError, Profile},
    network::tcp::Fingerprint,
    secrets::{KeyDerivation, Password},
};

const LONG: Duration = Duration::from_secs(60);

fn password() -> Password {
    Password::new("secret".to_owned().into()).unwrap()
}

fn terms() -> Terms {
    let fees = Fees { input: Amount(0), output: Amount(0) };
    Terms { name: "Test".into(), denominations: 1, issuers: vec![], fees }
}

/// Data directories, and the infos of their guardians.
async fn prepare(root: &Path, count: usize) -> (Vec<Home>, Vec<ConnectionInfo>) {
    prepare_reached(root, count, async |listen| listen).await
}

/// The same, with guardians that others reach at what `reach` makes of where they listen.
async fn prepare_reached(
    root: &Path,
    count: usize,
    reach: impl AsyncFn(String) -> String,
) -> (Vec<Home>, Vec<ConnectionInfo>) {
    let mut held = Vec::new();
    let mut prepared = (Vec::new(), Vec::new());
    for number in 0..count {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        held.push(listener);
        let profile = Profile {
            name: format!("G{number}"),
            listen: address.clone(),
            address: reach(address).await,
            api_listen: "127.0.0.1:0".into(),
            public_url: format!("http://g{number}.example"),
        };
        let data = root.join(format!("{number}"));
        prepared.1.push(begin(&data, &profile, &password(), KeyDerivation::CHEAPEST).unwrap());
        prepared.0.push(Home::at(&data));
    }
    prepared
}

fn found(home: &Home, guardians: &[ConnectionInfo], patience: Duration) -> Found {
    Found {
        home: home.clone(),
        password: password(),
        derivation: KeyDerivation::CHEAPEST,
        guardians: guardians.to_vec(),
        terms: None,
        patience,
        now: 7,
    }
}

/// Runs the ceremony in which two guardians say what the federation is to be: all must end with the same.
async fn ceremony(homes: &[Home], infos: &[ConnectionInfo]) -> Vec<Federation> {
    let mut running = JoinSet::new();
    for (number, home) in homes.iter().enumerate() {
        let mut found = found(home, infos, Duration::from_secs(60));
        found.terms = (number < 2).then(terms);
        running.spawn(found.run());
    }
    let mut federations = Vec::new();
    while let Some(result) = running.join_next().await {
        federations.push(result.unwrap().unwrap());
    }
    federations.sort_by_key(|federation| federation.guardian);
    assert!((0..).zip(&federations).all(|(id, federation)| federation.guardian == id));
    for federation in &federations {
        assert_eq!((&federation.id, &federation.invite), (&federations[0].id, &federations[0].invite));
        assert!(federation.unconfirmed.is_none());
    }
    federations
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_guardians_found_one_federation() {
    let temp = tempfile::tempdir().unwrap();
    let (homes, infos) = prepare(temp.path(), 4).await;
    for (home, info) in homes.iter().zip(&infos) {
        assert_eq!(connection_info(home, &password()).unwrap(), *info);
    }
    let federations = ceremony(&homes, &infos).await;
    let members: Vec<_> = homes.iter().map(|home| home.member(&password()).unwrap()).collect();
    for member in &members {
        assert_eq!(member.config, members[0].config);
        assert_eq!(member.config.federation_id(), federations[0].id);
        let keys = member.secrets.keys.as_ref().unwrap();
        let own = usize::from(member.members.own);
        assert_eq!(keys.session.public_key(), member.config.session_keys.shares[own]);
        let (_, mint) = member.config.mint().unwrap();
        assert_eq!(keys.mint[0].public_key(), mint.denominations[0].shares[own]);
        assert_ne!(mint.denominations[0], member.config.session_keys, "every key is one of its own");
        assert_eq!(
            keys.consensus.coefficients,
            members[0].secrets.keys.as_ref().unwrap().consensus.coefficients
        );
        assert!(member.urls.iter().all(|url| url.verify(&federations[0].id, &member.config)));
    }
    let again = found(&homes[0], &infos, Duration::from_secs(1)).run().await;
    assert!(matches!(again, Err(SetupError::Home(HomeError::Occupied(_)))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_guardian_alone_or_seven_found_a_federation() {
    for count in [1, 7] {
        let temp = tempfile::tempdir().unwrap();
        let (homes, infos) = prepare(temp.path(), count).await;
        let federations = ceremony(&homes, &infos).await;
        assert_eq!(federations[0].invite.guardians.len(), count);
        for home in &homes {
            let member = home.member(&password()).unwrap();
            assert_eq!(member.config.federation_id(), federations[0].id);
            // Any f+1 guardians sign, which the ceremony itself has tried.
            let keys = member.secrets.keys.as_ref().unwrap();
            assert_eq!(keys.consensus.coefficients.len(), max_faulty(u16::try_from(count).unwrap()) + 1);
        }
    }
}

/// A wire to `target` that breaks after so many bytes, again and again, and in the end holds. Counts how often it broke.
async fn breaking_wire(target: String, breaks: Arc<AtomicUsize>) -> String {
    let wire = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = wire.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let mut lives = [500u64, 4_000, 7_000, 12_000].into_iter();
        let mut carried = JoinSet::new();
        loop {
            let (mut near, _) = wire.accept().await.unwrap();
            // Nobody may listen there yet.
            let Ok(mut far) = TcpStream::connect(&target).await else { continue };
            let (bytes, breaks) = (lives.next(), breaks.clone());
            carried.spawn(async move {
                let (mut near_read, mut near_write) = near.split();
                let (mut far_read, mut far_write) = far.split();
                let mut limited = (&mut near_read).take(bytes.unwrap_or(u64::MAX));
                tokio::select! {
                    _ = tokio::io::copy(&mut limited, &mut far_write) => {}
                    _ = tokio::io::copy(&mut far_read, &mut near_write) => {}
                }
                breaks.fetch_add(usize::from(bytes.is_some() && limited.limit() == 0), Ordering::Relaxed);
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_break_do_not_end_a_ceremony() {
    let temp = tempfile::tempdir().unwrap();
    let breaks = Arc::<AtomicUsize>::default();
    let reach = async |listen| breaking_wire(listen, breaks.clone()).await;
    let (homes, infos) = prepare_reached(temp.path(), 4, reach).await;
    ceremony(&homes, &infos).await;
    assert!(breaks.load(Ordering::Relaxed) >= 9, "every guardian but the lowest is dialled: {breaks:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_begins_again_is_named() {
    let temp = tempfile::tempdir().unwrap();
    let (homes, infos) = prepare(temp.path(), 4).await;
    let mut running = JoinSet::new();
    for home in &homes[1..] {
        running.spawn(found(home, &infos, LONG).run());
    }
    let tls = homes[0].secrets(&password()).unwrap().tls;
    let participants = Participants::new(&infos[0], infos.clone()).unwrap();
    // The sockets of the run before are being closed on another thread.
    let listen = async |home: &Home| {
        let address = home.profile().unwrap().listen;
        loop {
            match TcpListener::bind(&address).await {
                Ok(listener) => return listener,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    };
    let open = async |patience| {
        let listener = listen(&homes[0]).await;
        Connections::open(&participants, &tls, listener, Instant::now() + patience).await
    };
    let (connections, mut wire) = open(LONG).await.unwrap();
    for _ in 1..4 {
        let (_, event) = wire.incoming.recv().await.unwrap();
        assert!(matches!(event, Event::Message(Message::Say { step: 0, .. })), "{event:?}");
    }
    // Its process is killed and started again.
    drop((connections, wire));
    let again = open(Duration::from_secs(3)).await.err().unwrap();
    assert!(matches!(again, SetupError::NotConnected(_)), "what was said before is nothing to it: {again}");
    let culprit = participants.who(participants.own()).to_string();
    while let Some(result) = running.join_next().await {
        let error = result.unwrap().unwrap_err().to_string();
        assert!(error.contains(&culprit) && error.contains("began again"), "{error}");
    }
    // Once all begin again, a federation comes of it.
    for home in &homes {
        drop(listen(home).await);
    }
    ceremony(&homes, &infos).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_shows_another_certificate_or_stays_away_is_named() {
    let temp = tempfile::tempdir().unwrap();
    let (homes, infos) = prepare(temp.path(), 4).await;
    // Everybody was told of another certificate than the guardian with the highest key has.
    let mut sorted = infos.clone();
    sorted.sort();
    let victim = sorted[3].name.clone();
    sorted[3].certificate = Fingerprint([9; 32]);
    // Long enough for those who come to find each other, however busy the machine is. They don't give up at once:
    // who has gone before isn't named with who never came.
    let mut patience = Duration::from_secs(10);
    let mut running = JoinSet::new();
    for (home, info) in homes.iter().zip(&infos) {
        // The one before it never begins.
        if info.name != victim && info.name != sorted[2].name {
            running.spawn(found(home, &sorted, patience).run());
            patience += Duration::from_secs(2);
        }
    }
    running.spawn(found(&homes[usize::from(victim.as_bytes()[1] - b'0')], &infos, patience).run());
    let mut named = 0;
    while let Some(result) = running.join_next().await {
        let error = result.unwrap().unwrap_err();
        let SetupError::NotConnected(who) = &error else { panic!("{error}") };
        let names: Vec<_> = who.iter().map(|(who, _)| who.name.as_str()).collect();
        named += usize::from(names == [sorted[2].name.as_str(), victim.as_str()]);
        assert!(names.contains(&sorted[2].name.as_str()));
    }
    assert_eq!(named, 2, "both name the one that stays away and the one with the other certificate");
    assert!(homes.iter().all(|home| !home.is_set_up().unwrap()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_given_other_infos_is_named() {
    let temp = tempfile::tempdir().unwrap();
    let (homes, infos) = prepare(temp.path(), 4).await;
    let mut others = infos.clone();
    others[3].public_url = "http://elsewhere.example".into();
    let mut running = JoinSet::new();
    running.spawn(found(&homes[0], &infos, Duration::from_secs(30)).run());
    running.spawn(found(&homes[1], &others, Duration::from_secs(30)).run());
    while let Some(result) = running.join_next().await {
        assert!(matches!(result.unwrap(), Err(SetupError::OtherParticipants(_))));
    }
}
