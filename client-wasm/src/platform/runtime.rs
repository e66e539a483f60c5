//! Time and randomness.

use async_trait::async_trait;
use gloo_timers::future::TimeoutFuture;
use rekindle_client::platform::{RandomError, Runtime};

/// The clock, timers and randomness of a page or a worker.
#[derive(Debug, Clone, Copy, Default)]
pub struct BrowserRuntime;

/// The longest pause that `setTimeout` understands, in milliseconds: a longer one ends at once.
const LONGEST_TIMEOUT: u32 = i32::MAX as u32;

#[async_trait(?Send)]
impl Runtime for BrowserRuntime {
    fn now(&self) -> u64 {
        // A float: the cast saturates, and milliseconds since 1970 are exact up to the year 287,396.
        js_sys::Date::now() as u64
    }

    async fn sleep(&self, milliseconds: u64) {
        let mut rest = milliseconds;
        loop {
            let part = u32::try_from(rest).unwrap_or(LONGEST_TIMEOUT).min(LONGEST_TIMEOUT);
            TimeoutFuture::new(part).await;
            rest -= u64::from(part);
            if rest == 0 {
                return;
            }
        }
    }

    fn random(&self, buffer: &mut [u8]) -> Result<(), RandomError> {
        getrandom::fill(buffer).map_err(|error| RandomError(error.to_string()))
    }
}
