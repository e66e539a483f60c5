//! One session.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::State,
    http::{HeaderMap, Uri, header},
    response::{IntoResponse, Response},
};
use rekindle_protocol::{
    api::MAX_WAIT_SECONDS,
    bytes::FederationId,
    encoding::Canonical,
    session::{SessionHeader, SessionStatus, SignedSession},
};

use super::{
    Api, ApiError,
    answer::{Encoding, immutable, not_modified},
    extract::{Asking, Parameters, Segment},
};
use crate::{db::DbError, node::SessionState};

/// Bytes of an encoded header, the first of an encoded signed session.
pub const HEADER_BYTES: usize = 120;

/// Kind of [`SessionStatus::Complete`] in its encoding; what follows is the signed session.
const COMPLETE: u8 = 2;

pub async fn session(
    State(api): State<Arc<Api>>,
    encoding: Encoding,
    uri: Uri,
    headers: HeaderMap,
    Segment(index): Segment<u64>,
    Parameters(asking): Parameters<Asking>,
) -> Result<Response, ApiError> {
    let state = if asking.wait == 0 {
        api.node.session(index)?
    } else {
        let _place = api.long_poll()?;
        let patience = Duration::from_secs(asking.wait.min(MAX_WAIT_SECONDS));
        api.node.wait_session(index, patience).await?
    };
    let bytes = match state {
        SessionState::Initial => {
            return api.answer(encoding, uri.path(), asking.challenge, &SessionStatus::Initial);
        }
        SessionState::Pending(items) => {
            return api.answer(encoding, uri.path(), asking.challenge, &SessionStatus::Pending(items));
        }
        SessionState::Complete(bytes) => bytes,
    };
    if asking.challenge.is_some() {
        return api.answer(encoding, uri.path(), asking.challenge, &complete(&bytes)?);
    }
    let tag = encoding.tag(&name(&api.node.federation(), &bytes)?);
    if let Some(response) = not_modified(&headers, &tag) {
        return Ok(response);
    }
    let body = match encoding {
        // The stored bytes as they are, behind the kind.
        Encoding::Binary => [&[COMPLETE], bytes.as_slice()].concat(),
        Encoding::Json => encoding.encode(&complete(&bytes)?)?,
    };
    let response = ([(header::CONTENT_TYPE, encoding.media_type())], body).into_response();
    Ok(immutable(response, &tag))
}

fn complete(bytes: &[u8]) -> Result<SessionStatus, ApiError> {
    SignedSession::from_bytes(bytes)
        .map(SessionStatus::Complete)
        .map_err(|_| DbError::Damaged("signed session").into())
}

/// A name for a stored session's content, the same on every guardian.
fn name(federation: &FederationId, bytes: &[u8]) -> Result<String, DbError> {
    let header = bytes.get(..HEADER_BYTES).and_then(|header| SessionHeader::from_bytes(header).ok());
    Ok(short_hash(federation, &header.ok_or(DbError::Damaged("signed session"))?))
}

/// The first half of a header's hash in hex.
pub fn short_hash(federation: &FederationId, header: &SessionHeader) -> String {
    hex::encode(&header.hash(federation).0[..16])
}

#[cfg(test)]
mod tests {
    use super::*;
    use rekindle_protocol::{bytes::G2Bytes, session::HashedItems};

    #[test]
    fn stored_bytes_behind_their_kind_are_the_status() {
        let federation = FederationId([1; 32]);
        let header = HashedItems::new(vec![]).header(&federation, None, 1, 2);
        let session = SignedSession { header, signature: G2Bytes([3; 96]), items: vec![] };
        let stored = session.to_bytes();
        assert_eq!(header.to_bytes(), stored[..HEADER_BYTES]);
        let status = SessionStatus::Complete(session);
        assert_eq!([&[COMPLETE], stored.as_slice()].concat(), status.to_bytes());
        assert_eq!(complete(&stored).unwrap(), status);
        assert!(complete(b"x").is_err() && name(&federation, b"x").is_err());
    }
}
