//! Over real sockets.

use std::time::Duration;

use futures::StreamExt;
use rekindle_protocol::api::paths;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinSet,
    time::timeout,
};

use super::fixture::{BINARY, Fixture, PATIENCE};
use crate::api::{Limits, Server, SlowestReader, serve};

async fn request(stream: &mut TcpStream, path: &str) {
    let text = format!("GET {path} HTTP/1.1\r\nHost: guardian\r\nConnection: keep-alive\r\n\r\n");
    stream.write_all(text.as_bytes()).await.unwrap();
}

/// Reads until the text has come, or to the end.
async fn read_until(stream: &mut TcpStream, wanted: &str) -> String {
    let mut text = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let count = stream.read(&mut chunk).await.unwrap_or(0);
        text.extend_from_slice(&chunk[..count]);
        let so_far = String::from_utf8_lossy(&text);
        if count == 0 || so_far.contains(wanted) {
            return so_far.into_owned();
        }
    }
}

#[tokio::test]
async fn stopping_cuts_off_whoever_waits_and_lets_go_of_everything() {
    let fixture = Fixture::with_history(&[1], &Limits::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let held = std::sync::Arc::new(());
    let router = fixture.router.clone().layer(axum::Extension(held.clone()));
    let server = tokio::spawn(serve(listener, router, async {
        let _ = stopped.await;
    }));

    // Two requests on one connection.
    let mut first = TcpStream::connect(address).await.unwrap();
    for _ in 0..2 {
        request(&mut first, paths::HEALTH).await;
        let answer = read_until(&mut first, "ok\n").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("ok\n"), "{answer}");
    }
    // One that waits, one that never ends its request, and one that does not say a word.
    let mut waiting = TcpStream::connect(address).await.unwrap();
    request(&mut waiting, &format!("{}?wait=60", paths::session(1))).await;
    let mut slow = TcpStream::connect(address).await.unwrap();
    slow.write_all(b"GET /health HT").await.unwrap();
    let mut silent = TcpStream::connect(address).await.unwrap();
    // The server has taken up all of them when it has answered a later one.
    let mut last = TcpStream::connect(address).await.unwrap();
    request(&mut last, paths::SESSION_COUNT).await;
    assert!(read_until(&mut last, "\r\n\r\n").await.contains("200 OK"));

    stop.send(()).unwrap();
    timeout(PATIENCE.min(Duration::from_secs(20)), server).await.unwrap().unwrap();
    for stream in [&mut first, &mut waiting, &mut slow, &mut silent] {
        assert_eq!(read_until(stream, "never").await, "", "cut off without an answer");
    }
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens");
    assert_eq!(std::sync::Arc::strong_count(&held), 1, "nothing of the router is left");
}

#[tokio::test]
async fn clients_are_told_apart_by_their_address() {
    let limits = Limits { burst: 1, requests_per_second: 1, ..Limits::default() };
    let fixture = Fixture::with_history(&[], &limits);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(serve(listener, fixture.router.clone(), async {
        let _ = stopped.await;
    }));
    let mut statuses = Vec::new();
    for from in [1, 1, 2] {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(([127, 0, 0, from], 0).into()).unwrap();
        let mut stream = socket.connect(([127, 0, 0, 1], port).into()).await.unwrap();
        request(&mut stream, paths::CONFIG).await;
        let answer = read_until(&mut stream, "\r\n\r\n").await;
        statuses.push(answer.split(' ').nth(1).unwrap().to_owned());
    }
    assert_eq!(statuses, ["200", "429", "200"]);
    drop(stop);
    server.await.unwrap();
}

/// A guardian's server with limits of the test's own, and where it listens.
async fn start(fixture: &Fixture, server: Server) -> (std::net::SocketAddr, oneshot::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    tokio::spawn(server.serve(listener, fixture.router.clone(), async {
        let _ = stopped.await;
    }));
    (address, stop)
}

#[tokio::test]
async fn who_neither_sends_nor_reads_is_cut_off() {
    let fixture = Fixture::with_history(&[2_000; 8], &Limits::default());
    let server = Server {
        header_time: Duration::from_millis(200),
        slowest_reader: SlowestReader { bytes: u64::MAX, time: Duration::from_millis(200) },
        ..Server::default()
    };
    let (address, _stop) = start(&fixture, server).await;
    let mut half = TcpStream::connect(address).await.unwrap();
    half.write_all(b"GET /health HT").await.unwrap();
    let mut silent = TcpStream::connect(address).await.unwrap();
    for stream in [&mut half, &mut silent] {
        let end = timeout(PATIENCE, stream.read_to_end(&mut Vec::new())).await;
        assert!(end.is_ok(), "the server hangs up");
    }
    // It asks for more and more and reads nothing: in the end it can't even ask any more.
    let mut deaf = TcpStream::connect(address).await.unwrap();
    let asking = async {
        let text = format!("GET {}?max_bytes=16777216 HTTP/1.1\r\nHost: guardian\r\n\r\n", paths::SESSIONS);
        while deaf.write_all(text.as_bytes()).await.is_ok() {}
    };
    timeout(PATIENCE, asking).await.expect("the server hangs up");
}

#[tokio::test]
async fn one_address_has_so_many_connections() {
    let fixture = Fixture::new();
    let (address, _stop) = start(&fixture, Server { connections_per_address: 2, ..Server::default() }).await;
    let mut first = TcpStream::connect(address).await.unwrap();
    let mut second = TcpStream::connect(address).await.unwrap();
    for stream in [&mut first, &mut second] {
        request(stream, paths::HEALTH).await;
        assert!(read_until(stream, "ok\n").await.ends_with("ok\n"));
    }
    let mut third = TcpStream::connect(address).await.unwrap();
    // At once: whoever is let in may be silent for half a minute.
    let hung_up = timeout(Duration::from_secs(10), read_until(&mut third, "never")).await;
    assert_eq!(hung_up.expect("hung up on"), "");
    drop(first);
    let served = async {
        loop {
            let mut again = TcpStream::connect(address).await.unwrap();
            let text = format!("GET {} HTTP/1.1\r\nHost: guardian\r\n\r\n", paths::HEALTH);
            if again.write_all(text.as_bytes()).await.is_ok()
                && read_until(&mut again, "ok\n").await.ends_with("ok\n")
            {
                break;
            }
        }
    };
    timeout(PATIENCE, served).await.expect("the place is free again");
}

#[tokio::test]
async fn all_clients_together_have_so_many_connections() {
    let fixture = Fixture::new();
    let (address, _stop) = start(&fixture, Server { connections: 2, ..Server::default() }).await;
    let mut first = TcpStream::connect(address).await.unwrap();
    let mut second = TcpStream::connect(address).await.unwrap();
    for stream in [&mut first, &mut second] {
        request(stream, paths::HEALTH).await;
        assert!(read_until(stream, "ok\n").await.ends_with("ok\n"));
    }
    let mut third = TcpStream::connect(address).await.unwrap();
    request(&mut third, paths::HEALTH).await;
    for _ in 0..50 {
        request(&mut second, paths::HEALTH).await;
        assert!(read_until(&mut second, "ok\n").await.ends_with("ok\n"));
        let unanswered = third.try_read(&mut [0]).unwrap_err();
        assert_eq!(unanswered.kind(), std::io::ErrorKind::WouldBlock);
    }
    drop(first);
    let answer = timeout(PATIENCE, read_until(&mut third, "ok\n")).await.expect("its turn comes");
    assert!(answer.ends_with("ok\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_many_requests_wait_and_hear_while_consensus_goes_on() {
    let limits = Limits { long_polls: 900, ..Limits::default() };
    let fixture = Fixture::with_history(&[], &limits);
    let (address, _stop) = start(&fixture, Server::default()).await;
    let mut clients = JoinSet::new();
    for _ in 0..1_000 {
        clients.spawn(async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            request(&mut stream, &format!("{}?wait=60", paths::session(0))).await;
            let answer = read_until(&mut stream, "\r\n\r\n").await;
            answer.split(' ').nth(1).unwrap().to_owned()
        });
    }
    for _ in 0..100 {
        let refused = timeout(PATIENCE, clients.join_next()).await.expect("the rest is told to come back");
        assert_eq!(refused.unwrap().unwrap(), "429");
    }
    let txid = fixture.node().submit(fixture.credit(5, 1).0).await.unwrap();
    assert_eq!(fixture.settle(&txid).await, 0);
    let answers = timeout(PATIENCE, clients.join_all()).await.expect("all hear of it");
    assert_eq!(answers, vec!["200"; 900]);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_never_ends_is_given_up() {
    let fixture = Fixture::new();
    let never = futures::stream::pending::<Result<Vec<u8>, std::io::Error>>().boxed();
    // A byte now and then is no better.
    let byte = |()| async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        Some((Ok(vec![0]), ()))
    };
    let drops = futures::stream::unfold((), byte).boxed();
    for body in [never, drops] {
        let begun = tokio::time::Instant::now();
        let answer = fixture.post(paths::TRANSACTIONS, BINARY, axum::body::Body::from_stream(body)).await;
        assert_eq!(answer.problem(408).code, "too_slow");
        assert!(begun.elapsed() < Duration::from_secs(60));
    }
}

#[tokio::test]
async fn the_same_is_served_over_tls() {
    let fixture = Fixture::new();
    let temp = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let (cert, key) = (temp.path().join("cert"), temp.path().join("key"));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let tls = Some(crate::api::tls_from_files(&cert, &key).unwrap());
    let server = Server { tls, header_time: Duration::from_millis(500), ..Server::default() };
    let (address, _stop) = start(&fixture, server).await;

    let mut trusted = rustls::RootCertStore::empty();
    trusted.add(made.cert.der().clone()).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(trusted)
        .with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config));
    let socket = TcpStream::connect(address).await.unwrap();
    let mut stream = connector.connect("localhost".try_into().unwrap(), socket).await.unwrap();
    let text = format!("GET {} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", paths::HEALTH);
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("ok\n"), "{answer}");

    // Who does not come to an end with the handshake, or speaks something else, is hung up on.
    let mut silent = TcpStream::connect(address).await.unwrap();
    assert_eq!(timeout(PATIENCE, silent.read_to_end(&mut Vec::new())).await.unwrap().unwrap(), 0);
    let mut plain = TcpStream::connect(address).await.unwrap();
    request(&mut plain, paths::HEALTH).await;
    let mut answer = Vec::new();
    let _ = timeout(PATIENCE, plain.read_to_end(&mut answer)).await.unwrap();
    assert!(!String::from_utf8_lossy(&answer).contains("HTTP/1.1"));
}
