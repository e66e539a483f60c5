//! A recovery's progress as a plain JavaScript object. `npm/src/types.ts` documents every field.

use rekindle_client::recovery::{FailingModule, RecoveryFault, RecoveryProgress, RecoveryState};

use super::value::{Value, list};

/// `RecoveryProgress`.
pub fn progress(progress: RecoveryProgress) -> Value {
    let state = match progress.state {
        RecoveryState::Running => "running",
        RecoveryState::Waiting => "waiting",
        RecoveryState::Paused => "paused",
        RecoveryState::Finalizing => "finalizing",
        RecoveryState::Failed => "failed",
        RecoveryState::Done => "done",
    };
    // `RecoveryFindings`.
    let found = Value::Object(vec![
        ("notes", (progress.found.notes as f64).into()),
        ("amountSats", progress.found.sats.into()),
        ("operations", (progress.found.operations as f64).into()),
    ]);
    Value::Object(vec![
        ("state", state.into()),
        ("sessionsDone", (progress.sessions_done as f64).into()),
        ("sessionsTotal", (progress.sessions_total as f64).into()),
        ("bytes", (progress.bytes as f64).into()),
        ("share", progress.share.into()),
        ("sessionsPerSecond", progress.sessions_per_second.into()),
        ("timeLeftMs", progress.time_left.map(|ms| ms as f64).into()),
        ("guardiansInUse", list(progress.guardians_in_use, Value::from)),
        ("found", found),
        ("nextAttemptMs", progress.next_attempt.map(|ms| ms as f64).into()),
        ("error", progress.fault.map(fault).into()),
        ("snapshots", (progress.snapshots as f64).into()),
        ("signaturesVerified", (progress.verifications as f64).into()),
        ("restoredSessions", progress.restored.map(|sessions| sessions as f64).into()),
        ("dropped", progress.dropped.into()),
        ("failing", list(progress.failing, failing)),
    ])
}

/// `RecoveryFault`.
fn fault(fault: RecoveryFault) -> Value {
    Value::Object(vec![
        ("code", fault.code.into()),
        ("message", fault.message.into()),
        ("retryable", fault.retryable.into()),
    ])
}

/// `FailingModule`.
fn failing(failing: FailingModule) -> Value {
    Value::Object(vec![
        ("module", failing.module.into()),
        ("message", failing.message.into()),
        ("nextAttemptMs", (failing.next_attempt as f64).into()),
    ])
}
