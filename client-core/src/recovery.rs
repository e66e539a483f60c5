//! Recovery: a wallet's state, rebuilt from the federation's signed history.
//!
//! [`VerifiedHistory`] turns what guardians serve into portions that a threshold signature vouches for: whole sessions,
//! or their entries in the recovery index. [`RelevantHistory`] leaves out what can't concern the wallet, by an
//! [`IndexScan`], and fetches what does. A [`Scanner`] finds the wallet's own transactions in it and feeds every
//! module. All of them follow history after recovery too, for good: recovering is following from session 0.

mod history;
mod index;
mod module;
mod pace;
mod progress;
mod record;
mod relevant;
mod scanner;
#[cfg(test)]
mod tests;
mod verified;

pub use history::{Ownership, SessionView, TransactionView};
pub use index::IndexScan;
pub use module::{Findings, ModuleError, RUNNING_PREFIX, RecoveryFromHistory};
pub use pace::{Pace, Work};
pub use progress::{FailingModule, RecoveryFault, RecoveryProgress, RecoveryState};
pub use record::{Aside, Phase, RecoveryRecord};
pub use relevant::{Portion, RelevantHistory};
pub use scanner::{KINDS, ModuleFailure, Modules, Scanner, Spent};
pub use verified::{ReadAhead, VerifiedHistory, VerifiedPortion};
