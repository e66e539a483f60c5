//! What IndexedDB's errors mean.

#[cfg(target_arch = "wasm32")]
use js_sys::Reflect;
use rekindle_client::platform::StoreError;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen::JsValue;

/// Translates an error of the database.
#[cfg(target_arch = "wasm32")]
pub(super) fn translate(error: &rexie::Error) -> Box<StoreError> {
    // Not by its text, which would bring along the texts of all errors.
    let text = |name: &str| {
        let value = Reflect::get(exception(error)?, &name.into()).ok()?;
        value.as_string()
    };
    Box::new(match error {
        rexie::Error::IdbError(idb::Error::IndexedDbNotFound(_)) => {
            StoreError::Unavailable("this browser has no databases here".to_owned())
        }
        _ => from_exception(text("name").unwrap_or_default(), text("message").unwrap_or_default()),
    })
}

/// The DOMException in an error of what the store asks for.
#[cfg(target_arch = "wasm32")]
fn exception(error: &rexie::Error) -> Option<&JsValue> {
    use idb::Error::*;
    let rexie::Error::IdbError(error) = error else { return None };
    match error {
        DomException(exception) => Some(exception.as_ref()),
        IndexedDbOpenFailed(exception)
        | IndexedDbDeleteFailed(exception)
        | TransactionOpenFailed(exception)
        | TransactionAbortError(exception)
        | ObjectStoreNotFound(exception)
        | KeyRangeCreateFailed(exception)
        | GetAllFailed(exception)
        | GetAllKeysFailed(exception)
        | UpdateFailed(exception)
        | DeleteFailed(exception)
        | ClearFailed(exception) => Some(exception),
        _ => None,
    }
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

/// An exception's name is the only stable part of it.
fn from_exception(name: String, message: String) -> StoreError {
    match &*name {
        "QuotaExceededError" => StoreError::Full,
        "VersionError" => StoreError::TooNew,
        "InvalidStateError" | "TransactionInactiveError" => StoreError::ConnectionLost(message),
        "SecurityError" | "NotAllowedError" => StoreError::Unavailable(message),
        _ => StoreError::Backend { name, message },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exceptions_are_known_by_their_names() {
        let translated = |name: &str| from_exception(name.to_owned(), "why".to_owned());
        assert_eq!(translated("QuotaExceededError"), StoreError::Full);
        assert_eq!(translated("VersionError"), StoreError::TooNew);
        assert_eq!(translated("InvalidStateError"), StoreError::ConnectionLost("why".to_owned()));
        assert_eq!(translated("SecurityError"), StoreError::Unavailable("why".to_owned()));
        let other = StoreError::Backend { name: "DataError".to_owned(), message: "why".to_owned() };
        assert_eq!(translated("DataError"), other);
        assert!(is_lost_connection(&translated("UnknownError")) && !is_lost_connection(&other));
    }
}
