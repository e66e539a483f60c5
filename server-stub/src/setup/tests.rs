//! The ceremony over real sockets, and with participants that break its rules.

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

/// 4 participants of one process. The last breaks the rules.
struct Group {
    participants: Vec<Participants>,
    identities: Vec<schnorr::SecretKey>,
    wires: Vec<Wire>,
    /// What each hears goes in here.
    events: Vec<mpsc::Sender<(GuardianId, Event)>>,
}

const EVIL: GuardianId = 3;

fn group() -> Group {
    let mut identities: Vec<_> =
        (1..5).map(|number| schnorr::SecretKey::from_bytes(&[number; 32]).unwrap()).collect();
    identities.sort_by_key(schnorr::SecretKey::public_key);
    let infos: Vec<_> = (0u8..)
        .zip(&identities)
        .map(|(number, identity)| ConnectionInfo {
            identity: identity.public_key(),
            certificate: Fingerprint([number; 32]),
            name: format!("G{number}"),
            address: format!("host{number}:1"),
            public_url: format!("http://g{number}.example"),
        })
        .collect();
    let participants: Vec<_> =
        infos.iter().map(|own| Participants::new(own, infos.clone()).unwrap()).collect();
    let (events, ends): (Vec<_>, Vec<_>) = (0..4).map(|_| mpsc::channel(64)).unzip();
    let wires = (0..)
        .zip(ends)
        .map(|(from, incoming)| {
            let (outgoing, mut messages) = mpsc::channel::<Message>(64);
            let others: Vec<_> =
                (0..).zip(&events).filter(|(to, _)| *to != from).map(|(_, events)| events.clone()).collect();
            tokio::spawn(async move {
                while let Some(message) = messages.recv().await {
                    for events in &others {
                        let _ = events.send((from, Event::Message(message.clone()))).await;
                    }
                }
                for events in &others {
                    let _ = events.send((from, Event::Closed("it ended".into()))).await;
                }
            });
            Wire { outgoing, incoming }
        })
        .collect();
    Group { participants, identities, wires, events }
}

/// Runs the ceremony with honest participants 0 to 2 and gives what they end with.
async fn honest(
    group: &mut Group,
    patience: Duration,
    terms_of: impl Fn(GuardianId) -> Option<Terms>,
) -> Vec<SetupError> {
    let mut running = JoinSet::new();
    for own in 0..EVIL {
        let participants = group.participants[usize::from(own)].clone();
        let identity = group.identities[usize::from(own)].clone();
        let mut wire = std::mem::replace(&mut group.wires[usize::from(own)], closed_wire());
        let terms = terms_of(own);
        running.spawn(async move {
            let part = Part { participants: &participants, identity: &identity, terms, now: 1, patience };
            let stored = part.perform(&mut wire, |_| Ok::<_, SetupError>(())).await;
            (stored.err(), wire)
        });
    }
    let mut errors = Vec::new();
    let mut wires = Vec::new();
    while let Some(result) = running.join_next().await {
        let (error, wire) = result.unwrap();
        // The others hear why before the connection closes.
        wires.push(wire);
        errors.push(error.expect("no federation may come of it"));
    }
    errors
}

fn closed_wire() -> Wire {
    Wire { outgoing: mpsc::channel(1).0, incoming: mpsc::channel(1).1 }
}

/// Everybody names participant `EVIL`, or repeats one who does.
fn all_name_the_evil(errors: &[SetupError], what: &str) {
    let direct = errors.iter().filter(|error| {
        matches!(error, SetupError::Misbehaved { who, .. } | SetupError::GaveUp { who, .. } if who.id == EVIL)
            || matches!(error, SetupError::Silent { who, .. } if who.len() == 1 && who[0].0.id == EVIL)
    });
    assert!(direct.count() >= 1, "{errors:?}");
    for error in errors {
        let text = error.to_string();
        assert!(text.contains("guardian 3 (G3)") && text.contains(what), "{text}");
    }
}

const LONG: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn who_is_silent_is_named() {
    let mut group = group();
    let errors = honest(&mut group, LONG, |_| Some(terms())).await;
    all_name_the_evil(&errors, "opening");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_goes_away_is_named() {
    let mut group = group();
    group.wires[usize::from(EVIL)] = closed_wire();
    let errors = honest(&mut group, LONG, |_| Some(terms())).await;
    all_name_the_evil(&errors, "it ended");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_says_different_things_is_named() {
    let mut group = group();
    let (ceremony, key) = (group.participants[0].ceremony(), group.identities[3].clone());
    for to in 0..3 {
        let body = vec![u8::from(to == 1)];
        let statement = Statement::sign(&ceremony, 0, EVIL, &body, &key);
        let say = Message::Say { step: 0, statement, body };
        group.events[to].send((EVIL, Event::Message(say))).await.unwrap();
    }
    let errors = honest(&mut group, LONG, |_| Some(terms())).await;
    all_name_the_evil(&errors, "different statements to different participants");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_gives_up_is_named_with_its_reason() {
    let mut group = group();
    group.wires[usize::from(EVIL)].outgoing.send(Message::give_up("power cut")).await.unwrap();
    let errors = honest(&mut group, LONG, |_| Some(terms())).await;
    all_name_the_evil(&errors, "power cut");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn terms_must_be_there_and_the_same() {
    for (of, expected) in [
        (None, "nobody proposed"),
        (
            Some(Terms { name: "Other".into(), ..terms() }),
            "guardian 0 (G0) and guardian 2 (G2) propose different",
        ),
    ] {
        let mut group = group();
        let mut evil = std::mem::replace(&mut group.wires[usize::from(EVIL)], closed_wire());
        let (participants, identity) = (group.participants[3].clone(), group.identities[3].clone());
        let fourth = tokio::spawn(async move {
            let part = Part {
                participants: &participants,
                identity: &identity,
                terms: None,
                now: 1,
                patience: LONG,
            };
            part.perform(&mut evil, |_| Ok::<_, SetupError>(())).await.err().unwrap()
        });
        let first = of.as_ref().map(|_| terms());
        let mut errors = honest(&mut group, LONG, |own| match own {
            0 => first.clone(),
            2 => of.clone(),
            _ => None,
        })
        .await;
        errors.push(fourth.await.unwrap());
        assert!(errors.iter().all(|error| error.to_string().contains(expected)), "{errors:?}");
    }
}

/// Has participant `EVIL` take part with what it says changed by `tamper`, which is told the step.
fn tamper(group: &mut Group, tamper: impl Fn(u8, Vec<u8>) -> Vec<u8> + Send + Sync + 'static) {
    let outside = std::mem::replace(&mut group.wires[usize::from(EVIL)], closed_wire());
    let (participants, identity) = (group.participants[3].clone(), group.identities[3].clone());
    let ceremony = participants.ceremony();
    // What it says itself in each step, and what the others are told it says.
    let said: Arc<Mutex<BTreeMap<u8, (Statement, Statement)>>> = Arc::default();
    let (outgoing, mut messages) = mpsc::channel(64);
    let (real, theirs) = (outside.outgoing, said.clone());
    let signer = identity.clone();
    tokio::spawn(async move {
        while let Some(mut message) = messages.recv().await {
            match &mut message {
                Message::Say { step, statement, body } => {
                    let own = *statement;
                    *body = tamper(*step, std::mem::take(body));
                    *statement = Statement::sign(&ceremony, *step, EVIL, body, &signer);
                    theirs.lock().unwrap().insert(*step, (own, *statement));
                }
                Message::Echo { step, heard } => heard[3] = theirs.lock().unwrap()[step].1,
                _ => {}
            }
            let _ = real.send(message).await;
        }
    });
    let (events, incoming) = mpsc::channel(64);
    let mut real = outside.incoming;
    tokio::spawn(async move {
        while let Some((from, mut event)) = real.recv().await {
            if let Event::Message(Message::Echo { step, heard }) = &mut event {
                heard[3] = said.lock().unwrap()[step].0;
            }
            let _ = events.send((from, event)).await;
        }
    });
    tokio::spawn(async move {
        let mut wire = Wire { outgoing, incoming };
        let part =
            Part { participants: &participants, identity: &identity, terms: None, now: 1, patience: LONG };
        // However it ends for the one who cheats.
        let _ = part.perform(&mut wire, |_| Ok::<_, SetupError>(())).await;
    });
}

/// The parts of 3 keys, all of degree 2 where 1 is due, in the engine's encoding.
fn parts_of_degree_two() -> Vec<u8> {
    let point = DealingKey::random(&mut StdRng::seed_from_u64(1)).public_key();
    let number = |number: u64| number.to_le_bytes().to_vec();
    let coefficients = [number(2), number(6), point.0.repeat(6)].concat();
    let rows = [number(4), number(0).repeat(4)].concat();
    vec![[coefficients, rows].concat(); 3].to_bytes()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_deals_a_key_of_another_threshold_is_named() {
    let mut group = group();
    tamper(&mut group, |step, body| match step {
        1 => commitment(EVIL, &parts_of_degree_two()).to_bytes(),
        2 => parts_of_degree_two(),
        _ => body,
    });
    let errors = honest(&mut group, LONG, |_| Some(terms())).await;
    all_name_the_evil(&errors, "a part of another degree");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_chooses_its_part_after_the_others_is_named() {
    let mut group = group();
    tamper(&mut group, |step, body| if step == 2 { parts_of_degree_two() } else { body });
    let errors = honest(&mut group, LONG, |_| Some(terms())).await;
    all_name_the_evil(&errors, "other parts than it committed to");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_to_another_config_or_shows_a_wrong_share_is_named() {
    // A confirmation begins with the federation's id and the hash of the guardians' config, 32 bytes each, and the
    // signature, 64; then come the shares, with their number in 4 bytes.
    for (at, what) in [
        (40, "another config than this guardian came to"),
        (70, "a config that it did not sign"),
        (140, "a test signature that does not verify"),
    ] {
        let mut group = group();
        tamper(&mut group, move |step, mut body| {
            if step == 4 {
                body[at] ^= 1;
            }
            body
        });
        let errors = honest(&mut group, LONG, |_| Some(terms())).await;
        all_name_the_evil(&errors, what);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_that_are_no_statement_are_named() {
    let mut group = group();
    tamper(&mut group, |step, body| if step == 3 { vec![1, 2, 3] } else { body });
    let errors = honest(&mut group, LONG, |_| Some(terms())).await;
    all_name_the_evil(&errors, "does not decode");
}
