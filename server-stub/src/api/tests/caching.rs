//! Ranges, and what caches, browsers and greedy clients are told.

use std::collections::HashSet;

use axum::{
    body::Body,
    http::{Method, Request, header},
};
use proptest::{collection::vec, prelude::*};
use rekindle_protocol::{
    api::paths,
    chain::{ChainPosition, check_signature},
    encoding::Canonical,
    ranges::{RecordCutter, RecoveryRecord, SessionRecord},
    recovery_index,
    session::{MAX_SESSION_BYTES, SessionStatus},
};
use serde::de::DeserializeOwned;

use super::fixture::{Answer, BINARY, Fixture, JSON};
use crate::api::Limits;

fn records<T: Canonical>(answer: &Answer) -> Vec<(usize, T)> {
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    assert_eq!(answer.header(header::CONTENT_LENGTH), answer.body.len().to_string());
    let mut cutter = RecordCutter::new(MAX_SESSION_BYTES);
    cutter.push(&answer.body);
    let mut records = Vec::new();
    while let Some(record) = cutter.next_record().unwrap() {
        records.push((record.len(), T::from_bytes(record).unwrap()));
    }
    assert!(cutter.is_empty());
    records
}

/// Fetches a range in both encodings and compares them.
async fn range<T>(fixture: &Fixture, path: &str, from: u64, max_bytes: usize) -> (Answer, Vec<T>)
where
    T: Canonical + DeserializeOwned + PartialEq + std::fmt::Debug,
{
    let path = format!("{path}?from={from}&max_bytes={max_bytes}");
    let answer = fixture.get(&path, BINARY).await;
    let records: Vec<T> = records(&answer).into_iter().map(|(_, record)| record).collect();
    let json = fixture.get(&path, JSON).await;
    assert_eq!(json.json::<Vec<T>>(), records);
    assert_eq!(json.is_immutable(), answer.is_immutable());
    (answer, records)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn ranges_make_up_history(sessions in vec(prop_oneof![Just(0usize), 0usize..6], 1..25), max_bytes in 0usize..6_000) {
        runtime().block_on(async {
            let fixture = Fixture::with_history(&sessions, &Limits::default());
            let federation = fixture.place.federation;
            let key = fixture.dealt.config.session_key().unwrap();
            let count = sessions.len() as u64;

            let mut position = ChainPosition::GENESIS;
            while position.next < count {
                let (answer, records) = range::<SessionRecord>(&fixture, paths::SESSIONS, position.next, max_bytes).await;
                assert!(!records.is_empty());
                let mut read = Vec::new();
                for record in &records {
                    SessionRecord::read(&record.to_bytes(), &federation, &mut |session| read.push(session)).unwrap();
                }
                for session in &read {
                    position.extend(&federation, session).unwrap();
                }
                let last = read.last().unwrap();
                check_signature(&federation, &key, &last.header, &last.signature.unwrap()).unwrap();
                assert!(answer.body.len() <= max_bytes || read.len() == 1);
                assert_eq!(answer.is_immutable(), position.next < count);
                assert_eq!(answer.is_immutable(), !answer.header(header::ETAG).is_empty());
            }
            let whole = position;

            let (mut next, mut running) = (0, ChainPosition::GENESIS.recovery);
            let nothing = rekindle_protocol::merkle::root(&mut []);
            while next < count {
                let (answer, mut records) = range::<RecoveryRecord>(&fixture, paths::RECOVERY, next, max_bytes).await;
                let Some(RecoveryRecord::Signed { header, signature }) = records.pop() else { panic!("not closed") };
                let first = next;
                for record in records {
                    match record {
                        RecoveryRecord::Session { items, entries } => {
                            running = recovery_index::extend(&running, &items, &entries);
                            next += 1;
                        }
                        RecoveryRecord::Empty(sessions) => {
                            for _ in 0..sessions {
                                running = recovery_index::extend(&running, &nothing, &[]);
                            }
                            next += u64::from(sessions);
                        }
                        RecoveryRecord::Signed { .. } => panic!("closed early"),
                    }
                }
                assert_eq!((header.index + 1, header.recovery), (next, running));
                check_signature(&federation, &key, &header, &signature).unwrap();
                assert!(answer.body.len() <= max_bytes || next == first + 1);
                assert_eq!(answer.is_immutable(), next < count);
            }
            assert_eq!(running, whole.recovery);

            let to = count.div_ceil(2);
            for path in [paths::SESSIONS, paths::RECOVERY] {
                let half = fixture.get(&format!("{path}?from=0&to={to}&max_bytes=10000000"), BINARY).await;
                assert!(half.is_immutable(), "where it ends does not change");
            }
            let path = format!("{}?from=0&to={to}&max_bytes=10000000", paths::RECOVERY);
            let records = records::<RecoveryRecord>(&fixture.get(&path, BINARY).await);
            let Some((_, RecoveryRecord::Signed { header, .. })) = records.last() else { panic!("not closed") };
            assert_eq!(header.index + 1, to);

            for path in [paths::SESSIONS, paths::RECOVERY] {
                let beyond = fixture.get(&format!("{path}?from={count}"), BINARY).await;
                assert!(beyond.status.is_success() && beyond.body.is_empty() && !beyond.is_immutable());
                let (_, nothing) = range::<SessionRecord>(&fixture, path, u64::MAX, max_bytes).await;
                assert!(nothing.is_empty());
            }
        });
    }
}

#[tokio::test]
async fn selected_sessions_come_whole_in_order_and_as_far_as_there_are_any() {
    let fixture = Fixture::with_history(&[2, 0, 3, 1], &Limits::default());
    let mut whole = Vec::new();
    for index in 0..4 {
        let status: SessionStatus = fixture.get(&paths::session(index), BINARY).await.binary();
        let SessionStatus::Complete(session) = status else { panic!("{status:?}") };
        whole.push(SessionRecord::Session(session));
    }
    let select = async |query: &str| {
        let path = format!("{}?{query}", paths::SELECTED_SESSIONS);
        let answer = fixture.get(&path, BINARY).await;
        let found: Vec<SessionRecord> = records(&answer).into_iter().map(|(_, record)| record).collect();
        assert_eq!(fixture.get(&path, JSON).await.json::<Vec<SessionRecord>>(), found, "{query}");
        // Which sessions concern a wallet is for no cache to keep.
        assert_eq!(answer.header(header::CACHE_CONTROL), "no-store");
        (answer.body.len(), found)
    };
    let chosen = |indices: &[usize]| indices.iter().map(|index| whole[*index].clone()).collect::<Vec<_>>();
    // With and without gaps, an empty one as what it is, and nothing beyond the last.
    for indices in [&[0, 2, 3][..], &[1], &[1, 2], &[0, 1, 2, 3], &[0, 3], &[2]] {
        let numbers = indices.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
        assert_eq!(select(&format!("numbers={numbers}")).await.1, chosen(indices));
        let beyond = select(&format!("numbers={numbers},4,{}", u64::MAX)).await;
        assert_eq!(beyond.1, chosen(indices));
    }
    assert_eq!(select("numbers=4,5").await, (0, vec![]));
    // At least one, then never above the limit.
    let (two, _) = select("numbers=0,3").await;
    for (limit, expected) in [(0, &[0][..]), (two - 1, &[0]), (two, &[0, 3]), (usize::MAX, &[0, 3])] {
        assert_eq!(select(&format!("numbers=0,3&max_bytes={limit}")).await.1, chosen(expected), "{limit}");
    }
    for wrong in ["", "?numbers=", "?numbers=1,1", "?numbers=2,1", "?numbers=x", "?numbers=0&max_bytes=-1"] {
        let answer = fixture.get(&format!("{}{wrong}", paths::SELECTED_SESSIONS), BINARY).await;
        assert_eq!(answer.problem(400).code, "bad_request", "{wrong}");
    }
}

#[tokio::test]
async fn what_never_changes_is_validated_by_its_tag() {
    let fixture = Fixture::with_history(&[2, 0, 3], &Limits::default());
    let if_none_match = async |path: &str, accept: &str, tag: &str| {
        let request = Request::get(path).header(header::ACCEPT, accept).header(header::IF_NONE_MATCH, tag);
        fixture.send(request.body(Body::empty()).unwrap()).await
    };
    let mut tags = Vec::new();
    for path in ["/v1/sessions/0", "/v1/sessions/1", "/v1/sessions?max_bytes=1", "/v1/recovery?max_bytes=1"] {
        for accept in [BINARY, JSON] {
            let answer = fixture.get(path, accept).await;
            assert!(answer.is_immutable(), "{path}");
            assert_eq!(answer.header(header::VARY), "Accept");
            let tag = answer.header(header::ETAG).to_owned();
            for known in [tag.clone(), format!("\"x\", W/{tag}"), "*".into()] {
                let unchanged = if_none_match(path, accept, &known).await;
                assert_eq!(unchanged.status, 304, "{path} {known}");
                assert!(unchanged.body.is_empty());
                assert_eq!(unchanged.header(header::ETAG), tag);
            }
            assert_eq!(if_none_match(path, accept, "\"other\"").await.status, 200);
            tags.push((path, tag));
        }
    }
    let distinct: HashSet<_> = tags.iter().collect();
    assert_eq!(distinct.len(), tags.len(), "two encodings of one thing share a tag");
    for path in ["/v1/sessions", "/v1/recovery", "/v1/sessions/3", "/v1/config", "/v1/status"] {
        let answer = if_none_match(path, BINARY, "*").await;
        assert_eq!(
            (answer.status.as_u16(), answer.header(header::CACHE_CONTROL)),
            (200, "no-store"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn any_page_may_ask() {
    let fixture = Fixture::new();
    let request = Request::get(paths::SESSION_COUNT).header(header::ORIGIN, "https://wallet.example");
    let answer = fixture.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.header(header::ACCESS_CONTROL_ALLOW_ORIGIN), "*");
    let exposed = answer.header(header::ACCESS_CONTROL_EXPOSE_HEADERS).to_ascii_lowercase();
    assert!(exposed.contains("etag") && exposed.contains("retry-after"));

    let preflight = Request::builder()
        .method(Method::OPTIONS)
        .uri(paths::TRANSACTIONS)
        .header(header::ORIGIN, "https://wallet.example")
        .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST")
        .header(header::ACCESS_CONTROL_REQUEST_HEADERS, "content-type");
    let answer = fixture.send(preflight.body(Body::empty()).unwrap()).await;
    assert!(answer.status.is_success());
    assert!(answer.header(header::ACCESS_CONTROL_ALLOW_METHODS).contains("POST"));
    assert!(answer.header(header::ACCESS_CONTROL_ALLOW_HEADERS).contains("content-type"));
    assert_eq!(answer.header(header::ACCESS_CONTROL_MAX_AGE), "86400");

    // Errors can be read too.
    let request = Request::get("/nowhere").header(header::ORIGIN, "https://wallet.example");
    let answer = fixture.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.problem(404).code, "not_found");
    assert_eq!(answer.header(header::ACCESS_CONTROL_ALLOW_ORIGIN), "*");
}

#[tokio::test]
async fn too_much_is_answered_with_when_to_come_back() {
    let few = Limits { burst: 3, requests_per_second: 1, ..Limits::default() };
    let fixture = Fixture::with_history(&[], &few);
    for _ in 0..3 {
        assert_eq!(fixture.get(paths::CONFIG, BINARY).await.status, 200);
    }
    let answer = fixture.get(paths::CONFIG, BINARY).await;
    assert_eq!(answer.problem(429).code, "too_many_requests");
    assert_eq!(answer.header(header::RETRY_AFTER), "1");
    assert_eq!(fixture.get(paths::HEALTH, BINARY).await.status, 200, "liveness is not limited");

    let none = Limits { long_polls: 0, signing_requests: 0, ..Limits::default() };
    let fixture = Fixture::with_history(&[1], &none);
    assert_eq!(fixture.get("/v1/sessions/1?wait=1", BINARY).await.problem(429).code, "too_many_requests");
    let waits: SessionStatus = fixture.get("/v1/sessions/1", BINARY).await.binary();
    assert_eq!(waits, SessionStatus::Pending(vec![]));
    let answer = fixture.get("/v1/sessions/0/signatures", BINARY).await;
    assert_eq!(answer.problem(429).code, "too_many_requests");
}
