//! The suite for [`Transport`].
//!
//! It talks to a peer that the platform's test brings along, an HTTP/1.1 server with these paths:
//!
//! | path | answer |
//! |---|---|
//! | `/echo` | 200, type `text/echo`, ETag `"e"`; method, `Accept`, `Content-Type` and `Cache-Control` of the request, a line each (empty if absent), then its body |
//! | `/busy` | 429 with `Retry-After: 7` and the body `busy` |
//! | `/big` | 200 with 1,000,000 bytes, each the lowest byte of its position |
//! | `/endless` | 200 and a body that never ends |
//! | `/silent` | nothing, ever |
//! | `/cut` | 200 that announces 100 bytes, and closes after 10 |
//! | `/open` | 200 with the number of `/endless` and `/silent` requests whose client is still there |

use futures::future::{Either, join_all, select};
use futures::{StreamExt, pin_mut};

use crate::platform::{Method, Request, Response, Runtime, Transport, TransportError};

/// Where the suite's servers are.
pub struct TransportPeer {
    /// URL of the peer, without a slash at the end.
    pub url: String,
    /// A URL where nobody listens.
    pub closed: String,
}

/// Panics unless `transport` keeps every promise of [`Transport`].
pub async fn transport_conformance(transport: &dyn Transport, runtime: &dyn Runtime, peer: &TransportPeer) {
    carries_a_request(transport, peer).await;
    carries_a_body(transport, peer).await;
    goes_past_caches_when_told(transport, peer).await;
    gives_any_status_as_an_answer(transport, peer).await;
    streams_a_big_body(transport, peer).await;
    answers_many_at_once(transport, peer).await;
    reports_an_unreachable_server(transport, peer).await;
    refuses_a_malformed_url(transport).await;
    reports_a_body_that_is_cut_off(transport, peer).await;
    aborts_when_the_body_is_dropped(transport, runtime, peer).await;
    aborts_when_the_request_is_dropped(transport, runtime, peer).await;
}

async fn ask(transport: &dyn Transport, request: Request) -> Response {
    transport.request(request).await.expect("the peer answers")
}

async fn text(response: Response) -> String {
    String::from_utf8(body(response).await).expect("the peer answers with text")
}

async fn body(response: Response) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut body = response.body;
    while let Some(chunk) = body.next().await {
        bytes.extend_from_slice(&chunk.expect("the peer's answer arrives whole"));
    }
    bytes
}

async fn carries_a_request(transport: &dyn Transport, peer: &TransportPeer) {
    let response = ask(transport, Request::get(format!("{}/echo?a=1", peer.url))).await;
    assert_eq!(response.status, 200);
    assert!(response.is_success());
    assert_eq!(response.content_type.as_deref(), Some("text/echo"));
    assert_eq!(response.etag.as_deref(), Some("\"e\""));
    assert_eq!(response.retry_after, None);
    let echo = text(response).await;
    assert!(echo.starts_with("GET\napplication/octet-stream\n\n"), "{echo}");
}

async fn carries_a_body(transport: &dyn Transport, peer: &TransportPeer) {
    for method in [Method::Post, Method::Put] {
        let sent: Vec<u8> = (0..=255).cycle().take(100_000).collect();
        let request = Request { method, ..Request::post(format!("{}/echo", peer.url), sent.clone()) };
        let echo = body(ask(transport, request).await).await;
        let head = format!("{}\napplication/octet-stream\napplication/octet-stream\n", method.as_str());
        assert!(echo.starts_with(head.as_bytes()), "the request's head was changed");
        assert!(echo.ends_with(&sent), "the request's body was changed");
    }
}

async fn goes_past_caches_when_told(transport: &dyn Transport, peer: &TransportPeer) {
    let request = Request { bypass_cache: true, ..Request::get(format!("{}/echo", peer.url)) };
    let echo = text(ask(transport, request).await).await;
    let cache_control = echo.lines().nth(3).unwrap_or_default();
    assert!(cache_control.contains("no-cache"), "{echo}");
}

async fn gives_any_status_as_an_answer(transport: &dyn Transport, peer: &TransportPeer) {
    let response = ask(transport, Request::get(format!("{}/busy", peer.url))).await;
    assert_eq!(response.status, 429);
    assert!(!response.is_success());
    assert_eq!(response.retry_after.as_deref(), Some("7"));
    assert_eq!(text(response).await, "busy");
}

async fn streams_a_big_body(transport: &dyn Transport, peer: &TransportPeer) {
    let received = body(ask(transport, Request::get(format!("{}/big", peer.url))).await).await;
    assert_eq!(received.len(), 1_000_000);
    assert!(received.iter().enumerate().all(|(at, byte)| *byte == at as u8), "bytes changed on the way");
}

async fn answers_many_at_once(transport: &dyn Transport, peer: &TransportPeer) {
    let answers = join_all((0..64).map(|number| async move {
        let sent = format!("number {number}");
        let request = Request::post(format!("{}/echo", peer.url), sent.clone());
        text(ask(transport, request).await).await.ends_with(&sent)
    }));
    assert!(answers.await.into_iter().all(|matches| matches), "answers were mixed up");
}

async fn reports_an_unreachable_server(transport: &dyn Transport, peer: &TransportPeer) {
    let error = transport.request(Request::get(&peer.closed)).await.expect_err("nobody listens there");
    assert!(matches!(error, TransportError::Unreachable(_)), "{error:?}");
}

async fn refuses_a_malformed_url(transport: &dyn Transport) {
    for url in ["http://exa mple/", "http://[", ""] {
        let error = transport.request(Request::get(url)).await.expect_err("that is no URL");
        assert!(matches!(error, TransportError::InvalidRequest(_)), "{url:?}: {error:?}");
    }
}

async fn reports_a_body_that_is_cut_off(transport: &dyn Transport, peer: &TransportPeer) {
    let mut body = ask(transport, Request::get(format!("{}/cut", peer.url))).await.body;
    loop {
        match body.next().await {
            Some(Ok(_)) => {}
            Some(Err(error)) => {
                assert!(matches!(error, TransportError::Interrupted(_)), "{error:?}");
                break;
            }
            None => panic!("a body that was cut off looked complete"),
        }
    }
    assert!(body.next().await.is_none(), "a body goes on after its error");
}

async fn aborts_when_the_body_is_dropped(
    transport: &dyn Transport,
    runtime: &dyn Runtime,
    peer: &TransportPeer,
) {
    let mut response = ask(transport, Request::get(format!("{}/endless", peer.url))).await;
    let first = response.body.next().await.expect("it never ends").expect("it arrives");
    assert!(!first.is_empty());
    drop(response);
    wait_until_none_is_open(transport, runtime, peer).await;
}

async fn aborts_when_the_request_is_dropped(
    transport: &dyn Transport,
    runtime: &dyn Runtime,
    peer: &TransportPeer,
) {
    {
        let request = transport.request(Request::get(format!("{}/silent", peer.url)));
        let limit = runtime.sleep(100);
        pin_mut!(request, limit);
        assert!(matches!(select(request, limit).await, Either::Right(_)), "the silent peer answered");
    }
    wait_until_none_is_open(transport, runtime, peer).await;
}

async fn wait_until_none_is_open(transport: &dyn Transport, runtime: &dyn Runtime, peer: &TransportPeer) {
    for _ in 0..500 {
        let open = text(ask(transport, Request::get(format!("{}/open", peer.url))).await).await;
        if open == "0" {
            return;
        }
        runtime.sleep(10).await;
    }
    panic!("a dropped request goes on");
}
