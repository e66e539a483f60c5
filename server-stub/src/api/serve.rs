//! From sockets to requests.

use std::{future::Future, net::IpAddr, pin::pin, sync::Arc, time::Duration};

use axum::{Router, extract::Request};
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::JoinSet,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use super::{
    addresses::{Occupied, client},
    limits::ClientAddress,
    patience::{Patient, SlowestReader},
};

/// How long requests may go on after the stop.
const GRACE: Duration = Duration::from_millis(300);
/// How long to wait after the operating system could not accept a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Most bytes of a request's line and headers, and of an answer before it waits for the client to read.
const BUFFER_BYTES: usize = 64 << 10;

/// How connections are served.
#[derive(Clone, Debug)]
pub struct Server {
    /// Most connections at the same time; further ones wait to be accepted.
    pub connections: usize,
    /// Most connections of one client address; further ones are closed.
    pub connections_per_address: usize,
    /// How long a client may take to send a request's headers, and an idle connection may stay.
    pub header_time: Duration,
    /// Who reads more slowly is cut off.
    pub slowest_reader: SlowestReader,
    /// Addresses of proxies of our own in front of this server. They name their clients in `X-Forwarded-For`, and may
    /// have any number of connections.
    pub proxies: Vec<IpAddr>,
    /// Serves HTTPS where it is set, else HTTP.
    pub tls: Option<Arc<ServerConfig>>,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            connections: 4_096,
            connections_per_address: 2_048,
            header_time: Duration::from_secs(30),
            slowest_reader: SlowestReader { bytes: 32 << 10, time: Duration::from_secs(20) },
            proxies: Vec::new(),
            tls: None,
        }
    }
}

/// Serves HTTP/1.1 with the usual limits; see [`Server::serve`].
pub async fn serve(listener: TcpListener, router: Router, stop: impl Future<Output = ()>) {
    Server::default().serve(listener, router, stop).await;
}

impl Server {
    /// Serves HTTP/1.1, over TLS or not, on `listener` until `stop`. When this returns, no connection is left and nothing of `router`
    /// is in use: what does not end within a moment is cut off.
    pub async fn serve(self, listener: TcpListener, router: Router, stop: impl Future<Output = ()>) {
        let server = Arc::new(self);
        let mut stop = pin!(stop);
        let (stopping, stopped) = watch::channel(false);
        let places = Arc::new(Semaphore::new(server.connections));
        let occupied = Arc::new(Occupied::default());
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
                        let peer = address.ip().to_canonical();
                        let limit = if server.proxies.contains(&peer) {
                            usize::MAX
                        } else {
                            server.connections_per_address
                        };
                        let Some(own_place) = occupied.take(peer, limit) else { continue };
                        let connection = server.clone().connection(socket, router.clone(), peer, stopped.clone());
                        connections.spawn(async move {
                            connection.await;
                            drop((place, own_place));
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

    async fn connection(
        self: Arc<Self>,
        socket: TcpStream,
        router: Router,
        peer: IpAddr,
        stopped: watch::Receiver<bool>,
    ) {
        // Small answers must not wait for the client's acknowledgement of the one before.
        let _ = socket.set_nodelay(true);
        let stream = Patient::new(socket, self.slowest_reader);
        match &self.tls {
            None => self.http(stream, router, peer, stopped).await,
            Some(tls) => {
                let handshake = TlsAcceptor::from(tls.clone()).accept(stream);
                // What goes wrong on a connection is the client's concern.
                if let Ok(Ok(stream)) = timeout(self.header_time, handshake).await {
                    self.http(stream, router, peer, stopped).await;
                }
            }
        }
    }

    async fn http(
        self: &Arc<Self>,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        router: Router,
        peer: IpAddr,
        mut stopped: watch::Receiver<bool>,
    ) {
        let server = self.clone();
        let service = router.map_request(move |request: Request<Incoming>| {
            let mut request = request.map(axum::body::Body::new);
            let address = client(peer, request.headers(), &server.proxies);
            request.extensions_mut().insert(ClientAddress(address));
            request
        });
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(self.header_time).max_buf_size(BUFFER_BYTES);
        let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
        let mut connection = pin!(connection);
        let stop = async {
            // An error means that the server is gone, which is the same.
            let _ = stopped.wait_for(|stopped| *stopped).await;
        };
        tokio::select! {
            _ = &mut connection => return,
            () = stop => connection.as_mut().graceful_shutdown(),
        }
        let _ = connection.await;
    }
}
