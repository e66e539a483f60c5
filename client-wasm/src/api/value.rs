//! What the wallet answers, as plain JavaScript objects. `npm/src/types.ts` documents every field.
//!
//! Amounts are `u64` here and become `BigInt`; counts and times are `f64` and become numbers, which
//! are exact up to 2^53.

use rekindle_client::{
    federation::Evidence,
    wallet::{
        Balance, FederationInfo, HistoryEntry, OperationStatus, OutstandingToken, Received, SentToken, Wallet,
    },
};
use rekindle_protocol::ownership::OperationKind;
use serde::{Serialize, Serializer};
use wasm_bindgen::JsValue;

use super::failure::Failure;

/// Anything that is answered. It is all of this one type, because a serializer walks each type with code of its own.
pub enum Value {
    /// Undefined; an object has no such field.
    Nothing,
    /// A boolean.
    Flag(bool),
    /// A number.
    Number(f64),
    /// A `BigInt`.
    Sats(u64),
    /// A string.
    Text(String),
    /// An array.
    List(Vec<Value>),
    /// A plain object.
    Object(Vec<(&'static str, Value)>),
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Nothing => serializer.serialize_unit(),
            Value::Flag(flag) => serializer.serialize_bool(*flag),
            Value::Number(number) => serializer.serialize_f64(*number),
            Value::Sats(sats) => serializer.serialize_u64(*sats),
            Value::Text(text) => serializer.serialize_str(text),
            Value::List(items) => serializer.collect_seq(items),
            Value::Object(fields) => {
                let fields = fields.iter().filter(|(_, value)| !matches!(value, Value::Nothing));
                serializer.collect_map(fields.map(|(name, value)| (name, value)))
            }
        }
    }
}

macro_rules! from {
    ($($type:ty => $variant:ident)*) => {
        $(impl From<$type> for Value {
            fn from(value: $type) -> Self {
                Value::$variant(value.into())
            }
        })*
    };
}

from! { bool => Flag  f64 => Number  u16 => Number  u32 => Number  u64 => Sats  String => Text  &str => Text }

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Value::Nothing, T::into)
    }
}

/// The JavaScript form of a value.
///
/// # Errors
/// None; the serializer's signature has one.
pub fn to_js(value: Value) -> Result<JsValue, Failure> {
    let serializer = serde_wasm_bindgen::Serializer::new()
        .serialize_large_number_types_as_bigints(true)
        .serialize_maps_as_objects(true);
    value
        .serialize(&serializer)
        .map_err(|_| Failure::new("internal", "a result has no JavaScript form", false))
}

/// A list, each of its items made by `item`.
pub fn list<T>(items: impl IntoIterator<Item = T>, item: impl Fn(T) -> Value) -> Value {
    Value::List(items.into_iter().map(item).collect())
}

/// `FederationInfo`.
pub fn federation(info: FederationInfo) -> Value {
    let guardians = info.guardians.into_iter().enumerate();
    Value::Object(vec![
        ("federationId", info.federation.into()),
        ("name", info.name.into()),
        ("guardians", list(guardians, |(id, (name, url))| guardian(id, name, url))),
        ("hasFaucet", info.has_faucet.into()),
    ])
}

/// `Guardian`.
fn guardian(id: usize, name: String, url: String) -> Value {
    Value::Object(vec![("id", (id as f64).into()), ("name", name.into()), ("url", url.into())])
}

/// `Diagnostics`.
pub fn diagnostics(wallet: &Wallet) -> Value {
    const PAGE: f64 = 65_536.0;
    let memory = core::arch::wasm32::memory_size(0) as f64 * PAGE;
    Value::Object(vec![
        ("wasmMemoryBytes", memory.into()),
        ("snapshotMs", (wallet.snapshot_ms() as f64).into()),
        ("evidence", list(wallet.evidence(), guardian_evidence)),
    ])
}

/// `GuardianEvidence`.
fn guardian_evidence(evidence: Evidence) -> Value {
    Value::Object(vec![
        ("guardian", evidence.guardian.into()),
        ("code", evidence.code.into()),
        ("timeMs", (evidence.time as f64).into()),
        ("times", evidence.times.into()),
        ("path", evidence.path.into()),
        ("answer", hex::encode(evidence.answer).into()),
    ])
}

/// `Balance`.
pub fn balance(balance: Balance) -> Value {
    Value::Object(vec![
        ("spendableSats", balance.spendable.into()),
        ("pendingSats", balance.pending.into()),
        ("outstandingSats", balance.outstanding.into()),
    ])
}

/// `SentToken`. The token's text crosses because sending asks for it.
pub fn sent(sent: SentToken) -> Value {
    Value::Object(vec![
        ("token", sent.token.to_string().into()),
        ("amountSats", sent.sats.into()),
        ("operationId", sent.txid.to_string().into()),
    ])
}

/// `Received`.
pub fn received(received: Received) -> Value {
    Value::Object(vec![
        ("amountSats", received.sats.into()),
        ("operationId", received.txid.to_string().into()),
    ])
}

/// `OutstandingToken`. The token's text crosses because whoever asks for outstanding tokens wants to
/// hand them out again.
pub fn outstanding(outstanding: OutstandingToken) -> Value {
    Value::Object(vec![
        ("operationId", outstanding.txid.to_string().into()),
        ("amountSats", outstanding.sats.into()),
        ("token", outstanding.token.map(|token| token.to_string()).into()),
        ("timeMs", (outstanding.time as f64).into()),
    ])
}

/// `Operation`.
pub fn operation(entry: HistoryEntry) -> Value {
    let kind = match entry.kind {
        OperationKind::Deposit => "deposit",
        OperationKind::Send => "send",
        OperationKind::Redeem => "redeem",
        OperationKind::Reclaim => "reclaim",
        OperationKind::Withdrawal => "withdrawal",
    };
    let status = match entry.status {
        OperationStatus::Pending => "pending",
        OperationStatus::Outstanding => "outstanding",
        OperationStatus::Settled => "settled",
        OperationStatus::Reclaimed => "reclaimed",
    };
    Value::Object(vec![
        ("operationId", entry.txid.to_string().into()),
        ("kind", kind.into()),
        ("amountSats", entry.sats.into()),
        ("timeMs", (entry.time as f64).into()),
        ("status", status.into()),
    ])
}
