//! The wallet as JavaScript sees it: thin exports for the worker, nothing for a page.
//!
//! The worker's TypeScript (`npm/src/wasm-engine.ts`) is the only caller, and
//! `npm/src/wasm/rekindle_wasm.d.ts` says what it expects. Here values are translated and nothing is
//! decided: results become plain objects with amounts as `BigInt`, errors become objects with a code,
//! and an aborted signal drops the future, which the wallet is built to survive.

mod abort;
mod background;
mod failure;
mod progress;
mod storage;
mod value;
mod wallet;

pub use storage::{wallet_erase, wallet_exists};
pub use wallet::WasmWallet;
