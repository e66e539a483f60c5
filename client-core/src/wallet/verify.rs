//! Verifying notes.

use rekindle_protocol::{bls::Batch, modules::mint::Denomination};

use super::{Wallet, WalletError, WalletResult};
use crate::{context::WalletContext, federation::random_u64, modules::mint::Claim};

/// Others get to run after so many milliseconds of work.
const SLICE_MS: u64 = 30;

impl Wallet {
    /// Whether all these signatures are the federation's.
    ///
    /// # Errors
    /// [`WalletError::Shares`] for a broken key, [`WalletError::Random`].
    pub(super) async fn verify(&self, context: &WalletContext, claims: &[Claim]) -> WalletResult<bool> {
        let runtime = &self.platform().runtime;
        let (mut batch, mut found, mut started) = (Batch::default(), 0, runtime.now());
        for (denomination, keys) in (0..).map(Denomination).zip(&context.mint.denominations) {
            let mut of_key = Vec::new();
            for claim in claims.iter().filter(|claim| claim.denomination == denomination) {
                of_key.push((claim.nonce, claim.signature, random_u64(&**runtime)?));
            }
            if !of_key.is_empty() {
                found += of_key.len();
                batch.add(&keys.public_key().map_err(|_| WalletError::Shares)?, &of_key);
                self.breathe_at_times(&mut started).await;
            }
        }
        // What is of no denomination of the federation was not found.
        Ok(found == claims.len() && batch.verify())
    }

    /// Lets others run if the work since `started` (milliseconds since 1970) has taken long.
    pub(super) async fn breathe_at_times(&self, started: &mut u64) {
        let runtime = &self.platform().runtime;
        if runtime.now().abs_diff(*started) >= SLICE_MS {
            self.breathe().await;
            *started = runtime.now();
        }
    }
}
