//! The wallet's platform in a browser: `fetch`, IndexedDB, timers and the browser's randomness.

#[cfg(target_arch = "wasm32")]
mod allocator;
#[cfg(any(target_arch = "wasm32", test))]
#[cfg_attr(not(target_arch = "wasm32"), allow(dead_code, reason = "natively only its tests use it"))]
mod database_error;
#[cfg(target_arch = "wasm32")]
mod runtime;
#[cfg(target_arch = "wasm32")]
mod store;
#[cfg(target_arch = "wasm32")]
mod transport;

#[cfg(target_arch = "wasm32")]
pub use {runtime::BrowserRuntime, store::IndexedDbStore, transport::FetchTransport};
