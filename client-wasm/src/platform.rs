//! The wallet's platform in a browser: `fetch`, IndexedDB, timers and the browser's randomness.

mod database_error;
mod runtime;
mod store;
mod transport;

pub use runtime::BrowserRuntime;
pub use store::IndexedDbStore;
pub use transport::FetchTransport;
