//! A federation in memory, asked through the session API, with guardians that misbehave.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use rekindle_protocol::{
    api::{API_VERSION, Attested, PREVIOUS_API_VERSION, RejectionReason, TransactionStatus, paths},
    bytes::{Challenge, FederationId, TxId},
    config::UrlAnnouncement,
    encoding::Canonical,
    invite::{InviteCode, InvitedGuardian},
    modules::mint::MAX_SHARES_REQUEST,
    transaction::OutPoint,
};

use super::{FederationApi, FederationError, GuardianFault, KnownSession, SharesVerdict, download_config};
use crate::{
    platform::{Request, Response, Runtime, Transport},
    testing::{
        clock::VirtualRuntime,
        federation::TestFederation,
        guardians::{Behaviour, TestGuardians},
        meddler::{Meddler, binary, endless},
    },
};

struct Setup {
    guardians: TestGuardians,
    runtime: Rc<VirtualRuntime>,
    invite: InviteCode,
}

fn setup(sessions: usize) -> Setup {
    let runtime = Rc::new(VirtualRuntime::new(7));
    let mut federation = TestFederation::new(1, 4);
    for _ in 0..sessions {
        federation.close(Vec::new());
    }
    let invite = InviteCode {
        federation: federation.id(),
        guardians: (0..4).map(|id| InvitedGuardian { id, url: format!("http://guardian-{id}") }).collect(),
    };
    Setup { guardians: TestGuardians::new(federation, runtime.clone()), runtime, invite }
}

impl Setup {
    fn api(&self) -> FederationApi {
        self.api_over(Rc::new(self.guardians.clone()))
    }

    fn api_over(&self, transport: Rc<dyn Transport>) -> FederationApi {
        let config = Rc::new(self.guardians.with(|federation| federation.document.config.clone()));
        let urls = (0..4).map(|id| (id, format!("http://guardian-{id}")));
        FederationApi::new(config, urls, transport, self.runtime.clone()).unwrap()
    }

    fn meddler(&self, meddle: impl Fn(&Request) -> Option<Response> + 'static) -> Rc<Meddler> {
        Meddler::new(Rc::new(self.guardians.clone()), meddle)
    }
}

/// A path in the version that wallets speak first.
fn newest(path: &str) -> String {
    paths::in_version(path, API_VERSION)
}

fn is_for(request: &Request, guardian: u16, path: &str) -> bool {
    request.url.starts_with(&format!("http://guardian-{guardian}{}", newest(path)))
}

fn codes(error: &FederationError) -> Vec<&'static str> {
    error.faults().iter().map(|(_, fault)| fault.code()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_config_is_believed_by_its_hash_alone() {
    let setup = setup(0);
    for (liar, behaviour) in
        [(0, Behaviour::WebPage), (1, Behaviour::Corrupt), (2, Behaviour::Down), (3, Behaviour::Silent)]
    {
        setup.guardians.set(liar, behaviour);
    }
    let error = download_config(&setup.invite, &setup.guardians, &*setup.runtime).await.unwrap_err();
    assert_eq!(error.code(), "federation_unreachable");
    setup.guardians.set(3, Behaviour::Honest);
    let joined = download_config(&setup.invite, &setup.guardians, &*setup.runtime).await.unwrap();
    assert_eq!(joined.config.federation_id(), setup.invite.federation);
    assert_eq!(joined.urls.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn another_federations_config_is_told_apart() {
    let setup = setup(0);
    let invite = InviteCode { federation: FederationId([9; 32]), ..setup.invite.clone() };
    let error = download_config(&invite, &setup.guardians, &*setup.runtime).await.unwrap_err();
    assert_eq!(error.code(), "config_mismatch");
}

#[tokio::test(start_paused = true)]
async fn announced_urls_replace_those_of_the_invite_code_if_they_are_signed() {
    let mut setup = setup(0);
    for invited in &mut setup.invite.guardians {
        invited.url = format!("http://guardian-{}/", invited.id);
    }
    let other_key = TestFederation::new(2, 4).guardian_keys.remove(1);
    setup.guardians.with(|federation| {
        let id = federation.id();
        let sign = UrlAnnouncement::sign;
        federation.document.urls = vec![
            sign(&id, 0, 3, "http://moved".into(), &federation.guardian_keys[0]),
            sign(&id, 0, 2, "http://older".into(), &federation.guardian_keys[0]),
            sign(&id, 1, 9, "http://stolen".into(), &other_key),
        ];
    });
    let joined = download_config(&setup.invite, &setup.guardians, &*setup.runtime).await.unwrap();
    assert_eq!(joined.urls[..2], [(0, "http://moved".into()), (1, "http://guardian-1".into())]);
}

#[tokio::test(start_paused = true)]
async fn a_count_survives_a_liar_and_a_silent_guardian() {
    let setup = setup(3);
    let keys = setup.guardians.with(|federation| federation.guardian_keys.clone());
    let federation = setup.invite.federation;
    // Guardian 0 signs a lie of its own.
    let liar = setup.meddler(move |request| {
        let challenge: Challenge = request.url.split("challenge=").nth(1)?.parse().ok()?;
        let lie = Attested::sign(&federation, &newest(paths::SESSION_COUNT), &challenge, &u64::MAX, &keys[0]);
        is_for(request, 0, paths::SESSION_COUNT).then(|| binary(200, lie.to_bytes()))
    });
    assert_eq!(setup.api_over(liar).session_count().await, Ok(3));
    setup.guardians.set(1, Behaviour::Silent);
    let before = setup.runtime.now();
    assert_eq!(setup.api().session_count().await, Ok(3));
    assert!(setup.runtime.now() - before < 2_000, "a silent guardian held the others up");
    setup.guardians.set(2, Behaviour::Down);
    let error = setup.api().session_count().await.unwrap_err();
    assert_eq!(error.code(), "federation_undecided");
}

#[tokio::test(start_paused = true)]
async fn nobody_speaks_for_others_or_repeats_old_answers() {
    let setup = setup(3);
    let recorded: RefCell<Option<Vec<u8>>> = RefCell::default();
    let key = setup.guardians.with(|federation| federation.guardian_keys[0].clone());
    let federation = setup.invite.federation;
    // A proxy in front of all guardians that holds guardian 0's key, and answers with what it once recorded.
    let proxy = setup.meddler(move |request| {
        let challenge: Challenge = request.url.split("challenge=").nth(1)?.parse().ok()?;
        let mut recorded = recorded.borrow_mut();
        let answer = recorded.get_or_insert_with(|| {
            Attested::sign(&federation, &newest(paths::SESSION_COUNT), &challenge, &1u64, &key).to_bytes()
        });
        Some(binary(200, answer.clone()))
    });
    let api = setup.api_over(proxy);
    for _ in 0..2 {
        let error = api.session_count().await.unwrap_err();
        assert!(codes(&error).iter().filter(|code| **code == "answer_unattested").count() >= 2, "{error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_honest_guardian_is_enough_for_a_signed_session() {
    let setup = setup(3);
    setup.guardians.set(0, Behaviour::Corrupt);
    setup.guardians.set(1, Behaviour::WebPage);
    setup.guardians.set(2, Behaviour::Silent);
    let api = setup.api();
    let served = api.session(1).await.unwrap();
    assert_eq!((served.guardian, served.value.header.index), (3, 1));
    assert!(matches!(api.session_status(2, 0).await, Ok(KnownSession::Complete(_))));
    let error = setup.api().session(3).await.unwrap_err();
    assert!(error.faults().contains(&(3, GuardianFault::Missing(3))));
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_not_there_yet_is_waited_for() {
    let setup = setup(1);
    let api = setup.api();
    assert_eq!(api.session_status(1, 0).await, Ok(KnownSession::Pending(Vec::new())));
    let close = async {
        setup.runtime.sleep(3_000).await;
        setup.guardians.with(|federation| federation.close(Vec::new()).header)
    };
    let (known, header) = futures::join!(api.session_status(1, 20), close);
    assert!(matches!(known, Ok(KnownSession::Complete(session)) if session.header == header));
    // Somebody else's session, though signed, is no answer.
    let other = setup.guardians.with(|federation| federation.sessions[0].clone());
    let status = rekindle_protocol::session::SessionStatus::Complete(other).to_bytes();
    let swap = setup.meddler(move |request| request.url.ends_with("/1").then(|| binary(200, status.clone())));
    let error = setup.api_over(swap).session(1).await.unwrap_err();
    assert_eq!(codes(&error), ["history_invalid"; 4]);
}

#[tokio::test(start_paused = true)]
async fn endless_and_broken_answers_are_cut_off() {
    let setup = setup(1);
    let sent = Rc::new(RefCell::new(0));
    let counter = sent.clone();
    let flood = setup.meddler(move |request| match request.url.as_bytes()["http://guardian-".len()] {
        b'0' | b'1' => Some(endless(vec![0; 64 << 10], counter.clone())),
        b'2' => Some(binary(200, b"garbage".to_vec())),
        _ => Some(Response { content_type: Some("text/html; charset=utf-8".into()), ..binary(200, vec![]) }),
    });
    let api = setup.api_over(flood);
    assert_eq!(api.session_count().await.unwrap_err().code(), "federation_unreachable");
    assert!(*sent.borrow() <= 4 * (64 << 10), "{} bytes were read", sent.borrow());
    let mut found = codes(&api.session(0).await.unwrap_err());
    found.sort_unstable();
    assert_eq!(found, ["answer_of_wrong_type", "answer_too_big", "answer_too_big", "answer_undecodable"]);
    assert!(*sent.borrow() < 20 << 20, "{} bytes were read", sent.borrow());
    let evidence = api.evidence().into_iter().find(|evidence| evidence.guardian == 2).unwrap();
    assert_eq!((&*evidence.path, &*evidence.answer), (&*paths::session(0), &b"garbage"[..]));
}

#[tokio::test(start_paused = true)]
async fn a_busy_guardian_is_left_alone_for_as_long_as_it_asks() {
    let setup = setup(1);
    let transport = setup.meddler(|request| {
        let busy = Response { retry_after: Some("30".into()), ..binary(429, vec![]) };
        is_for(request, 0, "").then_some(busy)
    });
    let api = setup.api_over(transport.clone());
    let asked = || transport.log().iter().filter(|request| is_for(request, 0, "")).count();
    assert_eq!(api.session_count().await, Ok(1));
    assert_eq!(api.session_count().await, Ok(1));
    assert_eq!(asked(), 1);
    setup.runtime.sleep(31_000).await;
    // It is asked last now, when somebody else fails.
    setup.guardians.set(1, Behaviour::Down);
    assert!(api.session_count().await.is_err());
    assert_eq!(asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_slow_guardian_is_hedged() {
    let setup = setup(2);
    setup.guardians.set(0, Behaviour::Silent);
    let before = setup.runtime.now();
    let api = setup.api();
    assert_eq!(api.session(0).await.unwrap().guardian, 1);
    let elapsed = setup.runtime.now() - before;
    assert!((400..3_000).contains(&elapsed), "{elapsed} ms");
}

#[tokio::test(start_paused = true)]
async fn transactions_are_submitted_and_followed() {
    let setup = setup(1);
    let api = setup.api();
    let context = setup.guardians.with(|federation| federation.context(&[1; 16]));
    let address = {
        let tweak = setup.guardians.with(TestFederation::tweak);
        context.secret.deposit_address(&context.federation, 1, tweak)
    };
    let credit = setup.guardians.with(|federation| federation.credit(&address, 21));
    let txid = credit.id();
    assert_eq!(api.transaction_status(&txid, 0).await, Ok(TransactionStatus::Unknown));
    setup.guardians.set(0, Behaviour::Down);
    let submitted = api.submit(&credit, false).await.unwrap();
    assert_eq!((submitted.taken_by, submitted.rejection), (2, None));
    assert_eq!(api.transaction_status(&txid, 5).await, Ok(TransactionStatus::Accepted { session: 1 }));
    let again = api.submit(&credit, true).await.unwrap();
    assert_eq!(again.taken_by, 3);

    let refuse = setup.meddler(|request| {
        let problem = br#"{"status":422, "code" : "unbalanced","detail":"3 != 4"}"#.to_vec();
        let problem =
            Response { content_type: Some("application/problem+json".into()), ..binary(422, problem) };
        request.url.ends_with(&newest(paths::TRANSACTIONS)).then_some(problem)
    });
    let refused = setup.api_over(refuse).submit(&credit, false).await.unwrap();
    assert_eq!(refused.taken_by, 0);
    assert_eq!(refused.rejection.map(|rejection| rejection.reason), Some(RejectionReason::Unbalanced));

    for guardian in 0..4 {
        setup.guardians.set(guardian, Behaviour::Down);
    }
    let error = api.submit(&credit, true).await.unwrap_err();
    assert_eq!(error.code(), "federation_unreachable");
}

#[tokio::test(start_paused = true)]
async fn shares_are_collected_until_there_are_enough() {
    let setup = setup(1);
    setup.guardians.set(1, Behaviour::Silent);
    let api = setup.api();
    let out_point = OutPoint { txid: TxId([1; 32]), output: 0 };
    let mut from = Vec::new();
    let mut check = |guardian, _| {
        from.push(guardian);
        match (guardian, from.len()) {
            (0, _) => SharesVerdict::Wrong,
            (_, 3) => SharesVerdict::Enough,
            _ => SharesVerdict::More,
        }
    };
    api.mint_shares(&[out_point], &mut check).await.unwrap();
    from.sort_unstable();
    assert_eq!(from, [0, 2, 3]);

    let never = Cell::new(0);
    let mut insatiable = |_, _| {
        never.set(never.get() + 1);
        SharesVerdict::More
    };
    let error = api.session_shares(0, &mut insatiable).await.unwrap_err();
    assert_eq!((error.code(), never.get()), ("federation_undecided", 3));
    let many = vec![out_point; MAX_SHARES_REQUEST + 1];
    let error = api.mint_shares(&many, &mut insatiable).await.unwrap_err();
    assert_eq!(error.code(), "request_too_big");
}

/// The new URL of a guardian, signed by `signer`.
fn moved(setup: &Setup, guardian: u16, signer: usize, number: u64, url: &str) -> UrlAnnouncement {
    setup.guardians.with(|federation| {
        let key = &federation.guardian_keys[signer];
        UrlAnnouncement::sign(&setup.invite.federation, guardian, number, url.into(), key)
    })
}

#[tokio::test(start_paused = true)]
async fn new_urls_are_learned_if_they_are_newer_and_signed() {
    let setup = setup(3);
    let api = setup.api();
    let announce = |urls| setup.guardians.with(|federation| federation.document.urls = urls);
    let new = moved(&setup, 1, 1, 5, "http://moved");
    announce(vec![new.clone(), moved(&setup, 2, 1, 9, "http://stolen")]);
    assert_eq!(api.learn_urls().await, Ok(Some(vec![new.clone()])));
    assert_eq!(api.url(1).as_deref(), Some("http://moved"));
    assert_eq!(api.url(2).as_deref(), Some("http://guardian-2"));
    // It is asked there from now on.
    setup.guardians.relocate(1, "moved");
    setup.guardians.set(0, Behaviour::Down);
    assert_eq!(api.session_count().await, Ok(3));
    // What is known or older is no news.
    assert_eq!(api.learn_urls().await, Ok(None));
    announce(vec![moved(&setup, 1, 1, 4, "http://guardian-1")]);
    assert_eq!(api.learn_urls().await, Ok(None));
    assert_eq!(api.url(1).as_deref(), Some("http://moved"));
    // A guardian whose address nobody knew is asked once it is known.
    let config = Rc::new(setup.guardians.with(|federation| federation.document.config.clone()));
    let some = (0..3).map(|id| (id, format!("http://guardian-{id}")));
    let transport = Rc::new(setup.guardians.clone());
    let api = FederationApi::new(config, some, transport, setup.runtime.clone()).unwrap();
    assert!(api.session_count().await.is_err(), "one is down, of one the address is not known");
    api.know(vec![new]);
    announce(vec![moved(&setup, 3, 3, 1, "http://guardian-3")]);
    assert!(api.learn_urls().await.is_ok_and(|news| news.is_some_and(|all| all.len() == 2)));
    assert_eq!(api.session_count().await, Ok(3));
}

#[tokio::test(start_paused = true)]
async fn each_guardian_is_asked_in_a_version_that_it_speaks() {
    let setup = setup(3);
    setup.guardians.speak(0, PREVIOUS_API_VERSION..=PREVIOUS_API_VERSION);
    setup.guardians.speak(1, PREVIOUS_API_VERSION..=PREVIOUS_API_VERSION);
    setup.guardians.speak(2, API_VERSION..=API_VERSION);
    setup.guardians.set(3, Behaviour::Down);
    let invite = &setup.invite;
    let joined = download_config(invite, &setup.guardians, &*setup.runtime).await.unwrap();
    assert_eq!(joined.config.federation_id(), invite.federation);
    let transport = setup.meddler(|_| None);
    let api = setup.api_over(transport.clone());
    // Three of three must answer.
    assert_eq!(api.session_count().await, Ok(3));
    // Once it is known what each speaks, nobody is asked in vain.
    let before = transport.log().len();
    assert_eq!(api.session_count().await, Ok(3));
    let asked = transport.log()[before..].iter().filter(|request| !is_for(request, 3, "/")).count();
    assert_eq!(asked, 3);
    // One that speaks neither is a guardian that fails.
    setup.guardians.speak(0, 9..=9);
    let error = api.session_count().await.unwrap_err();
    assert!(error.faults().iter().any(|(guardian, fault)| *guardian == 0 && fault.is_unknown_version()));
    setup.guardians.set(3, Behaviour::Honest);
    assert_eq!(api.session(1).await.unwrap().value.header.index, 1);
}
