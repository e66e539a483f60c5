//! Which issuers are suspended, for operators.

use std::{collections::BTreeSet, sync::Arc};

use axum::{extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};

use super::{
    Api, ApiError,
    admin::{Operator, noted},
    extract::Json,
};
use crate::{consensus::GuardianId, db::DbError, ledger};

/// What `PUT /v1/admin/suspensions` says.
#[derive(Debug, Deserialize)]
pub struct Wanted {
    /// The issuers, by id, that the operator wants suspended.
    issuers: BTreeSet<u16>,
}

/// What `GET /v1/admin/suspensions` gives.
#[derive(Debug, Serialize)]
pub struct Suspensions {
    /// The issuers, by id, that this guardian's operator wants suspended.
    issuers: BTreeSet<u16>,
    /// Those that any guardian wants suspended.
    wanted: Vec<Suspension>,
}

/// An issuer that guardians want suspended.
#[derive(Debug, Serialize)]
pub struct Suspension {
    issuer: u16,
    /// Who wants it, as far as this guardian has heard since its start.
    guardians: BTreeSet<GuardianId>,
    /// Whether they are enough: more than f.
    suspended: bool,
}

pub async fn list(State(api): State<Arc<Api>>, _: Operator) -> Result<axum::Json<Suspensions>, ApiError> {
    let issuers = ledger::suspended_here(&api.node.db().read()?).map_err(DbError::from)?;
    let suspenders = ledger::suspenders(&api.node.progress().borrow().proposals);
    let max_faulty = api.node.config().max_faulty();
    let wanted = suspenders.into_iter().map(|(issuer, guardians)| {
        let suspended = guardians.len() > max_faulty;
        Suspension { issuer, guardians, suspended }
    });
    Ok(axum::Json(Suspensions { issuers, wanted: wanted.collect() }))
}

pub async fn replace(
    State(api): State<Arc<Api>>,
    _: Operator,
    Json(Wanted { issuers }): Json<Wanted>,
) -> Result<StatusCode, ApiError> {
    if let Some(unknown) = issuers.iter().find(|issuer| usize::from(**issuer) >= api.issuers.len()) {
        let detail = format!("the federation has no issuer {unknown}");
        return Err(ApiError::unprocessable("unknown_issuer", detail));
    }
    noted(api.node.change(move |txn| ledger::suspend(txn, &issuers)).await)
}
