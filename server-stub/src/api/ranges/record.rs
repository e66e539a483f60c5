//! Making a range's records from what is stored.

use redb::ReadTransaction;
use rekindle_protocol::{
    bytes::G2Bytes,
    encoding::Canonical,
    ranges::{EmptyRun, RecoveryRecord},
    session::{HashedItems, SessionHeader},
};

use super::plan::{Kind, Planned};
use crate::{
    api::sessions::HEADER_BYTES,
    db::{self, DbError, StoredSession},
};

/// Kind of `SessionRecord::Session` in its encoding; what follows is the signed session.
const SINGLE: u8 = 0;
/// Kind of `SessionRecord::EmptyRun`.
const RUN: u8 = 1;

/// The encoded records of parts of a plan, in order.
pub fn make(txn: &ReadTransaction, kind: Kind, planned: &[Planned]) -> Result<Vec<Vec<u8>>, DbError> {
    let mut records = Vec::with_capacity(planned.len());
    for adjacent in planned.chunk_by(|one, next| one.first + one.sessions == next.first) {
        make_adjacent(txn, kind, adjacent, &mut records)?;
    }
    Ok(records)
}

/// Appends the records of parts that follow one another without gaps.
fn make_adjacent(
    txn: &ReadTransaction,
    kind: Kind,
    planned: &[Planned],
    records: &mut Vec<Vec<u8>>,
) -> Result<(), DbError> {
    let Some(first) = planned.first() else { return Ok(()) };
    let mut left = planned.iter();
    let mut current = left.next();
    let expected = records.len() + planned.len();
    let mut run = Vec::new();
    let mut failure = None;
    let mut take = |index: u64, stored: &[u8]| {
        let Some(record) = current else { return false };
        let complete = index + 1 == record.first + record.sessions;
        match part(kind, record, stored, complete, &mut run) {
            Ok(bytes) => records.extend(bytes),
            Err(error) => {
                failure = Some(error);
                return false;
            }
        }
        if complete {
            current = left.next();
        }
        current.is_some()
    };
    match kind {
        Kind::Sessions => db::sessions_from(txn, first.first, &mut take)?,
        Kind::Recovery => db::recovery_from(txn, first.first, &mut take)?,
    }
    match failure {
        Some(error) => Err(error),
        None if records.len() < expected => Err(DbError::Damaged("a signed session is missing")),
        None => Ok(()),
    }
}

/// Takes in one stored session of `record`; gives the record when it is complete.
fn part(
    kind: Kind,
    record: &Planned,
    stored: &[u8],
    complete: bool,
    run: &mut Vec<(SessionHeader, G2Bytes)>,
) -> Result<Option<Vec<u8>>, DbError> {
    match kind {
        Kind::Sessions if !record.empty => Ok(Some([&[SINGLE], stored].concat())),
        Kind::Sessions => {
            run.push(signed_header(stored)?);
            if !complete {
                return Ok(None);
            }
            let collapsed = EmptyRun::collapse(run).ok_or(DbError::Damaged("an empty run"))?;
            run.clear();
            Ok(Some([&[RUN], collapsed.to_bytes().as_slice()].concat()))
        }
        Kind::Recovery if !record.empty => {
            let (header, entries) = db::recovery_entries(stored)?;
            let record = RecoveryRecord::Session { items: header.items, entries: entries.to_vec() };
            Ok(Some(record.to_bytes()))
        }
        Kind::Recovery if complete => {
            let sessions = u32::try_from(record.sessions).map_err(|_| DbError::Damaged("an empty run"))?;
            Ok(Some(RecoveryRecord::Empty(sessions).to_bytes()))
        }
        Kind::Recovery => Ok(None),
    }
}

/// Header and signature of an encoded signed session.
fn signed_header(stored: &[u8]) -> Result<(SessionHeader, G2Bytes), DbError> {
    stored
        .get(..HEADER_BYTES + G2Bytes::LEN)
        .and_then(|bytes| <(SessionHeader, G2Bytes)>::from_bytes(bytes).ok())
        .ok_or(DbError::Damaged("signed session"))
}

/// Header and signature of session `index`.
pub fn signed_header_of(txn: &ReadTransaction, index: u64) -> Result<(SessionHeader, G2Bytes), DbError> {
    match db::read_session(txn, index)? {
        Some(StoredSession::Signed(stored)) => signed_header(&stored),
        _ => Err(DbError::Damaged("a signed session is missing")),
    }
}

/// Whether an encoded signed session has no items: it ends with their number.
pub fn is_empty_session(stored: &[u8]) -> bool {
    stored.len() == HEADER_BYTES + G2Bytes::LEN + 4
}

/// Whether a stored recovery record is of a session without items. One that only decides upon an upgrade has no
/// entries either, but its items root can't be told from its number alone.
pub fn is_empty_recovery(stored: &[u8]) -> bool {
    stored.len() == HEADER_BYTES
        && SessionHeader::from_bytes(stored)
            .is_ok_and(|header| header.items == HashedItems::new(Vec::new()).root())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rekindle_protocol::{bytes::FederationId, session::Item};

    #[test]
    fn a_session_that_only_decides_upon_an_upgrade_is_not_empty() {
        let stored = |items| {
            let header = HashedItems::new(items).header(&FederationId([1; 32]), None, 1, 2);
            header.to_bytes()
        };
        assert!(is_empty_recovery(&stored(vec![])));
        assert!(!is_empty_recovery(&stored(vec![Item::Upgrade { version: 2 }])));
        assert!(!is_empty_recovery(&[stored(vec![]).as_slice(), b"entries"].concat()));
    }
}
