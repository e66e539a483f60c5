//! The test faucet of a dev federation: issuer 0 gives to anyone who asks.

use std::sync::Arc;

use axum::{Router, extract::DefaultBodyLimit, extract::State, routing::post};
use rand::RngCore;
use rekindle_protocol::{
    amount::Amount,
    api::{API_VERSION, PREVIOUS_API_VERSION, TransactionStatus},
    bytes::{FederationId, Hash, TxId},
    modules::deposit::{CreditRequest, DepositAddress},
    schnorr,
    transaction::ModuleId,
};
use serde::{Deserialize, Serialize};

use crate::{
    api::{ApiError, Json, for_browsers},
    node::{NodeHandle, SubmitError},
};

/// Most that one request gets, in sats.
pub const MAX_SATS: u64 = 1_000_000;

/// The path of the one endpoint.
pub const PATH: &str = "/faucet";

/// The id of the faucet among the issuers.
const ISSUER: u16 = 0;

/// Largest request in bytes.
const MAX_REQUEST_BYTES: usize = 4 << 10;

/// What the faucet signs with and whom it tells.
pub struct Faucet {
    /// The federation's id.
    pub federation: FederationId,
    /// The deposit module's number.
    pub deposit: ModuleId,
    /// The key of issuer 0.
    pub key: schnorr::SecretKey,
    /// The guardians that run at the moment.
    pub guardians: Box<dyn Fn() -> Vec<NodeHandle> + Send + Sync>,
}

/// What a request says.
#[derive(Debug, Deserialize)]
struct Wish {
    /// A deposit address.
    address: String,
    /// How much, in sats.
    amount_sats: u64,
}

/// What a request gets.
#[derive(Debug, Serialize)]
struct Grant {
    /// The credit's transaction.
    txid: TxId,
    #[serde(flatten)]
    status: TransactionStatus,
}

/// `POST /faucet` with `{"address": "...", "amount_sats": N}`, for any web page.
pub fn router(faucet: Faucet) -> Router {
    let routes = Router::new()
        .route(PATH, post(give))
        .layer(DefaultBodyLimit::max(MAX_REQUEST_BYTES))
        .with_state(Arc::new(faucet));
    for_browsers(routes, PREVIOUS_API_VERSION..=API_VERSION)
}

async fn give(
    State(faucet): State<Arc<Faucet>>,
    Json(wish): Json<Wish>,
) -> Result<axum::Json<Grant>, ApiError> {
    let invalid = |error: String| ApiError::unprocessable("invalid_address", error);
    let address = DepositAddress::parse(&wish.address).map_err(|error| invalid(error.to_string()))?;
    if address.federation != DepositAddress::federation_prefix(&faucet.federation) {
        return Err(ApiError::unprocessable("wrong_federation", "the address is one of another federation"));
    }
    if !(1..=MAX_SATS).contains(&wish.amount_sats) {
        let detail = format!("the faucet gives 1 to {MAX_SATS} sats at a time");
        return Err(ApiError::unprocessable("invalid_amount", detail));
    }
    let mut reference = Hash([0; 32]);
    rand::rngs::OsRng.fill_bytes(&mut reference.0);
    let amount = Amount(wish.amount_sats);
    let Faucet { federation, deposit, key, .. } = &*faucet;
    let request = CreditRequest::sign(federation, *deposit, ISSUER, key, &address, amount, reference);
    let transaction = request.transaction(*deposit).map_err(|error| invalid(error.to_string()))?;
    let txid = transaction.id();

    // Every guardian that runs gets it: any that takes it up has it ordered.
    let mut failure = ApiError::unavailable("no_guardian", "no guardian is running");
    let mut taken_up_by = None;
    for guardian in (faucet.guardians)() {
        match guardian.submit(transaction.clone()).await {
            Ok(_) => taken_up_by = Some(guardian),
            Err(SubmitError::Rejected(rejection)) => failure = ApiError::rejected(rejection),
            Err(error) => failure = ApiError::unavailable("busy", error.to_string()),
        }
    }
    let Some(guardian) = taken_up_by else { return Err(failure) };
    Ok(axum::Json(Grant { txid, status: guardian.transaction_status(&txid)? }))
}
