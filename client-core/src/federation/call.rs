//! One bounded request to one guardian.

use bytes::Bytes;
use futures::{
    StreamExt,
    future::{Either, select},
    pin_mut,
};

use super::{GuardianFault, GuardianResult};
use crate::{
    backoff::retry_after_ms,
    platform::{Request, Response, Runtime, Transport},
};

/// Most bytes of an error's document that are read.
const MAX_PROBLEM_BYTES: usize = 4 << 10;

/// How long a guardian that says it is busy but not for how long is left alone, in milliseconds.
const BUSY_MS: u64 = 1_000;

/// What one answer may cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Most bytes of its body.
    pub bytes: usize,
    /// Milliseconds until it must have arrived whole.
    pub milliseconds: u64,
}

/// An answer, and how long its beginning took.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The whole body.
    pub body: Vec<u8>,
    /// Milliseconds until its headers were there.
    pub latency_ms: u64,
}

/// Sends `request` and collects the answer.
pub(crate) async fn call(
    transport: &dyn Transport,
    runtime: &dyn Runtime,
    request: Request,
    limits: Limits,
) -> GuardianResult<Answer> {
    let exchange = async {
        let began = runtime.now();
        let response = transport.request(request).await?;
        let latency_ms = runtime.now().saturating_sub(began);
        let response = expect_success(response).await?;
        Ok(Answer { body: collect(response, limits.bytes).await?, latency_ms })
    };
    let alarm = runtime.sleep(limits.milliseconds);
    pin_mut!(exchange, alarm);
    match select(exchange, alarm).await {
        Either::Left((result, _)) => result,
        Either::Right(_) => Err(GuardianFault::Silent(limits.milliseconds).into()),
    }
}

/// Passes an answer with binary content on; anything else becomes a fault.
pub(crate) async fn expect_success(response: Response) -> GuardianResult<Response> {
    if matches!(response.status, 429 | 503) {
        let asked = response.retry_after.as_deref().and_then(retry_after_ms);
        return Err(GuardianFault::Busy(asked.unwrap_or(BUSY_MS)).into());
    }
    if !response.is_success() {
        return Err(
            GuardianFault::Refused { status: response.status, code: problem_code(response).await }.into()
        );
    }
    // A page where the guardian should be: a captive portal, a parked domain, a proxy's excuse.
    match response.content_type.as_deref().map(without_parameters) {
        None | Some(Request::BINARY) => Ok(response),
        Some(other) => Err(GuardianFault::WrongType(other.chars().take(100).collect()).into()),
    }
}

/// A media type without what follows the semicolon.
fn without_parameters(kind: &str) -> &str {
    let end = kind.bytes().position(|byte| byte == b';').unwrap_or(kind.len());
    kind[..end].trim_ascii()
}

async fn collect(response: Response, limit: usize) -> GuardianResult<Vec<u8>> {
    let mut body = response.body;
    let mut bytes = Vec::new();
    while let Some(chunk) = body.next().await {
        let chunk: Bytes = chunk?;
        if bytes.len() + chunk.len() > limit {
            return Err(GuardianFault::TooBig(limit).into());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// The `code` member of a problem document (RFC 9457), found without a JSON parser: it is only ever shown
/// or compared, and a wallet in a browser has no other use for one.
async fn problem_code(response: Response) -> String {
    let body = collect(response, MAX_PROBLEM_BYTES).await.unwrap_or_default();
    let mut parts = body.split(|byte| *byte == b'"').skip_while(|part| *part != b"code").skip(1);
    let is_member = parts.next().is_some_and(|between| between.trim_ascii() == b":");
    let code = parts.next().filter(|_| is_member).unwrap_or_default();
    let plain = code.len() <= 64 && code.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    if plain { code.iter().copied().map(char::from).collect() } else { String::new() }
}
