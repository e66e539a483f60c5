//! What the wallet asks of the place it runs in.
//!
//! Three small traits, each with a native and a browser implementation. They are object-safe and
//! held as `Rc<dyn ...>`; their futures are not `Send`. The suites in [`crate::testing`] define
//! what an implementation must do, in more detail than the words here can.

mod runtime;
mod store;
mod transport;

pub use runtime::{RandomError, Runtime};
pub use store::{Batch, KeyValue, Operation, Scan, Store, StoreError, StoreResult, prefix_end};
pub use transport::{BodyStream, Method, Request, RequestBody, Response, Transport, TransportError};
