//! One answer in the encoding that was asked for, with what caches may do with it.

use std::convert::Infallible;

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use rekindle_protocol::encoding::Canonical;
use serde::Serialize;

use super::problem::ApiError;

/// For everything that can change.
pub const NO_STORE: &str = "no-store";
/// For what never changes: a year, the longest that caches honour.
pub const IMMUTABLE: &str = "public, max-age=31536000, immutable";

/// In which form an answer goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Canonical bytes.
    Binary,
    /// The same content as JSON.
    Json,
}

impl Encoding {
    /// JSON for whoever names it, canonical bytes for everybody else.
    pub fn wanted(headers: &HeaderMap) -> Self {
        let names_json = headers.get_all(header::ACCEPT).iter().any(|value| {
            value.to_str().is_ok_and(|value| value.to_ascii_lowercase().contains("application/json"))
        });
        if names_json { Self::Json } else { Self::Binary }
    }

    /// The media type.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Binary => "application/octet-stream",
            Self::Json => "application/json",
        }
    }

    /// A value's bytes in this encoding.
    ///
    /// # Errors
    /// 500, which types of the protocol never cause.
    pub fn encode<T: Canonical + Serialize>(self, value: &T) -> Result<Vec<u8>, ApiError> {
        match self {
            Self::Binary => Ok(value.to_bytes()),
            Self::Json => serde_json::to_vec(value).map_err(|error| ApiError::internal(&error)),
        }
    }

    /// An answer that no cache may keep.
    ///
    /// # Errors
    /// As [`Encoding::encode`].
    pub fn answer<T: Canonical + Serialize>(self, value: &T) -> Result<Response, ApiError> {
        let body = self.encode(value)?;
        let headers = [(header::CONTENT_TYPE, self.media_type()), (header::CACHE_CONTROL, NO_STORE)];
        Ok((headers, body).into_response())
    }

    /// An entity tag for unchanging content that `name` names in any encoding.
    pub fn tag(self, name: &str) -> String {
        let suffix = match self {
            Self::Binary => 'b',
            Self::Json => 'j',
        };
        format!("\"{name}-{suffix}\"")
    }
}

impl<S: Sync> FromRequestParts<S> for Encoding {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::wanted(&parts.headers))
    }
}

/// Marks a response as never changing.
pub fn immutable(mut response: Response, tag: &str) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(IMMUTABLE));
    if let Ok(tag) = HeaderValue::from_str(tag) {
        headers.insert(header::ETAG, tag);
    }
    response
}

/// 304, if the client has what `tag` names.
pub fn not_modified(headers: &HeaderMap, tag: &str) -> Option<Response> {
    let names = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    names
        .flat_map(|value| value.split(','))
        .any(|known| matches!(known.trim(), "*") || known.trim().trim_start_matches("W/") == tag)
        .then(|| immutable(StatusCode::NOT_MODIFIED.into_response(), tag))
}
