//! What IndexedDB's errors mean.
//!
//! The error types on the way say little more than "idb error"; the name of the DOMException, the
//! only stable part, stands in the text of the error's source: `what failed: Name: message`.

use rekindle_client::platform::StoreError;

/// Translates an error of the database.
#[cfg(target_arch = "wasm32")]
pub(super) fn translate(error: &rexie::Error) -> StoreError {
    // Not as a `dyn Error`, which would bring along how to print every field of every error.
    let text = match error {
        rexie::Error::IdbError(source) => source.to_string(),
        error => error.to_string(),
    };
    from_text(&text)
}

/// What the browser does not explain: a transaction that it gave up though no request failed.
pub(super) fn aborted() -> StoreError {
    StoreError::Backend {
        name: "AbortError".to_owned(),
        message: "the browser gave up the transaction".to_owned(),
    }
}

/// Whether a new connection may help. Browsers drop connections of background tabs, and another
/// tab's upgrade closes them.
pub(super) fn is_lost_connection(error: &StoreError) -> bool {
    match error {
        StoreError::ConnectionLost(_) => true,
        StoreError::Backend { name, .. } => matches!(name.as_str(), "AbortError" | "UnknownError"),
        _ => false,
    }
}

fn from_text(text: &str) -> StoreError {
    let (name, message) = split(text);
    match name {
        "QuotaExceededError" => StoreError::Full,
        "VersionError" => StoreError::TooNew,
        "InvalidStateError" | "TransactionInactiveError" => StoreError::ConnectionLost(message.to_owned()),
        "SecurityError" | "NotAllowedError" => StoreError::Unavailable(message.to_owned()),
        _ if text.starts_with("indexed db not found") => StoreError::Unavailable(text.to_owned()),
        _ => StoreError::Backend { name: name.to_owned(), message: message.to_owned() },
    }
}

/// The exception's name and message: the first part of the text that ends in `Error`, and what follows.
fn split(text: &str) -> (&str, &str) {
    let mut rest = text;
    loop {
        let (part, after) = rest.split_once(':').unwrap_or((rest, ""));
        let after = after.trim_start();
        if part.ends_with("Error") && !part.contains(' ') {
            return (part, after);
        }
        if after.is_empty() {
            return ("", text);
        }
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_the_text() {
        assert_eq!(from_text("DOM exception: QuotaExceededError: full"), StoreError::Full);
        assert_eq!(from_text("failed to open indexed db: VersionError: 2 < 3"), StoreError::TooNew);
        let lost = from_text("failed to open new transaction: InvalidStateError: closing: now");
        assert_eq!(lost, StoreError::ConnectionLost("closing: now".to_owned()));
        let other = StoreError::Backend { name: String::new(), message: "Error of some kind".to_owned() };
        assert_eq!(from_text("Error of some kind"), other);
    }
}
