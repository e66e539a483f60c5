//! Asking a federation.
//!
//! Layers, from the bottom: a call carries one bounded request to one guardian and says what that
//! guardian did wrong, if anything ([`GuardianFault`]); [`Guardians`] remembers how each has fared and
//! says whom to ask next; [`query`] decides how many answers must agree; a driver keeps as many questions
//! open as a query wants, asks one more guardian when those asked are slow, and gives up with every
//! fault it met ([`FederationError`]). [`FederationApi`] is all of it with the federation's types.
//!
//! Nothing that a guardian sends can use up the wallet's memory or time: every answer has a size limit
//! and a time limit, and what breaks either counts as a fault of that guardian, and another is asked.

mod answers;
mod api;
mod ask;
mod call;
mod fault;
mod guardians;
mod join;
pub mod query;
#[cfg(test)]
mod tests;

pub(crate) use ask::random_u64;
pub(crate) use call::expect_success;

pub use answers::{KnownSession, Served, SharesVerdict, Submitted};
pub use api::{FederationApi, Kept};
pub use fault::{FederationError, FederationResult, GuardianFault, GuardianResult};
pub use guardians::{Evidence, Guardians};
pub use join::{Joined, download_config};
pub use query::GuardianId;
