//! Errors as JavaScript objects.

use js_sys::{Object, Reflect};
use rekindle_client::platform::StoreError;
use rekindle_client::store::SealError;
use rekindle_client::wallet::WalletError;
use wasm_bindgen::JsValue;

/// An error on its way to JavaScript: `{ code, message, retryable }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Stable code, one of those in `npm/src/errors.ts`.
    pub code: &'static str,
    /// A sentence for people. Never holds a secret.
    pub message: String,
    /// Whether trying again can help.
    pub retryable: bool,
}

impl Failure {
    /// The caller's signal was aborted.
    pub fn aborted() -> Self {
        Failure { code: "aborted", message: "the caller aborted it".to_owned(), retryable: false }
    }

    /// The wallet is not open any more.
    pub fn closed() -> Self {
        Failure { code: "wallet_closed", message: "the wallet was closed".to_owned(), retryable: false }
    }
}

impl From<Box<WalletError>> for Failure {
    fn from(error: Box<WalletError>) -> Self {
        Failure { code: error.code(), message: error.to_string(), retryable: error.retryable() }
    }
}

impl From<WalletError> for Failure {
    fn from(error: WalletError) -> Self {
        Box::new(error).into()
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Box::<WalletError>::from(error).into()
    }
}

impl From<SealError> for Failure {
    fn from(error: SealError) -> Self {
        match error {
            SealError::Store(error) => error.into(),
            error => Failure { code: error.code(), message: error.to_string(), retryable: false },
        }
    }
}

impl From<Failure> for JsValue {
    fn from(failure: Failure) -> JsValue {
        let object = Object::new();
        for (name, value) in [
            ("code", JsValue::from(failure.code)),
            ("message", JsValue::from(failure.message)),
            ("retryable", JsValue::from(failure.retryable)),
        ] {
            // Fails only for something that is not an extensible object.
            let _ = Reflect::set(&object, &name.into(), &value);
        }
        object.into()
    }
}
