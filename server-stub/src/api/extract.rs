//! Reading requests: every malformed one becomes a problem document.

use std::time::Duration;

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Path, Query, Request, rejection::BytesRejection},
    http::{StatusCode, header, request::Parts},
    response::IntoResponse,
};
use rekindle_protocol::{bytes::Challenge, encoding::Canonical};
use serde::{Deserialize, de::DeserializeOwned};
use tokio::time::timeout;

use super::problem::ApiError;

/// How long a client may take to send a body.
const BODY_TIME: Duration = Duration::from_secs(20);

/// A body: canonical bytes, or JSON if its content type says so.
pub struct Body<T>(pub T);

impl<T: Canonical + DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let is_json = request.headers().get(header::CONTENT_TYPE).is_some_and(|value| {
            value.to_str().is_ok_and(|value| value.to_ascii_lowercase().starts_with("application/json"))
        });
        let bytes = read(request, state).await?;
        if is_json { json(&bytes).map(Self) } else { Ok(Self(T::from_bytes(&bytes)?)) }
    }
}

/// A JSON body, whatever its content type.
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        json(&read(request, state).await?).map(Self)
    }
}

async fn read<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, ApiError> {
    let read = timeout(BODY_TIME, Bytes::from_request(request, state)).await;
    let read = read.map_err(|_| ApiError::too_slow())?;
    read.map_err(|rejection: BytesRejection| match rejection.into_response().status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "the body is too large")
        }
        _ => ApiError::bad_request("the body was cut off"),
    })
}

fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(bytes).map_err(|error| {
        if error.is_data() {
            ApiError::unprocessable("unprocessable", error.to_string())
        } else {
            ApiError::bad_request(format!("the body is not JSON: {error}"))
        }
    })
}

/// The one variable part of a path.
pub struct Segment<T>(pub T);

impl<T: core::str::FromStr, S: Send + Sync> FromRequestParts<S> for Segment<T>
where
    T::Err: core::fmt::Display,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|rejection| ApiError::bad_request(rejection.body_text()))?;
        let value = text.parse().map_err(|error| ApiError::bad_request(format!("in the path: {error}")))?;
        Ok(Self(value))
    }
}

/// Parameters of the query.
pub struct Parameters<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Parameters<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Query(value) = Query::<T>::from_request_parts(parts, state)
            .await
            .map_err(|rejection| ApiError::bad_request(rejection.body_text()))?;
        Ok(Self(value))
    }
}

/// Parameters of what can be waited for and attested.
#[derive(Debug, Default, Deserialize)]
pub struct Asking {
    /// How long to wait, in seconds.
    #[serde(default)]
    pub wait: u64,
    /// Asks for an attested answer.
    pub challenge: Option<ChallengeText>,
}

/// A challenge in hex.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct ChallengeText(pub Challenge);

impl TryFrom<String> for ChallengeText {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map(Self).map_err(|_| format!("a challenge has {} hex digits", 2 * Challenge::LEN))
    }
}
