//! One range of one guardian, as it arrives.

use std::rc::Rc;

use futures::{
    StreamExt,
    stream::{self, LocalBoxStream},
};
use rekindle_protocol::{bytes::FederationId, ranges::RecordCutter, session::MAX_SESSION_BYTES};

use super::{
    Part,
    part::Decoder,
    schedule::{RequestId, Start},
    source::Source,
};
use crate::{
    federation::{GuardianFault, GuardianResult, expect_success},
    platform::{BodyStream, Request, Transport},
};

/// Largest record: a session and its kind, or a run of empty sessions.
const MAX_RECORD_BYTES: usize = MAX_SESSION_BYTES + 1;

/// How much of an answer that nobody needs any more is read to its end, in bytes: less than this costs
/// less than a new connection.
const DRAIN_BYTES: usize = 128 << 10;

/// What happened to a request.
pub(super) struct Event {
    pub id: RequestId,
    pub kind: EventKind,
}

pub(super) enum EventKind {
    /// The answer began.
    Answered,
    /// Bytes arrived, and with them these parts, each with its share of the bytes.
    Arrived { bytes: usize, parts: Vec<(Part, usize)> },
    /// The answer ended in order.
    Ended,
    /// The guardian is at fault, and nothing follows.
    Failed(Box<GuardianFault>),
}

enum State {
    Asking(Rc<dyn Transport>, Request),
    Reading(Reader),
    Over,
}

struct Reader {
    body: BodyStream,
    cutter: RecordCutter,
    decoder: Decoder,
    /// How many sessions are still wanted.
    wanted: u64,
    /// How many more bytes are read: what a right answer may hold, and little of what is not wanted.
    allowance: usize,
}

/// Sends a request for what `source` gives at `url` and gives what happens to it. Dropping it aborts the request.
pub(super) fn fetch(
    transport: Rc<dyn Transport>,
    source: &Source,
    federation: FederationId,
    url: &str,
    start: &Start,
) -> LocalBoxStream<'static, Event> {
    let id = start.id;
    let (form, from, to, max_bytes) = (source.form(), start.from, start.to, start.max_bytes);
    let url = format!("{url}?{}", source.query(start));
    let request = Request { bypass_cache: start.bypass_cache, ..Request::get(url) };
    let wanted = to - from;
    // An answer has at least one session, whatever its size; every record has 4 bytes of length.
    let allowance = max_bytes.max(MAX_RECORD_BYTES + 4);
    let reader = move |body| Reader {
        body,
        cutter: RecordCutter::new(MAX_RECORD_BYTES),
        decoder: Decoder::new(form, federation, from, to),
        wanted,
        allowance,
    };
    stream::unfold(State::Asking(transport, request), move |state| async move {
        let (kind, state) = match state {
            State::Asking(transport, request) => match ask(&*transport, request).await {
                Ok(body) => (EventKind::Answered, State::Reading(reader(body))),
                Err(fault) => (EventKind::Failed(fault), State::Over),
            },
            State::Reading(reader) => reader.read().await,
            State::Over => return None,
        };
        Some((Event { id, kind }, state))
    })
    .boxed_local()
}

async fn ask(transport: &dyn Transport, request: Request) -> GuardianResult<BodyStream> {
    Ok(expect_success(transport.request(request).await?).await?.body)
}

impl Reader {
    async fn read(mut self) -> (EventKind, State) {
        match self.next_parts().await {
            Ok(Some((bytes, parts))) => (EventKind::Arrived { bytes, parts }, State::Reading(self)),
            Ok(None) => (EventKind::Ended, State::Over),
            Err(fault) => (EventKind::Failed(fault), State::Over),
        }
    }

    async fn next_parts(&mut self) -> GuardianResult<Option<(usize, Vec<(Part, usize)>)>> {
        if self.wanted == 0 {
            self.drain().await;
            return Ok(None);
        }
        let Some(chunk) = self.body.next().await.transpose()? else {
            let is_whole = self.cutter.is_empty() && self.decoder.is_complete();
            return if is_whole { Ok(None) } else { Err(GuardianFault::Truncated.into()) };
        };
        self.allowance =
            self.allowance.checked_sub(chunk.len()).ok_or(GuardianFault::TooBig(MAX_RECORD_BYTES))?;
        self.cutter.push(&chunk);
        let mut parts = Vec::new();
        let mut decoded = Vec::new();
        while self.wanted > 0
            && let Some(record) = self.cutter.next_record()?
        {
            let bytes = record.len();
            self.decoder.read(record, &mut decoded)?;
            let share = bytes / decoded.len().max(1);
            decoded.truncate(usize::try_from(self.wanted).unwrap_or(usize::MAX));
            self.wanted -= decoded.len() as u64;
            parts.extend(decoded.drain(..).map(|part| (part, share)));
        }
        Ok(Some((chunk.len(), parts)))
    }

    /// Reads what little may be left of the answer, so that its connection can be used again.
    async fn drain(&mut self) {
        let mut left = DRAIN_BYTES;
        while let Some(Ok(chunk)) = self.body.next().await {
            match left.checked_sub(chunk.len()) {
                Some(rest) => left = rest,
                None => return,
            }
        }
    }
}
