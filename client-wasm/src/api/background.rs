//! A wallet's background as a task of the worker.

use futures::future::{AbortHandle, Abortable};
use rekindle_client::wallet::Wallet;
use wasm_bindgen_futures::spawn_local;

/// The running background of an open wallet; dropping it ends it.
pub struct Background(AbortHandle);

impl Background {
    /// Starts the background of `wallet`.
    pub fn start(wallet: &Wallet) -> Self {
        let wallet = wallet.clone();
        let (handle, registration) = AbortHandle::new_pair();
        let run = Abortable::new(async move { wallet.run().await }, registration);
        spawn_local(async move {
            // It ends only by being aborted.
            let _ = run.await;
        });
        Background(handle)
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.0.abort();
    }
}
