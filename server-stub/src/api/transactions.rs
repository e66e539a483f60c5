//! Submitting transactions and learning what became of them.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::State,
    http::{HeaderValue, Uri, header},
    response::Response,
};
use rekindle_protocol::{
    api::{MAX_WAIT_SECONDS, RejectionReason, TransactionStatus, paths},
    bytes::TxId,
    modules::deposit::{CreditRequest, DepositAddress},
    transaction::{MAX_TRANSACTION_BYTES, Transaction},
};

use super::{
    Api, ApiError,
    answer::Encoding,
    extract::{Asking, Body, Parameters, Segment},
};
use crate::node::SubmitError;

pub async fn submit(
    State(api): State<Arc<Api>>,
    encoding: Encoding,
    uri: Uri,
    Parameters(asking): Parameters<Asking>,
    Body(transaction): Body<Transaction>,
) -> Result<Response, ApiError> {
    take_up(&api, encoding, &uri, &asking, transaction).await
}

pub async fn credit(
    State(api): State<Arc<Api>>,
    encoding: Encoding,
    uri: Uri,
    Parameters(asking): Parameters<Asking>,
    Body(request): Body<CreditRequest>,
) -> Result<Response, ApiError> {
    let invalid = |detail: String| ApiError::unprocessable("invalid_address", detail);
    let address = DepositAddress::parse(&request.address).map_err(|error| invalid(error.to_string()))?;
    if address.federation != DepositAddress::federation_prefix(&api.node.federation()) {
        return Err(ApiError::unprocessable(
            "wrong_federation",
            "the deposit address is one of another federation",
        ));
    }
    let transaction = request.transaction(api.deposit).map_err(|error| invalid(error.to_string()))?;
    take_up(&api, encoding, &uri, &asking, transaction).await
}

/// What is wrong with a transaction for ever is the request's fault; what depends on history is an answer.
async fn take_up(
    api: &Api,
    encoding: Encoding,
    uri: &Uri,
    asking: &Asking,
    transaction: Transaction,
) -> Result<Response, ApiError> {
    let txid = transaction.id();
    let status = match api.node.submit(transaction).await {
        Ok(_) => api.node.transaction_status(&txid)?,
        Err(SubmitError::Rejected(rejection)) => match rejection.reason {
            RejectionReason::AlreadySpent { .. }
            | RejectionReason::NoSuchCredit
            | RejectionReason::IssuerSuspended => TransactionStatus::Rejected(rejection),
            RejectionReason::Malformed
            | RejectionReason::UnknownModule
            | RejectionReason::InvalidSignature
            | RejectionReason::Unbalanced => return Err(ApiError::rejected(rejection)),
        },
        Err(SubmitError::TooLarge) => return Err(ApiError::too_large(MAX_TRANSACTION_BYTES)),
        Err(error @ SubmitError::Busy) => return Err(ApiError::unavailable("busy", error.to_string())),
        Err(error @ SubmitError::Stopped) => {
            return Err(ApiError::unavailable("stopping", error.to_string()));
        }
        Err(SubmitError::Db(error)) => return Err(error.into()),
    };
    let mut response = api.answer(encoding, uri.path(), asking.challenge, &status)?;
    if let Ok(location) = HeaderValue::try_from(paths::transaction(&txid)) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

pub async fn status(
    State(api): State<Arc<Api>>,
    encoding: Encoding,
    uri: Uri,
    Segment(txid): Segment<TxId>,
    Parameters(asking): Parameters<Asking>,
) -> Result<Response, ApiError> {
    let status = if asking.wait == 0 {
        api.node.transaction_status(&txid)?
    } else {
        let _place = api.long_poll()?;
        let patience = Duration::from_secs(asking.wait.min(MAX_WAIT_SECONDS));
        api.node.wait_transaction(&txid, patience).await?
    };
    api.answer(encoding, uri.path(), asking.challenge, &status)
}
