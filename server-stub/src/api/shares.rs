//! Signature shares for what was issued.

use std::sync::{Arc, Weak};

use axum::{extract::State, response::Response};
use rekindle_protocol::{
    encoding::Canonical,
    modules::mint::{MAX_SHARES_REQUEST, SharesAnswer, SharesRequest},
    session::SignedSession,
};

use super::{
    Api, ApiError,
    answer::Encoding,
    extract::{Body, Segment},
};
use crate::{
    db::DbError,
    ledger::{Issued, issued_at, issued_by},
    node::SessionState,
};

pub async fn for_out_points(
    State(api): State<Arc<Api>>,
    encoding: Encoding,
    Body(request): Body<SharesRequest>,
) -> Result<Response, ApiError> {
    if request.out_points.len() > MAX_SHARES_REQUEST {
        return Err(ApiError::unprocessable(
            "too_many_out_points",
            format!("at most {MAX_SHARES_REQUEST} shares are made at a time"),
        ));
    }
    let shares = sign(api, move |api| {
        let txn = api.node.db().read()?;
        Ok(issued_at(&txn, &request.out_points)?)
    });
    encoding.answer(&shares.await?)
}

pub async fn for_session(
    State(api): State<Arc<Api>>,
    encoding: Encoding,
    Segment(index): Segment<u64>,
) -> Result<Response, ApiError> {
    let shares = sign(api, move |api| {
        let items = match api.node.session(index)? {
            SessionState::Initial => {
                return Err(ApiError::not_found(format!("session {index} has not begun")));
            }
            SessionState::Pending(items) => items,
            SessionState::Complete(bytes) => {
                SignedSession::from_bytes(&bytes).map_err(|_| DbError::Damaged("signed session"))?.items
            }
        };
        Ok(issued_by(api.mint, &items))
    });
    encoding.answer(&shares.await?)
}

/// Signs on a thread of its own, in turn, and stops when the client goes away.
async fn sign(
    api: Arc<Api>,
    find: impl FnOnce(&Api) -> Result<Vec<Issued>, ApiError> + Send + 'static,
) -> Result<SharesAnswer, ApiError> {
    let _place = api.signing_requests.try_acquire().map_err(|_| ApiError::too_many_requests(5))?;
    // Never closed.
    let _turn = api.signing_threads.acquire().await.map_err(|error| ApiError::internal(&error))?;
    // Dropped together with this future.
    let client = Arc::new(());
    let waiting: Weak<()> = Arc::downgrade(&client);
    let worker = api.clone();
    let work = tokio::task::spawn_blocking(move || {
        let issued = find(&worker)?;
        Ok::<_, ApiError>(worker.signer.sign_all(issued, || waiting.strong_count() > 0))
    });
    match work.await {
        Ok(result) => result?.ok_or_else(|| ApiError::unavailable("stopping", "the request was given up")),
        Err(error) => Err(ApiError::internal(&error)),
    }
}
