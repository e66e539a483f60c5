//! From sockets to requests.

use std::{future::Future, pin::pin, sync::Arc, time::Duration};

use axum::{Router, extract::Request};
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::JoinSet,
    time::timeout,
};
use tower::ServiceExt;

use super::limits::ClientAddress;

/// Most connections at the same time; further ones wait to be accepted.
const MAX_CONNECTIONS: usize = 4_096;
/// How long a client may take to send a request's headers, and an idle connection may stay.
const HEADER_TIMEOUT: Duration = Duration::from_secs(75);
/// How long requests may go on after the stop.
const GRACE: Duration = Duration::from_millis(300);
/// How long to wait after the operating system could not accept a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves HTTP/1.1 on `listener` until `stop`. When this returns, no connection is left and nothing of `router` is
/// in use: what does not end within a moment is cut off.
pub async fn serve(listener: TcpListener, router: Router, stop: impl Future<Output = ()>) {
    let mut stop = pin!(stop);
    let (stopping, stopped) = watch::channel(false);
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let accepted = async {
            // The semaphore is never closed.
            let place = places.clone().acquire_owned().await;
            (listener.accept().await, place)
        };
        tokio::select! {
            () = &mut stop => break,
            Some(_) = connections.join_next() => {}
            (accepted, place) = accepted => match accepted {
                Ok((socket, address)) => {
                    let connection = serve_connection(socket, router.clone(), address.ip(), stopped.clone());
                    connections.spawn(async move {
                        connection.await;
                        drop(place);
                    });
                }
                // Out of file descriptors, or the client is gone already. Others may fare better later.
                Err(error) => {
                    tracing::warn!("a connection could not be accepted: {error}");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
    drop(listener);
    // Nobody listens if there is no connection.
    let _ = stopping.send(true);
    let all = async { while connections.join_next().await.is_some() {} };
    let _ = timeout(GRACE, all).await;
    connections.shutdown().await;
}

async fn serve_connection(
    socket: TcpStream,
    router: Router,
    client: std::net::IpAddr,
    mut stopped: watch::Receiver<bool>,
) {
    // Small answers must not wait for the client's acknowledgement of the one before.
    let _ = socket.set_nodelay(true);
    let service = router.map_request(move |request: Request<Incoming>| {
        let mut request = request.map(axum::body::Body::new);
        request.extensions_mut().insert(ClientAddress(client));
        request
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .serve_connection(TokioIo::new(socket), TowerToHyperService::new(service));
    let mut connection = pin!(connection);
    let stop = async {
        // An error means that the server is gone, which is the same.
        let _ = stopped.wait_for(|stopped| *stopped).await;
    };
    // What goes wrong on a connection is the client's concern.
    tokio::select! {
        _ = &mut connection => return,
        () = stop => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}
