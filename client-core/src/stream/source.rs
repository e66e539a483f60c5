//! What a stream reads: history from one session on, or sessions that were selected by number.

use std::rc::Rc;

use rekindle_protocol::api::paths;

use super::{Form, schedule::Start};

/// Where a stream's sessions come from. The schedule numbers them by their places.
#[derive(Debug, Clone)]
pub(super) enum Source {
    /// History in one of its forms: a session's place is its number.
    History(Form),
    /// Sessions with these numbers, in rising order: a session's place is that of its number.
    Selection(Rc<[u64]>),
}

impl Source {
    /// The form of what it gives.
    pub fn form(&self) -> Form {
        match self {
            Source::History(form) => *form,
            Source::Selection(_) => Form::Sessions,
        }
    }

    /// The endpoint that serves it.
    pub fn path(&self) -> &'static str {
        match self {
            Source::History(Form::Sessions) => paths::SESSIONS,
            Source::History(Form::Index) => paths::RECOVERY,
            Source::Selection(_) => paths::SELECTED_SESSIONS,
        }
    }

    /// The endpoint's parameters for what is to be fetched.
    pub fn query(&self, Start { from, to, max_bytes, .. }: &Start) -> String {
        match self {
            Source::History(_) => format!("from={from}&to={to}&max_bytes={max_bytes}"),
            Source::Selection(numbers) => {
                let mut query = format!("max_bytes={max_bytes}&numbers=");
                for (place, number) in (0..*to).zip(&**numbers).skip(*from as usize) {
                    let comma = if place == *from { "" } else { "," };
                    query.push_str(&format!("{comma}{number}"));
                }
                query
            }
        }
    }

    /// The place of the session with this number; beyond all places if it has none.
    pub fn place(&self, number: u64) -> u64 {
        match self {
            Source::History(_) => number,
            Source::Selection(numbers) => {
                numbers.binary_search(&number).map_or(u64::MAX, |place| place as u64)
            }
        }
    }
}
