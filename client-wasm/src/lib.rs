//! The browser platform of the wallet.
//!
//! It runs in a dedicated worker: a page that computes signatures or waits for a database would
//! freeze under its user's finger. The wallet's logic is all in `rekindle-client`; here are the
//! three things it asks of a browser ([`platform`]) and the interface to JavaScript.

#[cfg(target_arch = "wasm32")]
pub mod api;
pub mod platform;
