//! Abort signals.

use std::future::Future;
use std::pin::pin;

use futures::channel::oneshot;
use futures::future::{Either, select};
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use web_sys::AbortSignal;

use super::failure::Failure;

/// Runs `work` until it ends or `signal` is aborted, and then drops it.
///
/// # Errors
/// Those of `work`, and `aborted`.
pub async fn unless_aborted<T, E: Into<Failure>>(
    signal: &AbortSignal,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, Failure> {
    if signal.aborted() {
        return Err(Failure::aborted());
    }
    let (sender, aborted) = oneshot::channel();
    let _listener = Listener::new(signal, sender);
    match select(pin!(work), aborted).await {
        Either::Left((result, _)) => result.map_err(Into::into),
        Either::Right(_) => Err(Failure::aborted()),
    }
}

/// Listens to a signal while it lives, also when the future that holds it is dropped itself.
struct Listener<'a> {
    signal: &'a AbortSignal,
    callback: Closure<dyn FnMut()>,
}

impl<'a> Listener<'a> {
    fn new(signal: &'a AbortSignal, sender: oneshot::Sender<()>) -> Self {
        let callback = Closure::once(move || {
            // The receiver is gone when the work has just ended.
            let _ = sender.send(());
        });
        let function = callback.as_ref().unchecked_ref();
        // Fails only for something that is not an event target.
        let _ = signal.add_event_listener_with_callback("abort", function);
        Listener { signal, callback }
    }
}

impl Drop for Listener<'_> {
    fn drop(&mut self) {
        let function = self.callback.as_ref().unchecked_ref();
        let _ = self.signal.remove_event_listener_with_callback("abort", function);
    }
}
