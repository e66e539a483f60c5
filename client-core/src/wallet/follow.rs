//! Following history: deposits arrive, tokens get redeemed, another device on the same seed acts.

use std::rc::Rc;

use rekindle_protocol::{chain::ChainPosition, session::HashedSession};

use super::{Wallet, WalletError, WalletResult, keys, live::Live, pending::decide_all, update::Update};
use crate::{
    federation::KnownSession,
    platform::Batch,
    recovery::{ModuleFailure, RecoveryRecord, RelevantHistory, Spent},
};

/// Sessions are applied in portions of about this many bytes of history.
const PORTION_BYTES: u64 = 4 << 20;
/// How long guardians are asked to wait for the next session, in seconds.
const WAIT_SECONDS: u64 = 30;
/// How long to wait after they failed to, in milliseconds.
const RETRY_MS: u64 = 2_000;

impl Wallet {
    /// Reads history up to the present and applies it.
    pub(super) async fn catch_up(&self) -> WalletResult<()> {
        let _following = self.0.following.lock().await;
        if self.record().is_some_and(|record| !record.is_live()) {
            return Err(WalletError::RecoveryRunning.into());
        }
        let api = self.api()?;
        let end = api.session_count().await?;
        let begin = |live: &Live| {
            let mut scan = live.scanner.index_scan();
            live.watch_pending(&mut scan);
            (live.scanner.position, scan, self.form(&live.scanner))
        };
        let (position, scan, form) = self.with_live(begin).ok_or(WalletError::NotJoined)?;
        if position.next >= end {
            return Ok(());
        }
        let runtime = self.platform().runtime.clone();
        let mut history = RelevantHistory::new(api, runtime, scan, form, position, end, PORTION_BYTES);
        loop {
            let mut sessions = Vec::new();
            let portion = history.next_portion(&mut |session| sessions.push(session), &mut |_| {}).await?;
            let Some(portion) = portion else { return Ok(()) };
            self.apply(&sessions, portion.position).await?;
        }
    }

    /// Waits until session `next` is signed, or for some seconds; then what is attested of it counts.
    pub(super) async fn wait_for_session(&self, next: u64) {
        let Ok(api) = self.api() else { return };
        match api.session_status(next, WAIT_SECONDS).await {
            Ok(KnownSession::Pending(items)) => self.attest(next, items).await,
            Ok(KnownSession::Complete(_)) => {}
            // Nobody answers: the next attempt to catch up says so, and rests.
            Err(_) => self.platform().runtime.sleep(RETRY_MS).await,
        }
    }

    /// Applies what a signature vouches for: all of it, or nothing. Modules that can't go on are set aside first, as they
    /// are.
    async fn apply(&self, sessions: &[HashedSession], position: ChainPosition) -> WalletResult<()> {
        let now = self.platform().runtime.now();
        loop {
            let mut update = self.update().await?;
            let Update { live, batch, .. } = &mut update;
            let failures = live.scanner.take(sessions, &mut Spent::default(), &|| 0);
            if failures.is_empty() {
                for session in sessions {
                    for (txid, decision) in decide_all(&live.pending, &session.content) {
                        live.settle(&txid, decision, batch);
                    }
                }
                live.scanner.position = position;
                live.store_scanner(batch);
                return update.commit().await;
            }
            live.scanner = self.with_live(|live| live.scanner.clone()).unwrap_or(live.scanner.clone());
            let record = self.set_aside(live, &failures, now, batch);
            update.commit().await?;
            self.set_record(record);
            self.wake();
            self.tell_progress();
        }
    }

    /// Sets live modules aside: each goes on by itself from the state that it has now.
    fn set_aside(
        &self,
        live: &mut Live,
        failures: &[ModuleFailure],
        now: u64,
        batch: &mut Batch,
    ) -> Rc<RecoveryRecord> {
        let federation = live.scanner.context().federation;
        let mut stored = self.record().unwrap_or_else(|| RecoveryRecord::whole(federation).into());
        let record = Rc::make_mut(&mut stored);
        for ModuleFailure { kind, error } in failures {
            let fed = live.scanner.fed().filter(|module| module.kind() == *kind);
            fed.for_each(|module| module.store(batch));
            record.set_aside(kind, live.scanner.position, error.to_string(), now);
            live.scanner.aside.insert(kind);
        }
        batch.put(keys::RECOVERY, record.write());
        stored
    }
}
