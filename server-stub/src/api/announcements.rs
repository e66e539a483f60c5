//! Where guardians are reached, for whoever asks and from whoever knows.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode, response::Response};
use rekindle_protocol::config::UrlAnnouncement;

use super::{Api, ApiError, answer::Encoding, extract::Body};
use crate::announcements::Unacceptable;

impl From<Unacceptable> for ApiError {
    fn from(error: Unacceptable) -> Self {
        let code = match error {
            Unacceptable::NotAUrl => "invalid_url",
            Unacceptable::NotSigned => "invalid_signature",
        };
        Self::unprocessable(code, error.to_string())
    }
}

pub async fn list(State(api): State<Arc<Api>>, encoding: Encoding) -> Result<Response, ApiError> {
    encoding.answer(&api.announcements.all())
}

pub async fn announce(
    State(api): State<Arc<Api>>,
    Body(announcement): Body<UrlAnnouncement>,
) -> Result<StatusCode, ApiError> {
    api.announcements.take(announcement)?;
    Ok(StatusCode::NO_CONTENT)
}
