//! Calls that a page can abort.

use std::future::Future;

use futures::channel::oneshot;
use futures::future::{Either, LocalBoxFuture, select};
use js_sys::Promise;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::future_to_promise;
use web_sys::AbortSignal;

use super::failure::Failure;

/// The promise of a call, which drops its work and rejects with `aborted` when `signal` says so.
pub fn promise(
    signal: AbortSignal,
    work: impl Future<Output = Result<JsValue, Failure>> + 'static,
) -> Promise {
    // Boxed, so that what follows is compiled once and not for every call.
    boxed_promise(signal, Box::pin(work))
}

fn boxed_promise(signal: AbortSignal, work: LocalBoxFuture<'static, Result<JsValue, Failure>>) -> Promise {
    future_to_promise(async move {
        if signal.aborted() {
            return Err(Failure::aborted().into());
        }
        let (sender, aborted) = oneshot::channel();
        let _listener = Listener::new(&signal, sender);
        match select(work, aborted).await {
            Either::Left((result, _)) => result.map_err(JsValue::from),
            Either::Right(_) => Err(Failure::aborted().into()),
        }
    })
}

/// Listens to a signal while it lives.
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
