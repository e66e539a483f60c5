//! The stream over real encodings: guardians in memory that misbehave on the way.

use std::{cell::RefCell, collections::BTreeSet, future::poll_fn, rc::Rc, task::Poll};

use bytes::Bytes;
use futures::{FutureExt, StreamExt, stream};
use rekindle_protocol::{
    chain::ChainPosition,
    encoding::Canonical,
    ranges::{EmptyRun, SessionRecord, write_record},
    session::SignedSession,
};

use super::{Form, Limits, Part, SessionStream, StreamedPart};
use crate::{
    federation::FederationApi,
    platform::{Request, Response, Runtime, Transport},
    testing::{
        clock::VirtualRuntime,
        federation::TestFederation,
        guardians::{Behaviour, TestGuardians},
        meddler::{Meddler, binary, endless},
    },
};

const SESSIONS: u64 = 120;

struct Setup {
    guardians: TestGuardians,
    runtime: Rc<VirtualRuntime>,
    sessions: Vec<SignedSession>,
}

impl Setup {
    fn new() -> Self {
        let runtime = Rc::new(VirtualRuntime::new(3));
        let mut federation = TestFederation::new(5, 4);
        let context = federation.context(&[2; 16]);
        for number in 0..SESSIONS {
            let tweak = federation.tweak();
            let address = context.secret.deposit_address(&context.federation, 1, tweak);
            let credits = (0..number % 4).map(|_| federation.credit(&address, number + 1)).collect();
            federation.close(credits);
        }
        let sessions = federation.sessions.clone();
        Setup { guardians: TestGuardians::new(federation, runtime.clone()), runtime, sessions }
    }

    fn api(&self, transport: Rc<dyn Transport>) -> FederationApi {
        let config = Rc::new(self.guardians.with(|federation| federation.document.config.clone()));
        let urls = (0..4).map(|id| (id, format!("http://guardian-{id}")));
        FederationApi::new(config, urls, transport, self.runtime.clone()).unwrap()
    }

    fn stream(&self) -> SessionStream {
        self.stream_over(Rc::new(self.guardians.clone()))
    }

    fn stream_over(&self, transport: Rc<dyn Transport>) -> SessionStream {
        self.stream_of(&self.api(transport))
    }

    fn stream_of(&self, api: &FederationApi) -> SessionStream {
        let limits = Limits { segment_bytes: 4 << 10, quick_segment_bytes: 4 << 10, ..Limits::default() };
        SessionStream::new(api, Form::Sessions, 0, SESSIONS, limits)
    }

    fn meddler(&self, meddle: impl Fn(&Request) -> Option<Response> + 'static) -> Rc<Meddler> {
        Meddler::new(Rc::new(self.guardians.clone()), meddle)
    }

    /// Reads all, and goes back to the last verified position when the chain breaks.
    async fn read(&self, stream: &mut SessionStream) -> Vec<StreamedPart> {
        let federation = self.guardians.with(|federation| federation.id());
        let mut position = ChainPosition::GENESIS;
        let mut read = Vec::new();
        while let Some(streamed) = stream.next().await {
            if let Err(error) = streamed.part.extend(&mut position, &federation) {
                stream.penalise(streamed.guardian, &error.into());
                stream.rewind(0);
                position = ChainPosition::GENESIS;
                read.clear();
                continue;
            }
            read.push(streamed);
        }
        read
    }

    fn assert_all(&self, read: &[StreamedPart]) {
        assert_eq!(read.len(), self.sessions.len());
        for (streamed, session) in read.iter().zip(&self.sessions) {
            let Part::Session(read) = &streamed.part else { panic!("sessions were asked for") };
            assert_eq!(read.header, session.header);
            assert_eq!(read.content.items, session.items);
        }
    }
}

fn of(request: &Request, guardian: u16) -> bool {
    request.url.starts_with(&format!("http://guardian-{guardian}/"))
}

#[tokio::test(start_paused = true)]
async fn all_sessions_arrive_in_order_from_several_guardians() {
    let setup = Setup::new();
    let api = setup.api(Rc::new(setup.guardians.clone()));
    let mut stream = setup.stream_of(&api);
    let read = setup.read(&mut stream).await;
    setup.assert_all(&read);
    let served: BTreeSet<_> = read.iter().map(|streamed| streamed.guardian).collect();
    assert!(served.len() > 1, "all came from guardian {served:?}");
    let progress = stream.progress();
    assert_eq!((progress.position, progress.end, progress.waiting_bytes), (SESSIONS, SESSIONS, 0));
    assert_eq!(progress.bytes, read.iter().map(|streamed| streamed.bytes as u64).sum::<u64>());
    assert_eq!(api.evidence(), []);
}

#[tokio::test(start_paused = true)]
async fn one_honest_guardian_of_four_is_enough() {
    let setup = Setup::new();
    setup.guardians.set(0, Behaviour::Silent);
    setup.guardians.set(1, Behaviour::WebPage);
    setup.guardians.set(2, Behaviour::Down);
    let before = setup.runtime.now();
    let api = setup.api(Rc::new(setup.guardians.clone()));
    setup.assert_all(&setup.read(&mut setup.stream_of(&api)).await);
    assert!(setup.runtime.now() - before < 30_000, "{} ms", setup.runtime.now() - before);
    let evidence = api.evidence();
    assert_eq!((evidence.len(), evidence[0].guardian), (1, 1));
    assert_eq!(evidence[0].code, "answer_of_wrong_type");
    assert!(evidence[0].path.starts_with("/v1/"), "{evidence:?}");
}

#[tokio::test(start_paused = true)]
async fn corrupt_and_forged_history_is_fetched_again_elsewhere() {
    for behaviour in [Behaviour::Corrupt, Behaviour::Forge] {
        let setup = Setup::new();
        setup.guardians.set(0, behaviour);
        let api = setup.api(Rc::new(setup.guardians.clone()));
        setup.assert_all(&setup.read(&mut setup.stream_of(&api)).await);
        let evidence = api.evidence();
        let named: Vec<_> = evidence.iter().map(|evidence| evidence.guardian).collect();
        assert!(evidence.iter().all(|evidence| evidence.path.starts_with("/v1/")), "{evidence:?}");
        // A flipped byte may also look as if a connection broke.
        assert!(named == [0] || behaviour == Behaviour::Corrupt && named.is_empty(), "{named:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn endless_and_truncated_answers_are_faults_of_their_guardians() {
    let setup = Setup::new();
    let sent = Rc::new(RefCell::new(0));
    let counter = sent.clone();
    let transport = setup.meddler(move |request| {
        if of(request, 0) {
            // Announces a record of 5 megabytes that does not come to an end.
            return Some(endless(5_000_000u32.to_le_bytes().repeat(10_000), counter.clone()));
        }
        of(request, 1).then(|| binary(200, vec![100, 0, 0, 0, 1]))
    });
    let api = setup.api(transport);
    setup.assert_all(&setup.read(&mut setup.stream_of(&api)).await);
    assert!(*sent.borrow() < 200 << 20, "{} bytes were read", sent.borrow());
    assert!(api.evidence().iter().any(|evidence| evidence.guardian == 0));
}

#[tokio::test(start_paused = true)]
async fn runs_of_empty_sessions_are_expanded() {
    let setup = Setup::new();
    let mut federation = TestFederation::new(6, 4);
    for _ in 0..200 {
        federation.close(Vec::new());
    }
    let sessions = federation.sessions.clone();
    let guardians = TestGuardians::new(federation, setup.runtime.clone());
    let collapsed = sessions.clone();
    let transport = Meddler::new(Rc::new(guardians.clone()), move |request| {
        let from: usize = request.url.split("from=").nth(1)?.split('&').next()?.parse().ok()?;
        let rest: Vec<_> = collapsed[from..].iter().map(|s| (s.header, s.signature)).collect();
        let mut body = Vec::new();
        write_record(&SessionRecord::EmptyRun(EmptyRun::collapse(&rest)?).to_bytes(), &mut body);
        Some(binary(200, body))
    });
    let setup = Setup { guardians, sessions, ..setup };
    let mut stream =
        SessionStream::new(&setup.api(transport.clone()), Form::Sessions, 0, 200, Limits::default());
    setup.assert_all(&setup.read(&mut stream).await);
    assert!(transport.log().len() < 20, "{} requests for a few kilobytes", transport.log().len());
}

#[tokio::test(start_paused = true)]
async fn nothing_is_lost_when_waiting_is_given_up() {
    let setup = Setup::new();
    let mut stream = setup.stream();
    let mut read = Vec::new();
    loop {
        // Looks, without waiting, and lets a little time pass.
        match stream.next().now_or_never() {
            Some(Some(streamed)) => read.push(streamed),
            Some(None) => break,
            None => setup.runtime.sleep(1).await,
        }
    }
    setup.assert_all(&read);
}

#[tokio::test(start_paused = true)]
async fn a_federation_that_is_down_is_waited_for() {
    let setup = Setup::new();
    for guardian in 0..4 {
        setup.guardians.set(guardian, Behaviour::Down);
    }
    let mut stream = setup.stream();
    let wait = setup.runtime.sleep(600_000);
    futures::pin_mut!(wait);
    assert!(matches!(
        futures::future::select(Box::pin(stream.next()), wait).await,
        futures::future::Either::Right(_)
    ));
    let asked = setup.guardians.requests();
    assert!((20..200).contains(&asked), "{asked} requests in ten minutes");
    assert!(stream.progress().next_attempt.is_some_and(|at| at <= setup.runtime.now() + 120_000));
    for guardian in 0..4 {
        setup.guardians.set(guardian, Behaviour::Honest);
    }
    setup.assert_all(&setup.read(&mut stream).await);
}

#[tokio::test(start_paused = true)]
async fn what_has_arrived_is_not_waited_for() {
    let setup = Setup::new();
    let mut stream = setup.stream();
    for _ in 0..SESSIONS {
        assert!(stream.next().await.is_some());
        assert_eq!(stream.progress().next_attempt, None);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_stops_half_way_is_continued_elsewhere() {
    let setup = Setup::new();
    let first = setup.sessions[0].clone();
    let transport = setup.meddler(move |request| {
        let mut body = Vec::new();
        write_record(&SessionRecord::Session(first.clone()).to_bytes(), &mut body);
        let stalled = stream::iter([Ok(Bytes::from(body))]).chain(stream::pending()).boxed_local();
        request.url.contains("from=0&").then(|| Response { body: stalled, ..binary(200, vec![]) })
    });
    let before = setup.runtime.now();
    let mut stream = setup.stream_over(transport);
    setup.assert_all(&setup.read(&mut stream).await);
    assert!(setup.runtime.now() - before < 5_000, "{} ms", setup.runtime.now() - before);
}

/// What guardian 0 makes of an answer with these sessions, wanted or not.
type Twist = fn(&mut Vec<SignedSession>, &[SignedSession]);

impl Setup {
    /// Every third session, from guardians of whom guardian 0 twists its answers.
    async fn read_selected(&self, twist: Option<Twist>) -> (FederationApi, Vec<StreamedPart>) {
        let sessions = self.sessions.clone();
        let api = self.api(self.meddler(move |request| {
            let twist = twist.filter(|_| of(request, 0))?;
            let (_, numbers) = request.url.split_once("numbers=")?;
            let numbers = numbers.split(',').map(|number| number.parse::<usize>().unwrap());
            let mut answer = numbers.map(|number| sessions[number].clone()).collect();
            twist(&mut answer, &sessions);
            let mut body = Vec::new();
            for session in answer {
                write_record(&SessionRecord::Session(session).to_bytes(), &mut body);
            }
            Some(binary(200, body))
        }));
        let numbers: Vec<u64> = (0..SESSIONS).step_by(3).collect();
        let mut stream = SessionStream::selected(&api, numbers.into());
        let mut read = Vec::new();
        while let Some(part) = stream.next().await {
            read.push(part);
        }
        (api, read)
    }

    fn assert_every_third(&self, read: &[StreamedPart]) {
        let wanted: Vec<_> = self.sessions.iter().step_by(3).map(|session| session.header).collect();
        let got: Vec<_> = read.iter().filter_map(|streamed| streamed.part.signed()).map(|(h, _)| h).collect();
        assert_eq!(got, wanted);
    }
}

#[tokio::test(start_paused = true)]
async fn a_selection_arrives_in_order_and_nothing_else_of_it() {
    let setup = Setup::new();
    let (api, read) = setup.read_selected(None).await;
    setup.assert_every_third(&read);
    assert_eq!(api.evidence(), []);
    let (_, read) = setup.read_selected(Some(|answer, _| answer.truncate(1))).await;
    setup.assert_every_third(&read);
}

#[tokio::test(start_paused = true)]
async fn whoever_serves_another_selection_is_named_and_somebody_else_is_asked() {
    let lies: [Twist; 5] = [
        |answer, _| answer.reverse(),
        |answer, _| drop(answer.remove(0)),
        |answer, sessions| answer[1] = sessions[1].clone(),
        |answer, sessions| answer.insert(1, sessions[1].clone()),
        |answer, _| answer[1] = answer[0].clone(),
    ];
    for (number, lie) in lies.into_iter().enumerate() {
        let setup = Setup::new();
        let (api, read) = setup.read_selected(Some(lie)).await;
        setup.assert_every_third(&read);
        let named: Vec<_> = api.evidence().into_iter().map(|lie| (lie.guardian, lie.code)).collect();
        assert_eq!(named, [(0, "history_invalid".into())], "lie {number}");
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_has_nothing_of_a_selection_is_no_liar() {
    let setup = Setup::new();
    let (api, read) = setup.read_selected(Some(|answer, _| answer.clear())).await;
    setup.assert_every_third(&read);
    assert!(read.iter().all(|streamed| streamed.guardian != 0));
    assert_eq!(api.evidence(), []);
}

#[tokio::test(start_paused = true)]
async fn a_stream_fills_up_while_its_reader_waits_for_something_else() {
    let setup = Setup::new();
    let mut stream = setup.stream();
    assert!(!stream.is_asking());
    let (mut waiting, most) = (Vec::new(), 1);
    for _ in 0..100 {
        poll_fn(|context| {
            stream.fill(most, context);
            Poll::Ready(())
        })
        .await;
        assert!(stream.is_asking());
        setup.runtime.sleep(1).await;
        waiting.push(stream.progress().waiting_bytes);
    }
    waiting.dedup();
    assert!(matches!(waiting[..], [0, first] if first > 0), "as much as it may and no more: {waiting:?}");
    assert_eq!(stream.progress().position, 0, "nothing was delivered");
    setup.assert_all(&setup.read(&mut stream).await);
}
