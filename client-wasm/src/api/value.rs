//! What the wallet answers, as plain JavaScript objects. `npm/src/types.ts` documents every field.
//!
//! Amounts are `u64` here and become `BigInt`; counts and times are `f64` and become numbers, which
//! are exact up to 2^53.

use rekindle_client::{
    federation::Evidence,
    wallet::{Balance, FederationInfo, HistoryEntry, OperationStatus, OutstandingToken, Received, SentToken},
};
use rekindle_protocol::ownership::OperationKind;
use serde::Serialize;
use serde_wasm_bindgen::Serializer;
use wasm_bindgen::JsValue;

use super::failure::Failure;

/// Makes the JavaScript object of a value; what is `None` is undefined.
///
/// # Errors
/// None for the types here; the serializer's signature has one.
pub fn to_js(value: &impl Serialize) -> Result<JsValue, Failure> {
    value.serialize(&Serializer::new().serialize_large_number_types_as_bigints(true)).map_err(|_| Failure {
        code: "internal",
        message: "a result has no JavaScript form".to_owned(),
        retryable: false,
    })
}

/// The same for a list.
///
/// # Errors
/// As for [`to_js`].
pub fn list_to_js<T, J: From<T> + Serialize>(list: impl IntoIterator<Item = T>) -> Result<JsValue, Failure> {
    to_js(&list.into_iter().map(J::from).collect::<Vec<J>>())
}

/// `FederationInfo`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JsFederation {
    federation_id: String,
    name: String,
    guardians: Vec<JsGuardian>,
    has_faucet: bool,
}

/// `Guardian`.
#[derive(Serialize)]
struct JsGuardian {
    id: f64,
    name: String,
    url: String,
}

impl From<FederationInfo> for JsFederation {
    fn from(info: FederationInfo) -> Self {
        let guardians = info.guardians.into_iter().enumerate();
        JsFederation {
            federation_id: info.federation,
            name: info.name,
            guardians: guardians.map(|(id, (name, url))| JsGuardian { id: id as f64, name, url }).collect(),
            has_faucet: info.has_faucet,
        }
    }
}

/// `Diagnostics`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JsDiagnostics {
    wasm_memory_bytes: f64,
    evidence: Vec<JsEvidence>,
}

/// `GuardianEvidence`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct JsEvidence {
    guardian: f64,
    code: &'static str,
    time_ms: f64,
    times: f64,
}

impl From<Vec<Evidence>> for JsDiagnostics {
    fn from(evidence: Vec<Evidence>) -> Self {
        const PAGE: f64 = 65_536.0;
        let wasm_memory_bytes = core::arch::wasm32::memory_size(0) as f64 * PAGE;
        let evidence = evidence.iter().map(|evidence| JsEvidence {
            guardian: evidence.guardian.into(),
            code: evidence.code,
            time_ms: evidence.time as f64,
            times: evidence.times.into(),
        });
        JsDiagnostics { wasm_memory_bytes, evidence: evidence.collect() }
    }
}

/// `Balance`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JsBalance {
    spendable_sats: u64,
    pending_sats: u64,
    outstanding_sats: u64,
}

impl From<Balance> for JsBalance {
    fn from(balance: Balance) -> Self {
        JsBalance {
            spendable_sats: balance.spendable,
            pending_sats: balance.pending,
            outstanding_sats: balance.outstanding,
        }
    }
}

/// `SentToken`. The token's text crosses because sending asks for it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JsSentToken {
    token: String,
    amount_sats: u64,
    operation_id: String,
}

impl From<SentToken> for JsSentToken {
    fn from(sent: SentToken) -> Self {
        JsSentToken {
            token: sent.token.to_string(),
            amount_sats: sent.sats,
            operation_id: sent.txid.to_string(),
        }
    }
}

/// `Received`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JsReceived {
    amount_sats: u64,
    operation_id: String,
}

impl From<Received> for JsReceived {
    fn from(received: Received) -> Self {
        JsReceived { amount_sats: received.sats, operation_id: received.txid.to_string() }
    }
}

/// `OutstandingToken`. The token's text crosses because whoever asks for outstanding tokens wants to
/// hand them out again.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JsOutstandingToken {
    operation_id: String,
    amount_sats: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    time_ms: f64,
}

impl From<OutstandingToken> for JsOutstandingToken {
    fn from(outstanding: OutstandingToken) -> Self {
        JsOutstandingToken {
            operation_id: outstanding.txid.to_string(),
            amount_sats: outstanding.sats,
            token: outstanding.token.map(|token| token.to_string()),
            time_ms: outstanding.time as f64,
        }
    }
}

/// `Operation`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JsOperation {
    operation_id: String,
    kind: &'static str,
    amount_sats: u64,
    time_ms: f64,
    status: &'static str,
}

impl From<HistoryEntry> for JsOperation {
    fn from(entry: HistoryEntry) -> Self {
        JsOperation {
            operation_id: entry.txid.to_string(),
            kind: match entry.kind {
                OperationKind::Deposit => "deposit",
                OperationKind::Send => "send",
                OperationKind::Redeem => "redeem",
                OperationKind::Reclaim => "reclaim",
                OperationKind::Withdrawal => "withdrawal",
            },
            amount_sats: entry.sats,
            time_ms: entry.time as f64,
            status: match entry.status {
                OperationStatus::Pending => "pending",
                OperationStatus::Outstanding => "outstanding",
                OperationStatus::Settled => "settled",
                OperationStatus::Reclaimed => "reclaimed",
            },
        }
    }
}
