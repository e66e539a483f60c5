//! Recovery: a wallet's state, rebuilt from the federation's signed history.
//!
//! A [`Scanner`] takes sessions in order, checks that each continues the hash chain, finds the wallet's own
//! transactions, and feeds every module. At any point one threshold signature vouches for all it has taken. The
//! same scanner follows history after recovery, for good: recovering is following from session 0.

mod history;
mod module;
mod progress;
mod record;
mod scanner;

pub use history::{Ownership, SessionView, TransactionView};
pub use module::{Findings, ModuleError, RUNNING_PREFIX, RecoveryFromHistory, load_live};
pub use progress::{RecoveryFault, RecoveryProgress, RecoveryState, Speed};
pub use record::{Phase, RecoveryRecord};
pub use scanner::{ModuleFailure, Modules, Scanner};
