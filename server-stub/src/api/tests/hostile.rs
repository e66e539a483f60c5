//! Whatever comes in: an answer or a problem document, never a failure of the guardian.

use axum::{
    body::Body,
    http::{Method, Request, header},
};
use proptest::{collection::vec, prelude::*};
use rekindle_protocol::{api::paths, bytes::TxId, encoding::Canonical};

use super::fixture::{BINARY, Fixture, JSON};
use crate::api::{
    Limits,
    routes::{endpoints, unversioned},
};

fn any_path() -> impl Strategy<Value = String> {
    let known: Vec<String> =
        [endpoints(1), unversioned()].into_iter().flatten().map(|(path, _)| path.into()).collect();
    let piece = "[a-z0-9%/{}._~!$&'()*+,;=:@-]{0,12}";
    (prop::sample::select(known), piece).prop_flat_map(|(path, piece)| {
        let filled = path.replace("{index}", &piece).replace("{txid}", &piece).replace("{key}", &piece);
        prop_oneof![Just(filled.clone()), Just(format!("{filled}/{piece}")), Just(format!("/{piece}"))]
    })
}

fn any_query() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec!["from", "numbers", "max_bytes", "wait", "challenge", "other"]);
    // A wait of a second or more would only make the test slow.
    let value = prop_oneof![
        any::<u64>().prop_map(|number| number.to_string()),
        "[a-z0-9%&=+-]{0,40}",
        any::<[u8; 16]>().prop_map(hex::encode),
    ];
    vec((name, value), 0..4).prop_map(|pairs| {
        let pairs: Vec<String> = pairs
            .into_iter()
            .map(|(name, value)| {
                let waits =
                    name == "wait" && value.trim_start_matches('0').starts_with(|c: char| c.is_ascii_digit());
                format!("{name}={}", if waits { "0" } else { &value })
            })
            .collect();
        pairs.join("&")
    })
}

fn any_body(fixture: &Fixture) -> BoxedStrategy<Vec<u8>> {
    let (credit, claim) = fixture.credit(5, 1);
    let transaction = fixture.claim(claim, 5, 2);
    let valid = [
        transaction.to_bytes(),
        credit.to_bytes(),
        serde_json::to_vec(&transaction).unwrap(),
        serde_json::to_vec(&credit).unwrap(),
        br#"{"out_points":[{"txid":"00","output":300}]}"#.to_vec(),
    ];
    let mutated =
        (prop::sample::select(valid.to_vec()), vec((any::<prop::sample::Index>(), any::<u8>()), 1..5))
            .prop_map(|(mut bytes, changes)| {
                for (at, byte) in changes {
                    let at = at.index(bytes.len());
                    bytes[at] = byte;
                }
                bytes
            });
    prop_oneof![vec(any::<u8>(), 0..300), mutated].boxed()
}

#[test]
fn no_request_breaks_a_guardian() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let unlimited = Limits { burst: u32::MAX, ..Limits::default() };
    let fixture = Fixture::with_history(&[1, 0, 2], &unlimited);
    let method =
        prop::sample::select(vec![Method::GET, Method::POST, Method::PUT, Method::HEAD, Method::DELETE]);
    let media = prop::sample::select(vec![BINARY, JSON, "text/html", "application/json; q=0", "\u{fffd}"]);
    let strategy = (method, any_path(), any_query(), media, any_body(&fixture));
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(600) };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    runner
        .run(&strategy, |(method, path, query, media, body)| {
            let request = Request::builder()
                .method(&method)
                .uri(format!("{path}?{query}"))
                .header(header::ACCEPT, media)
                .header(header::CONTENT_TYPE, media)
                .header(header::IF_NONE_MATCH, media)
                .body(Body::from(body));
            // What the HTTP library itself does not take for a request never arrives.
            let Ok(request) = request else { return Ok(()) };
            let answer = runtime.block_on(fixture.send(request));
            let status = answer.status.as_u16();
            prop_assert!(status < 500, "{method} {path}?{query}: {status}");
            if status >= 400 && method != Method::HEAD {
                answer.problem(status);
            }
            Ok(())
        })
        .unwrap();
    // And it still works.
    let answer = runtime.block_on(fixture.get(&paths::transaction(&TxId([0; 32])), BINARY));
    assert_eq!(answer.status, 200);
}
