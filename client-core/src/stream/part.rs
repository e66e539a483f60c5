//! What a stream delivers: history session by session, in one of the two forms in which guardians serve it.

use rekindle_protocol::{
    bytes::{FederationId, G2Bytes, Hash},
    chain::{ChainError, ChainPosition},
    encoding::{Canonical, DecodeError},
    ranges::{RecoveryRecord, SessionRecord},
    session::{HashedItems, HashedSession, SessionHeader},
};

/// A form in which guardians serve history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Whole sessions.
    Sessions,
    /// The recovery index: of each transaction what its owner needs to notice it.
    Index,
}

/// One session of history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// All of it, decoded and hashed.
    Session(Box<HashedSession>),
    /// Its recovery entries.
    Entries(SessionEntries),
}

/// The recovery entries of one session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionEntries {
    /// The session's number.
    pub index: u64,
    /// The session's items root.
    pub items: Hash,
    /// The entries, see [`rekindle_protocol::recovery_index::Entries`].
    pub entries: Vec<u8>,
    /// The session's header with its signature, where a guardian's answer ended.
    pub closing: Option<Box<(SessionHeader, G2Bytes)>>,
}

impl Part {
    /// The session's number.
    pub fn index(&self) -> u64 {
        match self {
            Part::Session(session) => session.header.index,
            Part::Entries(entries) => entries.index,
        }
    }

    /// The session's header and signature, neither of them verified, where both came along.
    pub fn signed(&self) -> Option<(SessionHeader, G2Bytes)> {
        match self {
            Part::Session(session) => Some((session.header, session.signature?)),
            Part::Entries(entries) => entries.closing.as_deref().copied(),
        }
    }

    /// Checks by hashes alone that it continues history from `position`, and moves past it.
    ///
    /// Entries without a header lead to a position that only the next header confirms.
    ///
    /// # Errors
    /// [`ChainError`]; the position is of no use then.
    pub fn extend(&self, position: &mut ChainPosition, federation: &FederationId) -> Result<(), ChainError> {
        match self {
            Part::Session(session) => position.extend(federation, session),
            Part::Entries(part) => {
                if part.index != position.next {
                    return Err(ChainError::WrongIndex { expected: position.next, got: part.index });
                }
                position.pass(&part.items, &part.entries);
                part.closing.as_ref().map_or(Ok(()), |closing| position.confirm(federation, &closing.0))
            }
        }
    }
}

/// Makes parts of an answer's records.
pub(super) struct Decoder {
    form: Form,
    federation: FederationId,
    /// The number of the next session in the answer, where records don't say it.
    next: u64,
    /// The first session that is not wanted.
    to: u64,
    /// The newest session's entries, until it is known whether a header follows them.
    held: Option<SessionEntries>,
}

impl Decoder {
    /// For an answer that begins with session `from`, of which those before session `to` are wanted.
    pub fn new(form: Form, federation: FederationId, from: u64, to: u64) -> Self {
        Self { form, federation, next: from, to, held: None }
    }

    /// Decodes a record and appends what it completes.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn read(&mut self, record: &[u8], parts: &mut Vec<Part>) -> Result<(), DecodeError> {
        if self.form == Form::Sessions {
            SessionRecord::read(record, &self.federation, &mut |session| {
                parts.push(Part::Session(Box::new(session)));
            })?;
            return Ok(());
        }
        match RecoveryRecord::from_bytes(record)? {
            RecoveryRecord::Session { items, entries } => self.hold(items, entries, parts),
            RecoveryRecord::Empty(count) => {
                let items = HashedItems::new(Vec::new()).root();
                // A run may say that it is four billion sessions long.
                for _ in 0..u64::from(count).min((self.to + 1).saturating_sub(self.next)) {
                    self.hold(items, Vec::new(), parts);
                }
            }
            RecoveryRecord::Signed { header, signature } => {
                if let Some(mut last) = self.held.take() {
                    last.closing = Some(Box::new((header, signature)));
                    parts.push(Part::Entries(last));
                }
            }
        }
        Ok(())
    }

    fn hold(&mut self, items: Hash, entries: Vec<u8>, parts: &mut Vec<Part>) {
        let next = SessionEntries { index: self.next, items, entries, closing: None };
        self.next += 1;
        parts.extend(self.held.replace(next).map(Part::Entries));
    }

    /// Whether the answer may end here: entries without the header that vouches for them are cut short.
    pub fn is_complete(&self) -> bool {
        self.held.is_none()
    }
}
