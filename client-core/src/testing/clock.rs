//! Virtual time: tests that wait for hours and take no time.

use std::cell::RefCell;

use async_trait::async_trait;
use rand::{RngCore, SeedableRng, rngs::StdRng};

use crate::platform::{RandomError, Runtime};

/// A runtime on tokio's paused clock, with randomness from a seed.
pub struct VirtualRuntime {
    start: tokio::time::Instant,
    rng: RefCell<StdRng>,
}

impl VirtualRuntime {
    /// Its clock starts in November 2026.
    pub fn new(seed: u64) -> Self {
        Self { start: tokio::time::Instant::now(), rng: RefCell::new(StdRng::seed_from_u64(seed)) }
    }
}

#[async_trait(?Send)]
impl Runtime for VirtualRuntime {
    fn now(&self) -> u64 {
        const NOVEMBER_2026_MS: u64 = 1_795_000_000_000;
        let elapsed = tokio::time::Instant::now().duration_since(self.start);
        NOVEMBER_2026_MS + u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
    }

    async fn sleep(&self, milliseconds: u64) {
        // At least one: virtual time stands still while anything is ready to run.
        tokio::time::sleep(std::time::Duration::from_millis(milliseconds.max(1))).await;
    }

    fn random(&self, buffer: &mut [u8]) -> Result<(), RandomError> {
        self.rng.borrow_mut().fill_bytes(buffer);
        Ok(())
    }
}
