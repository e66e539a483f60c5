//! One guardian's part in ordering, judging and signing history.
//!
//! # How it works
//!
//! `Core` is the guardian as a state machine: it takes what peers sent, what wallets submitted and what time it
//! is, and does everything else by itself, in `Core::step`. It owns the consensus engine, the peer network's end
//! and the database. [`start`] drives it on a thread of its own, because its writes to disk block.
//! [`NodeHandle`] is what the rest of the process sees: it submits, asks and waits.
//!
//! **Epochs** start when there is something to do: a submitted transaction, a session that is due to be closed,
//! something new that the machine proposes, or a peer that began one. An idle federation makes none. A guardian
//! contributes its time, its vote to close the session, its machine's proposal and the transactions that were submitted
//! to it (`contribution`); what a batch left out it contributes again.
//!
//! **Batches** are applied in one database transaction each (`apply`). Transactions are judged in the order of
//! guardians by a [`StateMachine`]; accepted ones join the open session, rejected ones leave no trace but a reason
//! for the submitter.
//!
//! **Sessions** close by rules that every guardian evaluates alike (`session`), and are then signed outside
//! consensus (`signing`): shares are deterministic, travel over the peer network, and are asked for again until
//! f+1 valid ones make the signature. Ordering never waits for it.
//!
//! **Guardians that were away** get batches with certificates and signed sessions from their peers (`catch_up`), and
//! take part again when they are near enough for the engine (`links`).
//!
//! **Upgrades**: operators signal a version of the rules; the session in which n - f guardians have signalled is the
//! last one under the old rules, and its last item says so. Which rules are in force is therefore part of the state
//! that every guardian has after the same history, however it got it. A guardian stops where its software ends.

mod apply;
mod catch_up;
mod contribution;
mod core;
mod error;
mod handle;
mod keys;
mod links;
mod machine;
mod message;
mod pending;
mod run;
mod session;
mod settings;
mod signing;
mod state;
mod status;

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use self::core::{Core, Time};
use contribution::Contribution;

pub use error::NodeError;
pub use handle::{AdoptError, NodeHandle, SessionState, SubmitError};
pub use keys::GuardianKeys;
pub use machine::{MAX_PROPOSAL_BYTES, Proposals, StateMachine};
pub use run::{NodeSetup, RunningNode, start};
pub use settings::{RULES_VERSION, Settings};
pub(crate) use state::resume_after;
pub use status::Progress;
