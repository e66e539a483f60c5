//! Recovery: a wallet's state, rebuilt from the federation's signed history.
//!
//! [`VerifiedHistory`] turns what guardians serve into portions of sessions that a threshold signature vouches for.
//! A [`Scanner`] finds the wallet's own transactions in them and feeds every module. The same two follow history after
//! recovery, for good: recovering is following from session 0.

mod history;
mod module;
mod progress;
mod record;
mod scanner;
mod verified;

pub use history::{Ownership, SessionView, TransactionView};
pub use module::{Findings, ModuleError, RUNNING_PREFIX, RecoveryFromHistory, load_live};
pub use progress::{RecoveryFault, RecoveryProgress, RecoveryState, Speed};
pub use record::{Phase, RecoveryRecord};
pub use scanner::{ModuleFailure, Modules, Scanner};
pub use verified::{Portion, ReadAhead, VerifiedHistory};
