//! A recovery's progress as a plain JavaScript object. `npm/src/types.ts` documents every field.

use rekindle_client::recovery::{FailingModule, RecoveryFault, RecoveryProgress, RecoveryState};
use serde::Serialize;

/// `RecoveryProgress`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JsProgress {
    state: &'static str,
    sessions_done: f64,
    sessions_total: f64,
    bytes: f64,
    sessions_per_second: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    time_left_ms: Option<f64>,
    guardians_in_use: Vec<u16>,
    found: JsFindings,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_attempt_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<JsFault>,
    snapshots: f64,
    signatures_verified: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    restored_sessions: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dropped: Option<String>,
    failing: Vec<JsFailing>,
}

/// `FailingModule`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct JsFailing {
    module: String,
    message: String,
    next_attempt_ms: f64,
}

/// `RecoveryFindings`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct JsFindings {
    notes: f64,
    amount_sats: u64,
    operations: f64,
}

/// `RecoveryFault`.
#[derive(Serialize)]
struct JsFault {
    code: &'static str,
    message: String,
    retryable: bool,
}

impl From<RecoveryProgress> for JsProgress {
    fn from(progress: RecoveryProgress) -> Self {
        JsProgress {
            state: match progress.state {
                RecoveryState::Running => "running",
                RecoveryState::Waiting => "waiting",
                RecoveryState::Paused => "paused",
                RecoveryState::Finalizing => "finalizing",
                RecoveryState::Failed => "failed",
                RecoveryState::Done => "done",
            },
            sessions_done: progress.sessions_done as f64,
            sessions_total: progress.sessions_total as f64,
            bytes: progress.bytes as f64,
            sessions_per_second: progress.sessions_per_second,
            time_left_ms: progress.time_left.map(|ms| ms as f64),
            guardians_in_use: progress.guardians_in_use,
            found: JsFindings {
                notes: progress.found.notes as f64,
                amount_sats: progress.found.sats,
                operations: progress.found.operations as f64,
            },
            next_attempt_ms: progress.next_attempt.map(|ms| ms as f64),
            error: progress.fault.map(JsFault::from),
            snapshots: progress.snapshots as f64,
            signatures_verified: progress.verifications as f64,
            restored_sessions: progress.restored.map(|sessions| sessions as f64),
            dropped: progress.dropped,
            failing: progress.failing.into_iter().map(JsFailing::from).collect(),
        }
    }
}

impl From<RecoveryFault> for JsFault {
    fn from(fault: RecoveryFault) -> Self {
        JsFault { code: fault.code, message: fault.message, retryable: fault.retryable }
    }
}

impl From<FailingModule> for JsFailing {
    fn from(failing: FailingModule) -> Self {
        JsFailing {
            module: failing.module,
            message: failing.message,
            next_attempt_ms: failing.next_attempt as f64,
        }
    }
}
