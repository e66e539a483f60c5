//! Participants that break the rules, over links within the process.

use super::*;

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
