//! Following history: deposits arrive, tokens get redeemed, another device on the same seed acts.

use rekindle_protocol::session::HashedSession;

use super::{Wallet, WalletError, pending::decide_all};
use crate::recovery::VerifiedHistory;

/// Sessions are applied in portions of about this many bytes of history.
const PORTION_BYTES: u64 = 4 << 20;
/// How long guardians are asked to wait for the next session, in seconds.
const WAIT_SECONDS: u64 = 30;
/// How long to wait after they failed to, in milliseconds.
const RETRY_MS: u64 = 2_000;

impl Wallet {
    /// Reads history up to the present and applies it.
    pub(super) async fn catch_up(&self) -> Result<(), WalletError> {
        let _following = self.0.following.lock().await;
        let context = self.ready()?;
        let api = self.api()?;
        let end = api.session_count().await?;
        let position = self.with_live(|live| live.scanner.position).ok_or(WalletError::NotJoined)?;
        if position.next >= end {
            return Ok(());
        }
        let runtime = self.platform().runtime.clone();
        let mut history = VerifiedHistory::new(context, api, runtime, position, end, PORTION_BYTES);
        while let Some(portion) = history.next_portion(&mut |_| {}).await? {
            self.apply(&portion.sessions).await?;
        }
        Ok(())
    }

    /// Waits until session `next` is signed, or for some seconds.
    pub(super) async fn wait_for_session(&self, next: u64) {
        let Ok(api) = self.api() else { return };
        if api.session_status(next, WAIT_SECONDS).await.is_err() {
            // Nobody answers: the next attempt to catch up says so, and rests.
            self.platform().runtime.sleep(RETRY_MS).await;
        }
    }

    /// Applies sessions that a signature vouches for: all of them, or none.
    async fn apply(&self, sessions: &[HashedSession]) -> Result<(), WalletError> {
        self.update(|live, batch| {
            for session in sessions {
                live.scanner
                    .take(session)
                    .map_err(|_| WalletError::Internal("verified history is broken"))?;
                for (txid, decision) in decide_all(&live.pending, &session.content) {
                    live.settle(&txid, decision, batch);
                }
            }
            live.store_scanner(batch);
            Ok(())
        })
        .await
    }
}
