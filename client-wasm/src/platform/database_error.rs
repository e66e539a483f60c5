//! What IndexedDB's errors mean.

#[cfg(target_arch = "wasm32")]
use js_sys::Reflect;
use rekindle_client::platform::StoreError;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen::JsValue;

/// Translates what a call threw, or an event that tells of a failure: that has the error at its target.
#[cfg(target_arch = "wasm32")]
pub(super) fn translate(thrown: &JsValue) -> StoreError {
    let target = field(thrown, "target");
    let error = if target.is_undefined() { thrown.clone() } else { field(&target, "error") };
    let text = |name| field(&error, name).as_string().unwrap_or_default();
    from_exception(text("name"), text("message"))
}

/// A property of an object, undefined if there is none.
#[cfg(target_arch = "wasm32")]
pub(super) fn field(object: &JsValue, name: &str) -> JsValue {
    Reflect::get(object, &name.into()).unwrap_or(JsValue::UNDEFINED)
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

/// The name is the only stable part of an exception. Without one there is no exception.
fn from_exception(name: String, message: String) -> StoreError {
    match &*name {
        "" => aborted(),
        "QuotaExceededError" => StoreError::Full,
        "VersionError" => StoreError::TooNew,
        "InvalidStateError" | "TransactionInactiveError" => StoreError::ConnectionLost(message),
        // The last one is no database's: there is none to call.
        "SecurityError" | "NotAllowedError" | "TypeError" => StoreError::Unavailable(message),
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
        assert!(is_lost_connection(&translated("")) && is_lost_connection(&translated("UnknownError")));
    }
}
