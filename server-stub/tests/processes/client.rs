//! A client of guardians' APIs.

use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::{
    Method, Request, StatusCode,
    body::Bytes,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use hyper_util::{
    client::legacy::{Client as Http, connect::HttpConnector},
    rt::TokioExecutor,
};
use rekindle_protocol::{
    api::{TransactionStatus, paths},
    encoding::Canonical,
    transaction::Transaction,
};
use tokio::time::timeout;

use super::process::TOKEN;

/// Longer than a guardian lets a client wait.
const ANSWER: Duration = Duration::from_secs(70);

/// Asks guardians over HTTP.
#[derive(Clone)]
pub struct Client(Http<HttpConnector, Full<Bytes>>);

impl Client {
    /// A client without connections.
    pub fn new() -> Self {
        Self(Http::builder(TokioExecutor::new()).build_http())
    }

    async fn ask(&self, method: Method, url: String, body: Vec<u8>) -> Option<(StatusCode, Bytes)> {
        let request = Request::builder()
            .method(method)
            .uri(url)
            .header(AUTHORIZATION, format!("Bearer {TOKEN}"))
            .header(
                CONTENT_TYPE,
                if body.first() == Some(&b'{') { "application/json" } else { "application/octet-stream" },
            )
            .body(Full::from(body))
            .unwrap();
        let answer = async {
            let response = self.0.request(request).await.ok()?;
            Some((response.status(), response.into_body().collect().await.ok()?.to_bytes()))
        };
        timeout(ANSWER, answer).await.ok()?
    }

    /// Submits a transaction; `None` if the guardian does not say that it has taken it up.
    pub async fn submit(&self, guardian: &str, transaction: &Transaction) -> Option<TransactionStatus> {
        let url = format!("http://{guardian}{}", paths::TRANSACTIONS);
        let (status, body) = self.ask(Method::POST, url, transaction.to_bytes()).await?;
        status.is_success().then(|| TransactionStatus::from_bytes(&body).unwrap())
    }

    /// What became of a transaction; waits up to a minute until something has.
    pub async fn outcome(&self, guardian: &str, transaction: &Transaction) -> Option<TransactionStatus> {
        let url = format!("http://{guardian}{}?wait=60", paths::transaction(&transaction.id()));
        let (status, body) = self.ask(Method::GET, url, vec![]).await?;
        status.is_success().then(|| TransactionStatus::from_bytes(&body).unwrap())
    }

    /// Says as the guardian's operator that version `version` of the rules may come.
    pub async fn signal(&self, guardian: &str, version: u32) {
        let url = format!("http://{guardian}{}", paths::ADMIN_UPGRADE);
        let body = format!(r#"{{"version":{version}}}"#).into_bytes();
        let (status, _) = self.ask(Method::POST, url, body).await.expect("no answer");
        assert_eq!(status, StatusCode::NO_CONTENT);
    }

    /// A session's encoded status; waits up to a minute until it is complete.
    pub async fn session(&self, guardian: &str, index: u64) -> Bytes {
        let url = format!("http://{guardian}{}?wait=60", paths::session(index));
        let (status, body) = self.ask(Method::GET, url, vec![]).await.expect("no answer");
        assert_eq!(status, StatusCode::OK);
        body
    }
}
