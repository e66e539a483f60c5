//! Following history: deposits arrive, tokens get redeemed, another device on the same seed acts.

use super::{Wallet, WalletError, live::Live, pending::decide_all};
use crate::recovery::{Portion, RelevantHistory};

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
        self.ready()?;
        let api = self.api()?;
        let end = api.session_count().await?;
        let begin = |live: &Live| {
            let mut scan = live.scanner.index_scan();
            live.watch_pending(&mut scan);
            (live.scanner.position, scan, self.form(&live.scanner.modules))
        };
        let (position, scan, form) = self.with_live(begin).ok_or(WalletError::NotJoined)?;
        if position.next >= end {
            return Ok(());
        }
        let runtime = self.platform().runtime.clone();
        let mut history = RelevantHistory::new(api, runtime, scan, form, position, end, PORTION_BYTES);
        while let Some(portion) = history.next_portion(&mut |_| {}).await? {
            self.apply(&portion).await?;
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

    /// Applies what a signature vouches for: all of it, or nothing.
    async fn apply(&self, portion: &Portion) -> Result<(), WalletError> {
        self.update(|live, batch| {
            for session in &portion.sessions {
                live.scanner.take(session);
                for (txid, decision) in decide_all(&live.pending, &session.content) {
                    live.settle(&txid, decision, batch);
                }
            }
            live.scanner.position = portion.position;
            live.store_scanner(batch);
            Ok(())
        })
        .await
    }
}
