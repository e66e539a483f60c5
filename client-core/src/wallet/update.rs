//! An update of a wallet's state: worked out on a copy, which becomes the state once the store has it.

use futures::lock::MutexGuard;

use super::{Wallet, WalletError, WalletResult, live::Live};
use crate::platform::Batch;

/// An update under way. No other one begins meanwhile; dropping it leaves everything as it was.
pub(super) struct Update<'a> {
    wallet: &'a Wallet,
    _committing: MutexGuard<'a, ()>,
    /// What the state will be.
    pub live: Live,
    /// What is stored with it. As long as it is empty nothing changes.
    pub batch: Batch,
}

impl Wallet {
    /// Begins to change the state, as soon as nobody else does.
    pub(super) async fn update(&self) -> WalletResult<Update<'_>> {
        let _committing = self.0.committing.lock().await;
        let live = self.with_live(Live::clone).ok_or(WalletError::NotJoined)?;
        Ok(Update { wallet: self, _committing, live, batch: Batch::new() })
    }
}

impl Update<'_> {
    /// Stores what is to be stored; then the state is the changed one.
    pub(super) async fn commit(self) -> WalletResult<()> {
        let Update { wallet, _committing, live, batch } = self;
        if batch.is_empty() {
            return Ok(());
        }
        wallet.platform().store.commit(batch).await?;
        if let Some(joined) = wallet.0.joined.borrow_mut().as_mut() {
            joined.live = live;
        }
        wallet.notify();
        Ok(())
    }
}
