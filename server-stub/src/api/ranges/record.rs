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
/// Kind of `RecoveryRecord::Session`; what follows is the items root and the entries.
const ENTRIES: u8 = 0;

/// Takes in an encoded record: pieces that follow one another.
pub type Take<'a> = dyn FnMut(&[&[u8]]) -> Result<(), DbError> + 'a;

/// Gives the records of parts of a plan, in order.
pub fn make(
    txn: &ReadTransaction,
    kind: Kind,
    planned: &[Planned],
    take: &mut Take<'_>,
) -> Result<(), DbError> {
    planned
        .chunk_by(|one, next| one.first + one.sessions == next.first)
        .try_for_each(|adjacent| make_adjacent(txn, kind, adjacent, take))
}

/// Gives the records of parts that follow one another without gaps.
fn make_adjacent(
    txn: &ReadTransaction,
    kind: Kind,
    planned: &[Planned],
    take: &mut Take<'_>,
) -> Result<(), DbError> {
    let Some(first) = planned.first() else { return Ok(()) };
    let mut left = planned.iter();
    let mut current = left.next();
    let mut run = Vec::new();
    let mut outcome = Ok(());
    let mut read = |index: u64, stored: &[u8]| {
        let Some(record) = current else { return false };
        let complete = index + 1 == record.first + record.sessions;
        outcome = part(kind, record, stored, complete, &mut run, take);
        if complete {
            current = left.next();
        }
        outcome.is_ok() && current.is_some()
    };
    match kind {
        Kind::Sessions => db::sessions_from(txn, first.first, &mut read)?,
        Kind::Recovery => db::recovery_from(txn, first.first, &mut read)?,
    }
    outcome?;
    match current {
        Some(_) => Err(DbError::Damaged("a signed session is missing")),
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
    take: &mut Take<'_>,
) -> Result<(), DbError> {
    match kind {
        Kind::Sessions if !record.empty => take(&[&[SINGLE], stored]),
        Kind::Sessions => {
            run.push(signed_header(stored)?);
            if !complete {
                return Ok(());
            }
            let collapsed = EmptyRun::collapse(run).ok_or(DbError::Damaged("an empty run"))?;
            run.clear();
            take(&[&[RUN], &collapsed.to_bytes()])
        }
        Kind::Recovery if !record.empty => {
            let (header, entries) = db::recovery_entries(stored)?;
            take(&[&[ENTRIES], &header.items.0, entries])
        }
        Kind::Recovery if complete => {
            let sessions = u32::try_from(record.sessions).map_err(|_| DbError::Damaged("an empty run"))?;
            take(&[&RecoveryRecord::Empty(sessions).to_bytes()])
        }
        Kind::Recovery => Ok(()),
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
