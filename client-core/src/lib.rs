//! A wallet for federated e-cash, on any platform.
//!
//! Nothing here knows a browser, a database or an async runtime. What the wallet needs from the
//! outside enters through the three traits of [`platform`]: a [`platform::Store`] that keeps
//! key-value pairs, a [`platform::Transport`] that carries one request to one guardian, and a
//! [`platform::Runtime`] that tells the time, sleeps and gives randomness. All of them are
//! single-threaded (`?Send`), because a browser tab is.
//!
//! Decisions are made by state machines that do no I/O ([`backoff`], [`federation::query`], the
//! schedule of the session stream); a thin asynchronous shell feeds them and does what they say.

pub mod backoff;
pub mod backup;
mod boxed;
pub mod context;
pub mod federation;
pub mod modules;
pub mod platform;
pub mod recovery;
pub mod sorted;
pub mod store;
pub mod stream;
pub mod wallet;

#[cfg(any(test, feature = "testing"))]
pub mod testing;
