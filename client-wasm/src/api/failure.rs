//! Errors as JavaScript objects.

use js_sys::{Object, Reflect};
use rekindle_client::platform::StoreError;
use rekindle_client::store::SealError;
use rekindle_client::wallet::WalletError;
use wasm_bindgen::JsValue;

/// An error as JavaScript gets it: `{ code, message, retryable }`.
#[derive(Debug)]
pub struct Failure(JsValue);

impl Failure {
    /// `code` is one of those in `npm/src/errors.ts`; `message` is a sentence for people and holds no secret; `retryable`
    /// says whether trying again can help.
    pub fn new(code: &str, message: &str, retryable: bool) -> Self {
        let object = Object::new();
        for (name, value) in [
            ("code", JsValue::from(code)),
            ("message", JsValue::from(message)),
            ("retryable", JsValue::from(retryable)),
        ] {
            // Fails only for something that is not an extensible object.
            let _ = Reflect::set(&object, &name.into(), &value);
        }
        Failure(object.into())
    }

    /// The caller's signal was aborted.
    pub fn aborted() -> Self {
        Failure::new("aborted", "the caller aborted it", false)
    }

    /// The wallet is not open any more.
    pub fn closed() -> Self {
        Failure::new("wallet_closed", "the wallet was closed", false)
    }
}

impl From<Box<WalletError>> for Failure {
    fn from(error: Box<WalletError>) -> Self {
        Failure::new(error.code(), &error.to_string(), error.retryable())
    }
}

impl From<WalletError> for Failure {
    fn from(error: WalletError) -> Self {
        Box::new(error).into()
    }
}

impl From<Box<StoreError>> for Failure {
    fn from(error: Box<StoreError>) -> Self {
        Box::<WalletError>::from(error).into()
    }
}

impl From<SealError> for Failure {
    fn from(error: SealError) -> Self {
        match error {
            SealError::Store(error) => error.into(),
            error => Failure::new(error.code(), &error.to_string(), false),
        }
    }
}

impl From<Failure> for JsValue {
    fn from(failure: Failure) -> JsValue {
        failure.0
    }
}
