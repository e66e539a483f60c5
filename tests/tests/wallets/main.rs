//! Native wallets and real guardians that change.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod devices;
mod moving;
mod suspending;
mod versions;

use std::{future::Future, rc::Rc, time::Duration};

use futures::{
    future::{Either, select},
    pin_mut,
};
use rekindle_client::{
    store::MemoryStore,
    wallet::{Platform, Wallet},
};
use rekindle_tests::native::{NativeRuntime, NativeTransport};
use tokio::time::timeout;

const WORDS: &str = "legal winner thank year wave sausage worth useful legal winner thank yellow";
const PATIENCE: Duration = Duration::from_secs(120);

fn platform() -> Platform {
    Platform {
        store: Rc::new(MemoryStore::default()),
        transport: Rc::new(NativeTransport::new()),
        runtime: Rc::new(NativeRuntime),
    }
}

/// Runs a wallet's background until `end` comes.
async fn run_until<R>(wallet: &Wallet, end: impl Future<Output = R>) -> R {
    let run = wallet.run();
    pin_mut!(end, run);
    match timeout(PATIENCE, select(end, run)).await.expect("too slow") {
        Either::Left((result, _)) => result,
        Either::Right(_) => panic!("the wallet stopped"),
    }
}
