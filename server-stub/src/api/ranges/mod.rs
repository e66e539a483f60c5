//! Ranges of history as streams of records.
//!
//! A first pass over the database plans the range by sizes alone, which decides whether it is full and what caches
//! may do with it. A second pass makes the records chunk by chunk, as fast as the client reads. Sessions that are
//! selected by number go out in the same way.

mod plan;
mod record;
mod selection;

use std::sync::Arc;

use axum::{
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use futures::stream;
use redb::ReadTransaction;
use rekindle_protocol::{
    api::MAX_RANGE_BYTES,
    bytes::G2Bytes,
    encoding::Canonical,
    ranges::{RecoveryRecord, SessionRecord, write_record_pieces},
    session::SessionHeader,
};
use serde::{Deserialize, Serialize};

use super::{
    Api, ApiError,
    answer::{Encoding, NO_STORE, immutable, not_modified},
    extract::Parameters,
    sessions::short_hash,
};
use crate::db::{self, Db, DbError};
use plan::{Kind, Plan, Planned};

pub use selection::selected;

/// What a range is limited to if the client names no limit, in bytes.
const DEFAULT_RANGE_BYTES: usize = 1 << 20;

/// About how many bytes are read from the database at once.
pub(super) const CHUNK_BYTES: usize = 128 << 10;

/// Parameters of a range.
#[derive(Debug, Deserialize)]
pub struct Wanted {
    /// The first session.
    #[serde(default)]
    from: u64,
    /// The first session that is not wanted.
    to: Option<u64>,
    /// Limit of the binary answer, at most [`MAX_RANGE_BYTES`].
    max_bytes: Option<u64>,
}

pub async fn sessions(
    api: State<Arc<Api>>,
    encoding: Encoding,
    headers: HeaderMap,
    wanted: Parameters<Wanted>,
) -> Result<Response, ApiError> {
    range(Kind::Sessions, api, encoding, headers, wanted).await
}

pub async fn recovery(
    api: State<Arc<Api>>,
    encoding: Encoding,
    headers: HeaderMap,
    wanted: Parameters<Wanted>,
) -> Result<Response, ApiError> {
    range(Kind::Recovery, api, encoding, headers, wanted).await
}

async fn range(
    kind: Kind,
    State(api): State<Arc<Api>>,
    encoding: Encoding,
    headers: HeaderMap,
    Parameters(wanted): Parameters<Wanted>,
) -> Result<Response, ApiError> {
    let limit = limit(wanted.max_bytes);
    let db = api.node.db().clone();
    let (plan, last) = in_background(move || {
        let txn = db.read()?;
        let plan = plan_range(&txn, kind, wanted.from, wanted.to.unwrap_or(u64::MAX), limit)?;
        let last = plan
            .next()
            .checked_sub(1)
            .filter(|_| !plan.records.is_empty())
            .map(|last| record::signed_header_of(&txn, last));
        Ok((plan, last.transpose()?))
    })
    .await?;
    let tag = last.filter(|_| plan.is_full()).map(|(header, _)| {
        encoding.tag(&format!("{}-{}", wanted.from, short_hash(&api.node.federation(), &header)))
    });
    if let Some(response) = tag.as_deref().and_then(|tag| not_modified(&headers, tag)) {
        return Ok(response);
    }
    let response = streamed(plan.bytes, Rest::new(&api, kind, plan.records, last, encoding));
    Ok(match tag {
        Some(tag) => immutable(response, &tag),
        None => response,
    })
}

/// The limit of an answer for a client that asks for so many bytes.
fn limit(max_bytes: Option<u64>) -> usize {
    max_bytes
        .map_or(DEFAULT_RANGE_BYTES, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
        .min(MAX_RANGE_BYTES)
}

fn plan_range(txn: &ReadTransaction, kind: Kind, from: u64, to: u64, limit: usize) -> Result<Plan, DbError> {
    let mut plan = Plan::new(kind, from, to, limit);
    match kind {
        Kind::Sessions => db::sessions_from(txn, from, |_, stored| {
            plan.offer(stored.len(), record::is_empty_session(stored))
        })?,
        Kind::Recovery => db::recovery_from(txn, from, |_, stored| {
            plan.offer(stored.len(), record::is_empty_recovery(stored))
        })?,
    }
    Ok(plan)
}

async fn in_background<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, DbError> + Send + 'static,
) -> Result<T, ApiError> {
    let result = tokio::task::spawn_blocking(work).await;
    Ok(result.map_err(|error| ApiError::internal(&error))??)
}

/// What is left of an answer to send.
struct Rest {
    db: Arc<Db>,
    kind: Kind,
    encoding: Encoding,
    planned: std::vec::IntoIter<Planned>,
    /// Closes a range of recovery entries.
    last: Option<(SessionHeader, G2Bytes)>,
    begun: bool,
    ended: bool,
}

/// A streamed answer that no cache may keep; binary it takes so many bytes.
fn streamed(bytes: usize, rest: Rest) -> Response {
    let encoding = rest.encoding;
    let body = Body::from_stream(stream::try_unfold(rest, |rest| async {
        if rest.ended {
            return Ok(None);
        }
        let chunk = tokio::task::spawn_blocking(move || rest.next_chunk()).await;
        // The status line is gone: cutting the answer off is all that is left.
        chunk.map_err(std::io::Error::other)?.map(Some).map_err(std::io::Error::other)
    }));
    let content = [(header::CONTENT_TYPE, encoding.media_type()), (header::CACHE_CONTROL, NO_STORE)];
    let mut response = (content, body).into_response();
    if encoding == Encoding::Binary {
        response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(bytes));
    }
    response
}

impl Rest {
    fn new(
        api: &Api,
        kind: Kind,
        planned: Vec<Planned>,
        last: Option<(SessionHeader, G2Bytes)>,
        encoding: Encoding,
    ) -> Self {
        let (db, planned) = (api.node.db().clone(), planned.into_iter());
        Self { db, kind, encoding, planned, last, begun: false, ended: false }
    }

    fn next_chunk(mut self) -> Result<(Bytes, Self), DbError> {
        let mut bytes = 0;
        let mut part = Vec::new();
        while bytes < CHUNK_BYTES
            && let Some(planned) = self.planned.next()
        {
            bytes += planned.bytes;
            part.push(planned);
        }
        let (kind, encoding) = (self.kind, self.encoding);
        let mut chunk = Chunk { kind, encoding, begun: self.begun, bytes: Vec::with_capacity(bytes) };
        record::make(&self.db.read()?, kind, &part, &mut |record| chunk.push(record))?;
        self.ended = self.planned.as_slice().is_empty();
        if self.ended {
            if let Some((header, signature)) = self.last.filter(|_| kind == Kind::Recovery) {
                chunk.push(&[&RecoveryRecord::Signed { header, signature }.to_bytes()])?;
            }
            chunk.end();
        }
        self.begun = chunk.begun;
        Ok((chunk.bytes.into(), self))
    }
}

/// A part of an answer's body.
struct Chunk {
    kind: Kind,
    encoding: Encoding,
    /// Whether the body has begun.
    begun: bool,
    bytes: Vec<u8>,
}

impl Chunk {
    /// Appends an encoded record, given in pieces.
    fn push(&mut self, record: &[&[u8]]) -> Result<(), DbError> {
        if self.encoding == Encoding::Binary {
            write_record_pieces(record, &mut self.bytes);
            return Ok(());
        }
        self.bytes.push(if self.begun { b',' } else { b'[' });
        self.begun = true;
        match self.kind {
            Kind::Sessions => json_element::<SessionRecord>(&record.concat(), &mut self.bytes),
            Kind::Recovery => json_element::<RecoveryRecord>(&record.concat(), &mut self.bytes),
        }
    }

    /// Ends the body.
    fn end(&mut self) {
        if self.encoding == Encoding::Json {
            self.bytes.extend_from_slice(if self.begun { b"]" } else { b"[]" });
        }
    }
}

fn json_element<T: Canonical + Serialize>(record: &[u8], chunk: &mut Vec<u8>) -> Result<(), DbError> {
    let value = T::from_bytes(record).map_err(|_| DbError::Damaged("signed session"))?;
    serde_json::to_writer(chunk, &value).map_err(|_| DbError::Damaged("signed session"))
}
