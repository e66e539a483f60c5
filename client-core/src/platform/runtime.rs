//! Time and randomness.

use async_trait::async_trait;
use thiserror::Error;

/// The platform has no randomness to give. Nothing secret can be made without it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("no secure randomness: {0}")]
pub struct RandomError(
    /// What the platform said.
    pub String,
);

impl RandomError {
    /// A stable name of this error.
    pub fn code(&self) -> &'static str {
        "no_randomness"
    }
}

/// A clock, a timer and a source of randomness.
#[async_trait(?Send)]
pub trait Runtime {
    /// Wall-clock time in milliseconds since 1970 (UTC). It may jump when the user sets the clock.
    fn now(&self) -> u64;

    /// Completes after at least `milliseconds`. Dropping the future cancels the timer.
    ///
    /// A browser may stretch this to a second or more while its tab is in the background.
    async fn sleep(&self, milliseconds: u64);

    /// Fills `buffer` with bytes fit for secrets.
    fn random(&self, buffer: &mut [u8]) -> Result<(), RandomError>;
}
