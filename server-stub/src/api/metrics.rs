//! What Prometheus sees.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    extract::{MatchedPath, Request, State},
    http::header,
    middleware::Next,
    response::{IntoResponse, Response},
};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, text::encode},
    metrics::{
        counter::{ConstCounter, Counter},
        family::Family,
        gauge::ConstGauge,
        histogram::Histogram,
    },
    registry::{Registry, Unit},
};
use rekindle_protocol::api::Connection;

use super::{Api, ApiError, status::connections};
use crate::{
    backups::{Backups, Usage},
    cpu,
    db::DbError,
    ledger::{self, Audit},
    node::NodeHandle,
};

/// Upper bounds of what requests take, in seconds. Those that wait for history end up in the last.
const BUCKETS: [f64; 7] = [0.001, 0.005, 0.025, 0.1, 0.5, 2.0, 10.0];

type Labels = Vec<(&'static str, String)>;

/// What is counted as it happens. The rest is read when it is asked for.
pub struct Metrics {
    registry: Registry,
    requests: Family<Labels, Counter>,
    seconds: Histogram,
}

impl Metrics {
    /// All metrics of a guardian.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("guardian");
        let requests = Family::default();
        registry.register("http_requests", "Answered requests, by endpoint and status", requests.clone());
        let seconds = Histogram::new(BUCKETS);
        let help = "Time until the head of an answer, of requests that do not wait for history";
        registry.register_with_unit("http_request_duration", help, Unit::Seconds, seconds.clone());
        Self { registry, requests, seconds }
    }

    fn count(&self, path: Option<&str>, status: u16, took: Option<Duration>) {
        // Without a route it could be any path: a label for each would be a flood of its own.
        let path = path.unwrap_or("other").to_owned();
        self.requests.get_or_create(&vec![("path", path), ("status", status.to_string())]).inc();
        if let Some(took) = took {
            self.seconds.observe(took.as_secs_f64());
        }
    }
}

/// Counts a request.
pub async fn count(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().cloned();
    let waits = request.uri().query().is_some_and(|query| query.contains("wait="));
    let started = Instant::now();
    let response = next.run(request).await;
    let took = (!waits).then(|| started.elapsed());
    api.metrics.count(path.as_ref().map(MatchedPath::as_str), response.status().as_u16(), took);
    response
}

pub async fn metrics(State(api): State<Arc<Api>>) -> Result<Response, ApiError> {
    let snapshot = Snapshot::take(&api)?;
    let mut text = String::new();
    let failed = |error: std::fmt::Error| ApiError::internal(&error);
    encode(&mut text, &api.metrics.registry).map_err(failed)?;
    let mut registry = Registry::with_prefix("guardian");
    registry.register_collector(Box::new(snapshot));
    let mut read = String::new();
    encode(&mut read, &registry).map_err(failed)?;
    // Both end with the same line.
    let text = text.strip_suffix("# EOF\n").unwrap_or(&text).to_owned() + &read;
    let media_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, media_type)], text).into_response())
}

/// A guardian at one moment.
#[derive(Debug)]
struct Snapshot {
    sessions: u64,
    signed: u64,
    epoch: u64,
    pending: usize,
    peers: Vec<(Option<u64>, Connection)>,
    audit: Audit,
    suspended: usize,
    backups: Usage,
    process: f64,
    engine: f64,
    signatures: f64,
}

impl Snapshot {
    fn take(api: &Api) -> Result<Self, ApiError> {
        let node: &NodeHandle = &api.node;
        let progress = node.progress().borrow().clone();
        let connections = connections(api);
        Ok(Self {
            sessions: progress.session_count,
            signed: progress.signed_count,
            epoch: progress.epoch,
            pending: node.pending_count(),
            audit: Audit::read(&node.db().read()?).map_err(DbError::from)?,
            suspended: ledger::suspended(&progress.proposals, node.config().max_faulty()).len(),
            peers: progress.latest_contributions.into_iter().zip(connections).collect(),
            backups: api.backups.as_ref().map(Backups::usage).transpose()?.unwrap_or_default(),
            process: cpu::process_seconds(),
            engine: cpu::ENGINE.seconds(),
            signatures: cpu::SIGNATURES.seconds(),
        })
    }
}

impl Collector for Snapshot {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        for (name, help, value) in [
            ("sessions", "Number of the open session", self.sessions),
            ("sessions_signed", "Sessions that are signed", self.signed),
            ("epoch", "The current epoch", self.epoch),
            ("backups", "Wallets that keep a backup here", self.backups.backups),
            ("backups_bytes", "What wallets' backups take", self.backups.bytes),
            ("pending_transactions", "Transactions that wait to be ordered", self.pending as u64),
        ] {
            gauge(&mut encoder, name, help, value)?;
        }
        let sats = |sats: u128| u64::try_from(sats).unwrap_or(u64::MAX);
        let audit = &self.audit;
        for (name, help, value) in [
            ("audit_issued_sats", "Notes issued, ever", audit.issued),
            ("audit_redeemed_sats", "Notes spent", audit.redeemed),
            ("audit_credited_sats", "What issuers credited", audit.credited),
            ("audit_claimed_sats", "Credits claimed", audit.claimed),
            ("audit_withdrawn_sats", "What was burned toward issuers", audit.withdrawn),
            ("audit_fees_sats", "What the federation kept", audit.fees),
            ("audit_liabilities_sats", "What the federation owes", audit.liabilities().unwrap_or(0)),
        ] {
            gauge(&mut encoder, name, help, sats(value))?;
        }
        let help = "Issuers that more than f guardians want suspended";
        gauge(&mut encoder, "issuers_suspended", help, self.suspended as u64)?;
        gauge(
            &mut encoder,
            "audit_balanced",
            "1 if the federation owes just what it must",
            audit.is_balanced().into(),
        )?;
        for (name, help, value) in [
            ("cpu", "Processor time of the process", self.process),
            ("cpu_engine", "Processor time of the consensus engine", self.engine),
            ("cpu_signatures", "Processor time of making and checking signatures", self.signatures),
        ] {
            let counter = ConstCounter::new(value);
            let encoder =
                encoder.encode_descriptor(name, help, Some(&Unit::Seconds), counter.metric_type())?;
            counter.encode(encoder)?;
        }
        let gauge_type = ConstGauge::new(0u64).metric_type();
        let help = "1 if messages flow between a peer and this guardian";
        let mut connected = encoder.encode_descriptor("peer_connected", help, None, gauge_type)?;
        for (id, (_, connection)) in self.peers.iter().enumerate() {
            let up = matches!(connection, Connection::Connected | Connection::Local);
            if *connection != Connection::Own {
                let labels = [("peer", id.to_string())];
                ConstGauge::new(u64::from(up)).encode(connected.encode_family(&labels)?)?;
            }
        }
        let help = "The last epoch with a contribution of a guardian, since this one started";
        let mut contributed = encoder.encode_descriptor("peer_latest_epoch", help, None, gauge_type)?;
        for (id, (latest, _)) in self.peers.iter().enumerate() {
            if let Some(latest) = latest {
                ConstGauge::new(*latest).encode(contributed.encode_family(&[("peer", id.to_string())])?)?;
            }
        }
        Ok(())
    }
}

fn gauge(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    value: u64,
) -> Result<(), std::fmt::Error> {
    let gauge = ConstGauge::new(value);
    gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)
}
