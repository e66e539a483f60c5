//! Sessions that a wallet selects by number: those that concern it, by the recovery index.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use redb::ReadTransaction;
use rekindle_protocol::api::MAX_SELECTED_SESSIONS;
use serde::Deserialize;

use super::{
    Rest, in_background, limit,
    plan::{Kind, Planned},
    streamed,
};
use crate::{
    api::{Api, ApiError, answer::Encoding, extract::Parameters},
    db::{self, DbError},
};

/// Parameters of a selection.
#[derive(Debug, Deserialize)]
pub struct Wanted {
    /// The sessions' numbers.
    numbers: Numbers,
    /// Limit of the binary answer, at most [`rekindle_protocol::api::MAX_RANGE_BYTES`].
    max_bytes: Option<u64>,
}

/// Rising numbers, at least one and at most [`MAX_SELECTED_SESSIONS`].
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
struct Numbers(Vec<u64>);

impl TryFrom<String> for Numbers {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        // One more than there may be is enough to see that there are too many.
        let numbers = text.split(',').take(MAX_SELECTED_SESSIONS + 1).map(str::parse);
        let numbers: Vec<u64> = numbers.collect::<Result<_, _>>().map_err(|_| "numbers: a,b,c".to_owned())?;
        if numbers.len() > MAX_SELECTED_SESSIONS {
            return Err(format!("at most {MAX_SELECTED_SESSIONS} numbers"));
        }
        if !numbers.is_sorted_by(|one, next| one < next) {
            return Err("numbers must rise".to_owned());
        }
        Ok(Self(numbers))
    }
}

/// The selected sessions as far as there are signed ones: at least one if the first is signed, then never above the
/// limit. Which sessions a wallet selects is its own affair, so no cache may keep the answer.
pub async fn selected(
    State(api): State<Arc<Api>>,
    encoding: Encoding,
    Parameters(wanted): Parameters<Wanted>,
) -> Result<Response, ApiError> {
    let (db, limit) = (api.node.db().clone(), limit(wanted.max_bytes));
    let planned = in_background(move || plan(&db.read()?, &wanted.numbers.0, limit)).await?;
    let bytes = planned.iter().map(|record| record.bytes).sum();
    Ok(streamed(bytes, Rest::new(&api, Kind::Sessions, planned, None, encoding)))
}

fn plan(txn: &ReadTransaction, numbers: &[u64], limit: usize) -> Result<Vec<Planned>, DbError> {
    let (mut planned, mut total) = (Vec::new(), 0);
    for first in numbers.iter().copied() {
        let Some(stored) = db::signed_bytes(txn, first)? else { break };
        let bytes = Kind::Sessions.single(stored);
        total += bytes;
        if total > limit && !planned.is_empty() {
            break;
        }
        planned.push(Planned { first, sessions: 1, empty: false, bytes });
    }
    Ok(planned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<u64>, String> {
        Numbers::try_from(text.to_owned()).map(|numbers| numbers.0)
    }

    #[test]
    fn numbers_rise_and_are_not_too_many() {
        assert_eq!(read("0,7,18446744073709551615"), Ok(vec![0, 7, u64::MAX]));
        for wrong in ["", ",", "1,", "1,1", "2,1", "-1", "18446744073709551616", "a", "1 ,2"] {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
        let list = |count: usize| (0..count).map(|number| number.to_string()).collect::<Vec<_>>().join(",");
        assert_eq!(read(&list(256)).map(|numbers| numbers.len()), Ok(256));
        assert!(read(&list(257)).is_err_and(|error| error.contains("256")));
    }
}
