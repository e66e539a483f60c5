//! The feed that an issuer follows to pay withdrawals.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{
    extract::State,
    http::{HeaderMap, Uri, header},
    response::Response,
};
use rekindle_protocol::{
    api::MAX_WAIT_SECONDS,
    encoding::Canonical,
    modules::{
        deposit::DepositOutput,
        withdrawals::{IssuerAuthorization, Withdrawal, Withdrawals},
    },
    session::{Item, SignedSession},
    transaction::{ModuleId, OutPoint},
};
use serde::Deserialize;

use super::{Api, ApiError, answer::Encoding, extract::Parameters};
use crate::db::{self, DbError};

/// Most sessions that one request looks through.
const SESSIONS: u64 = 1_000;
/// Bytes of sessions after which a request ends. With the last session that is less than what
/// [`MAX_WITHDRAWALS`](rekindle_protocol::modules::withdrawals::MAX_WITHDRAWALS) is made for.
const BYTES: usize = 16 << 20;

/// Parameters of the feed.
#[derive(Debug, Deserialize)]
pub struct Wanted {
    /// The first session.
    #[serde(default)]
    from: u64,
    /// How long to wait for it to be signed, in seconds.
    #[serde(default)]
    wait: u64,
}

pub async fn withdrawals(
    State(api): State<Arc<Api>>,
    encoding: Encoding,
    uri: Uri,
    headers: HeaderMap,
    Parameters(Wanted { from, wait }): Parameters<Wanted>,
) -> Result<Response, ApiError> {
    let issuer = authorized(&api, &uri, &headers)?;
    if wait > 0 {
        let _place = api.long_poll()?;
        api.node.wait_session(from, Duration::from_secs(wait.min(MAX_WAIT_SECONDS))).await?;
    }
    let found = tokio::task::spawn_blocking(move || look_through(&api, issuer, from));
    encoding.answer(&found.await.map_err(|error| ApiError::internal(&error))??)
}

/// Which of the config's issuers signed the request.
fn authorized(api: &Api, uri: &Uri, headers: &HeaderMap) -> Result<u16, ApiError> {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = given
        .and_then(IssuerAuthorization::parse)
        .ok_or_else(|| ApiError::unauthorized("the issuer's signature is missing"))?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let target = uri.path_and_query().map_or("", |target| target.as_str());
    let key = api.issuers.get(usize::from(given.issuer));
    match key.is_some_and(|key| given.verify(&api.node.federation(), target, now, key)) {
        true => Ok(given.issuer),
        false => Err(ApiError::unauthorized("the signature is not the issuer's, or of another time")),
    }
}

fn look_through(api: &Api, issuer: u16, from: u64) -> Result<Withdrawals, DbError> {
    let mut answer = Withdrawals { withdrawals: Vec::new(), next: from };
    let (mut bytes, mut broken) = (0, false);
    db::sessions_from(&api.node.db().read()?, from, |number, stored| {
        bytes += stored.len();
        let Ok(session) = SignedSession::from_bytes(stored) else {
            broken = true;
            return false;
        };
        answer.withdrawals.extend(in_session(api.deposit, issuer, &session));
        answer.next = number + 1;
        bytes < BYTES && answer.next - from < SESSIONS
    })?;
    if broken { Err(DbError::Damaged("signed session")) } else { Ok(answer) }
}

fn in_session(deposit: ModuleId, issuer: u16, session: &SignedSession) -> Vec<Withdrawal> {
    let mut found = Vec::new();
    for transaction in session.items.iter().filter_map(Item::transaction) {
        let outputs = (0..).zip(&transaction.outputs).filter(|(_, output)| output.module == deposit);
        for (output, body) in outputs {
            if let Ok(DepositOutput::Withdrawal { issuer: toward, amount, reference }) =
                DepositOutput::from_output(body)
                && toward == issuer
            {
                let output = OutPoint { txid: transaction.id(), output };
                found.push(Withdrawal { session: session.header.index, output, amount, reference });
            }
        }
    }
    found
}
