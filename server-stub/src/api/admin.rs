//! What only the guardian's operator may ask for.

use std::{
    io,
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{
    extract::{FromRequestParts, State},
    http::{StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use rekindle_protocol::{api::Audit, config::UrlAnnouncement, encoding::Canonical, session::SessionStatus};
use serde::Deserialize;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::{
    Api, ApiError,
    answer::NO_STORE,
    extract::{Body, Json},
    status,
};
use crate::node::{AdoptError, SubmitError};

/// Fewest characters of a token: 22 of base64 are 128 bits.
const MIN_TOKEN_CHARS: usize = 22;
/// How long writing down an announcement may take.
const SAVING: Duration = Duration::from_secs(10);
/// Longest file with a token, in bytes.
const MAX_TOKEN_FILE: u64 = 1_024;

/// Makes the content of `GET /v1/admin/backup`.
pub type Backup = Box<dyn Fn() -> io::Result<Vec<u8>> + Send + Sync>;

/// What an operator proves itself with. Only a hash is kept, and hashes are compared in constant time.
#[derive(Clone)]
pub struct AdminToken(blake3::Hash);

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum AdminTokenError {
    /// Easy to guess.
    #[error(
        "the operator's token has fewer than {MIN_TOKEN_CHARS} characters, or others than printable ASCII"
    )]
    Weak,
    /// The file can't be read.
    #[error("the file with the operator's token can't be read: {0}")]
    Io(#[from] io::Error),
}

impl AdminToken {
    /// A token of printable ASCII characters; space around it does not count.
    ///
    /// # Errors
    /// [`AdminTokenError::Weak`].
    pub fn new(text: &str) -> Result<Self, AdminTokenError> {
        let text = text.trim();
        if text.len() < MIN_TOKEN_CHARS || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(AdminTokenError::Weak);
        }
        Ok(Self(blake3::hash(text.as_bytes())))
    }

    /// Reads the token from a file.
    ///
    /// # Errors
    /// [`AdminTokenError`].
    pub fn read(path: &Path) -> Result<Self, AdminTokenError> {
        let found = crate::files::read_if_there(path, MAX_TOKEN_FILE)?;
        let bytes = Zeroizing::new(found.ok_or(io::Error::from(io::ErrorKind::NotFound))?);
        Self::new(str::from_utf8(&bytes).map_err(|_| AdminTokenError::Weak)?)
    }

    fn is(&self, text: &str) -> bool {
        self.0 == blake3::hash(text.as_bytes())
    }
}

/// Proof, as an argument of a handler, that the guardian's operator is asking.
pub struct Operator;

impl FromRequestParts<Arc<Api>> for Operator {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, ApiError> {
        let Some(token) = &api.admin else {
            let detail = "this guardian was started without an operator's token";
            return Err(ApiError::new(StatusCode::FORBIDDEN, "admin_disabled", detail));
        };
        let given = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        match given.and_then(|value| value.strip_prefix("Bearer ")) {
            Some(given) if token.is(given) => Ok(Self),
            _ => Err(ApiError::unauthorized("the operator's token is missing or wrong")),
        }
    }
}

pub async fn audit(State(api): State<Arc<Api>>, _: Operator) -> Result<axum::Json<Audit>, ApiError> {
    Ok(axum::Json(status::audit(&api)?))
}

pub async fn backup(State(api): State<Arc<Api>>, _: Operator) -> Result<Response, ApiError> {
    if api.backup.is_none() {
        return Err(ApiError::not_found("this guardian has no config of its own to back up"));
    }
    let name = format!("attachment; filename=\"guardian-{}.backup\"", api.node.id());
    // Sealing takes memory and a moment.
    let sealed = tokio::task::spawn_blocking(move || api.backup.as_ref().map(|make| make()).transpose());
    let sealed = sealed.await.map_err(|error| ApiError::internal(&error))?;
    let sealed = sealed.map_err(|error| ApiError::internal(&error))?.unwrap_or_default();
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream"),
        (header::CONTENT_DISPOSITION, &name),
        (header::CACHE_CONTROL, NO_STORE),
    ];
    Ok((headers, sealed).into_response())
}

/// What `POST /v1/admin/url` says.
#[derive(Debug, Deserialize)]
pub struct NewUrl {
    /// Where the guardian is reached from now on.
    url: String,
}

pub async fn url(
    State(api): State<Arc<Api>>,
    _: Operator,
    Json(NewUrl { url }): Json<NewUrl>,
) -> Result<axum::Json<UrlAnnouncement>, ApiError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let announced = api.announcements.announce(api.node.id(), &api.node.keys().identity, &url, now)?;
    match timeout(SAVING, api.announcements.saved(&announced)).await {
        Ok(()) => Ok(axum::Json(announced)),
        Err(_) => Err(ApiError::internal(&"the announcement could not be written down")),
    }
}

/// What `POST /v1/admin/upgrade` says.
#[derive(Debug, Deserialize)]
pub struct Upgrade {
    /// The version of the rules that the operator is ready for.
    version: u32,
}

pub async fn upgrade(
    State(api): State<Arc<Api>>,
    _: Operator,
    Json(Upgrade { version }): Json<Upgrade>,
) -> Result<StatusCode, ApiError> {
    noted(api.node.signal_upgrade(version).await)
}

/// What became of something that the node was asked to note.
pub fn noted(result: Result<(), SubmitError>) -> Result<StatusCode, ApiError> {
    match result {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(error @ SubmitError::Stopped) => Err(ApiError::unavailable("stopping", error.to_string())),
        Err(error) => Err(ApiError::unavailable("busy", error.to_string())),
    }
}

pub async fn adopt(
    State(api): State<Arc<Api>>,
    _: Operator,
    Body(status): Body<SessionStatus>,
) -> Result<StatusCode, ApiError> {
    let SessionStatus::Complete(session) = status else {
        return Err(ApiError::unprocessable("not_signed", "the session is not complete"));
    };
    match api.node.adopt(session.to_bytes()).await {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(error @ AdoptError::Invalid(_)) => {
            Err(ApiError::unprocessable("invalid_session", error.to_string()))
        }
        Err(error @ AdoptError::NotNext { .. }) => {
            Err(ApiError::unprocessable("not_next", error.to_string()))
        }
        Err(error @ AdoptError::Busy) => Err(ApiError::unavailable("busy", error.to_string())),
        Err(error @ AdoptError::Stopped) => Err(ApiError::unavailable("stopping", error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_long_and_compared_whole() {
        let token = AdminToken::new(" 0123456789abcdefABCDEF\n").unwrap();
        assert!(token.is("0123456789abcdefABCDEF"));
        for other in ["", "0123456789abcdefABCDE", "0123456789abcdefABCDEf", "0123456789abcdefABCDEF "] {
            assert!(!token.is(other), "{other:?}");
        }
        for weak in ["", "0123456789", "0123456789 abcdef ABCDEF", "0123456789äabcdefABCDEF"] {
            assert!(matches!(AdminToken::new(weak), Err(AdminTokenError::Weak)), "{weak:?}");
        }
        assert!(matches!(AdminToken::read(Path::new("/nowhere")), Err(AdminTokenError::Io(_))));
    }
}
