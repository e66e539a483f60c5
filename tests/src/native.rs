//! The wallet's platform outside a browser, for tests and benches: hyper and tokio.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use http_body_util::{BodyDataStream, Full};
use hyper::Uri;
use hyper::header::{self, HeaderName};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use rekindle_client::platform::{RandomError, Request, Response, Runtime, Transport, TransportError};

/// HTTP/1.1 without TLS. Must be used within a tokio runtime; clones share their connections.
#[derive(Clone)]
pub struct NativeTransport {
    client: Client<HttpConnector, Full<Bytes>>,
}

impl NativeTransport {
    /// A transport without open connections.
    pub fn new() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        NativeTransport { client: Client::builder(TokioExecutor::new()).build(connector) }
    }
}

impl Default for NativeTransport {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait(?Send)]
impl Transport for NativeTransport {
    async fn request(&self, request: Request) -> Result<Response, TransportError> {
        let response = self.client.request(to_http(request)?).await.map_err(unreachable)?;
        let text = |name: HeaderName| Some(response.headers().get(name)?.to_str().ok()?.to_owned());
        Ok(Response {
            status: response.status().as_u16(),
            content_type: text(header::CONTENT_TYPE),
            retry_after: text(header::RETRY_AFTER),
            etag: text(header::ETAG),
            body: BodyDataStream::new(response.into_body())
                .map(|chunk| chunk.map_err(|error| TransportError::Interrupted(error.to_string())))
                .boxed_local(),
        })
    }
}

fn to_http(request: Request) -> Result<hyper::Request<Full<Bytes>>, TransportError> {
    let invalid = |error: &dyn std::fmt::Display| TransportError::InvalidRequest(error.to_string());
    let url: Uri = request.url.parse().map_err(|error| invalid(&error))?;
    if url.scheme_str() != Some("http") {
        return Err(invalid(&"the URL does not begin with http://"));
    }
    let mut builder = hyper::Request::builder()
        .method(request.method.as_str())
        .uri(url)
        .header(header::ACCEPT, request.accept);
    if request.bypass_cache {
        builder = builder.header(header::CACHE_CONTROL, "no-cache");
    }
    let body = match request.body {
        Some(body) => {
            builder = builder.header(header::CONTENT_TYPE, body.content_type);
            body.bytes
        }
        None => Bytes::new(),
    };
    builder.body(Full::new(body)).map_err(|error| invalid(&error))
}

fn unreachable(error: hyper_util::client::legacy::Error) -> TransportError {
    TransportError::Unreachable(error.to_string())
}

/// Time and randomness of the operating system, timers of tokio.
#[derive(Debug, Clone, Copy, Default)]
pub struct NativeRuntime;

#[async_trait(?Send)]
impl Runtime for NativeRuntime {
    fn now(&self) -> u64 {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX)
    }

    async fn sleep(&self, milliseconds: u64) {
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
    }

    fn random(&self, buffer: &mut [u8]) -> Result<(), RandomError> {
        getrandom::fill(buffer).map_err(|error| RandomError(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use rekindle_client::testing::runtime::runtime_conformance;
    use rekindle_client::testing::transport::{TransportPeer, transport_conformance};
    use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    #[tokio::test(flavor = "current_thread")]
    async fn the_runtime_passes_the_conformance_suite() {
        runtime_conformance(&NativeRuntime).await;
    }

    #[tokio::test(flavor = "current_thread")]
    async fn the_transport_passes_the_conformance_suite() {
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(serve(listener));
        let peer = TransportPeer { url, closed: format!("http://{closed}/") };
        transport_conformance(&NativeTransport::new(), &NativeRuntime, &peer).await;
    }

    /// The peer that the suite describes; a connection carries one request.
    async fn serve(listener: TcpListener) {
        let open = Arc::new(AtomicUsize::new(0));
        while let Ok((connection, _)) = listener.accept().await {
            let open = open.clone();
            // A client that hangs up makes answering fail, as it should.
            tokio::spawn(async move { answer(BufReader::new(connection), open).await.ok() });
        }
    }

    async fn answer(mut connection: BufReader<TcpStream>, open: Arc<AtomicUsize>) -> std::io::Result<()> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            connection.read_line(&mut line).await?;
            match line.trim_end() {
                "" => break,
                line => lines.push(line.to_owned()),
            }
        }
        let header = |name: &str| {
            lines.iter().filter_map(|line| line.split_once(": ")).find(|(n, _)| n.eq_ignore_ascii_case(name))
        };
        let mut body = vec![0; header("content-length").map_or(0, |(_, length)| length.parse().unwrap())];
        connection.read_exact(&mut body).await?;
        let (method, rest) = lines[0].split_once(' ').unwrap();
        let path = rest.split([' ', '?']).next().unwrap();
        match path {
            "/echo" => {
                let mut echo = method.as_bytes().to_vec();
                for name in ["accept", "content-type", "cache-control"] {
                    echo.push(b'\n');
                    echo.extend(header(name).map_or("", |(_, value)| value).as_bytes());
                }
                echo.push(b'\n');
                echo.extend(body);
                respond(connection, "200 OK\r\nContent-Type: text/echo\r\nETag: \"e\"", &echo).await
            }
            "/busy" => respond(connection, "429 Too Many Requests\r\nRetry-After: 7", b"busy").await,
            "/big" => {
                let big: Vec<u8> = (0..1_000_000).map(|at| at as u8).collect();
                respond(connection, "200 OK", &big).await
            }
            "/open" => {
                respond(connection, "200 OK", open.load(Ordering::SeqCst).to_string().as_bytes()).await
            }
            "/cut" => connection.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789").await,
            "/endless" | "/silent" => {
                open.fetch_add(1, Ordering::SeqCst);
                if path == "/endless" {
                    connection.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
                    while connection.write_all(&[7; 10_000]).await.is_ok() {}
                } else {
                    // Returns when the client hangs up.
                    let _ = connection.read(&mut [0]).await;
                }
                open.fetch_sub(1, Ordering::SeqCst);
                Ok(())
            }
            _ => respond(connection, "404 Not Found", b"").await,
        }
    }

    async fn respond(mut connection: BufReader<TcpStream>, head: &str, body: &[u8]) -> std::io::Result<()> {
        let length = body.len();
        let head = format!("HTTP/1.1 {head}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
        connection.write_all(head.as_bytes()).await?;
        connection.write_all(body).await?;
        connection.shutdown().await
    }
}
