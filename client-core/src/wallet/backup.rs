//! The wallet's backup at the guardians, written while the wallet is open.

use std::rc::Rc;

use rekindle_protocol::{
    bytes::Hash,
    invite::{InviteCode, InvitedGuardian},
    ownership::SeedWords,
};

use super::{Wallet, WalletError, WalletResult, keys};
use crate::{
    backup::{BackupState, Next, SeenBefore, Snapshot},
    federation::{FederationApi, download_config, random_u64},
    platform::{Batch, Runtime, Transport},
};

/// How long to wait before looking again whether something can be backed up, in milliseconds.
const CHECK_MS: u64 = 5_000;

impl Wallet {
    /// Whether a seed has been used in the federation of an invite code before, as its guardians say. Needs no wallet.
    ///
    /// It is for people to notice wrong words or a wrong federation: a recovery reads history whatever this says.
    ///
    /// # Errors
    /// [`WalletError::Seed`], [`WalletError::Invite`], [`WalletError::Federation`] if no guardian gives the config.
    pub async fn seen_before(
        transport: Rc<dyn Transport>,
        runtime: Rc<dyn Runtime>,
        words: &str,
        invite: &str,
    ) -> WalletResult<SeenBefore> {
        let words = SeedWords::parse(words)?;
        let invite = InviteCode::parse(invite).map_err(WalletError::Invite)?;
        let joined = download_config(&invite, &*transport, &*runtime).await?;
        let key = words.wallet_secret(&invite.federation).backup_key().public_key();
        let api = FederationApi::new(Rc::new(joined.config), joined.urls, transport, runtime)?;
        // Who did not answer has said nothing.
        Ok(api.backups(&key).await.unwrap_or_default().seen)
    }

    /// When the backup that guardians keep was written last, in milliseconds since 1970.
    pub fn backed_up_at(&self) -> Option<u64> {
        self.backup_state().schedule.written_at()
    }

    /// Invite codes of the federations that the seed is known to be used in: this wallet's, those told to
    /// [`Wallet::remember_federation`], and those that a backup named.
    pub fn known_federations(&self) -> Vec<String> {
        self.federations().iter().map(ToString::to_string).collect()
    }

    /// Has the backup name another federation that the seed is used in, so that who recovers one finds the others.
    ///
    /// # Errors
    /// [`WalletError::Invite`], [`WalletError::NotJoined`], [`WalletError::Store`].
    pub async fn remember_federation(&self, invite: &str) -> WalletResult<()> {
        let invite = InviteCode::parse(invite).map_err(WalletError::Invite)?;
        self.joined()?;
        self.change_backup_state(|state| state.remember(invite));
        self.store_backup_state().await
    }

    /// Writes backups when they are due. Never returns.
    pub(super) async fn keep_backed_up(&self) {
        let runtime = self.platform().runtime.clone();
        let random = random_u64(&*runtime).unwrap_or_default();
        self.change_backup_state(|state| state.schedule.opened(runtime.now(), random));
        loop {
            let pause = self.back_up().await.unwrap_or(CHECK_MS);
            runtime.sleep(pause).await;
        }
    }

    /// Writes a backup if it is due, and says after how many milliseconds to look again.
    async fn back_up(&self) -> WalletResult<u64> {
        let Some(snapshot) = self.current_snapshot() else { return Ok(CHECK_MS) };
        let (sessions, content) = (snapshot.position.next, snapshot.content());
        let runtime = &self.platform().runtime;
        let (now, random) = (runtime.now(), random_u64(&**runtime)?);
        let before = self.backup_state().schedule;
        let mut next = Next::Write;
        self.change_backup_state(|state| next = state.schedule.next(now, sessions, &content, random));
        let pause = match next {
            Next::Look(pause) => pause,
            Next::Write => {
                let written = self.write_backup().await;
                let now = runtime.now();
                self.change_backup_state(|state| match written {
                    Ok(Some((sessions, content))) => state.schedule.written(now, sessions, content),
                    Ok(None) | Err(_) => state.schedule.failed(now, random),
                });
                CHECK_MS
            }
        };
        if self.backup_state().schedule != before {
            self.store_backup_state().await?;
            self.notify();
        }
        Ok(pause)
    }

    /// Writes a backup of what there is now: how many sessions it covers and the hash of its content, if enough guardians
    /// keep it.
    pub(super) async fn write_backup(&self) -> WalletResult<Option<(u64, Hash)>> {
        let (context, api) = (self.joined()?, self.api()?);
        let key = context.secret.backup_key().public_key();
        // Another device on the same seed may know federations that this one does not.
        for backup in api.backups(&key).await?.backups {
            if let Ok(snapshot) = Snapshot::open(&context, &backup) {
                self.change_backup_state(|state| state.learn(snapshot.federations));
            }
        }
        let Some(snapshot) = self.current_snapshot() else { return Ok(None) };
        let mut salt = [0; 16];
        self.platform().runtime.random(&mut salt)?;
        let stored = match snapshot.seal(&context, salt) {
            Some(backup) => api.store_backup(&key, &backup).await?,
            // Too much for a backup: the last one that was not stays, and recovery takes longer.
            None => true,
        };
        Ok(stored.then_some((snapshot.position.next, snapshot.content())))
    }

    /// What a backup would hold now. `None` while the wallet is not whole, or where the last backup was taken.
    pub(super) fn current_snapshot(&self) -> Option<Snapshot> {
        let is_live = self.record().is_none_or(|record| record.is_live());
        let written = self.backup_state().schedule.written_sessions();
        let current = |live: &super::Live| {
            let is_new = written.is_none_or(|written| written < live.scanner.position.next);
            if is_live && is_new { Snapshot::of(&live.scanner, self.federations()) } else { None }
        };
        self.with_live(current).flatten()
    }

    /// This wallet's federation, with all its guardians whose address is known, and the others.
    fn federations(&self) -> Vec<InviteCode> {
        let Ok(api) = self.api() else { return Vec::new() };
        let mut state = self.backup_state();
        state.remember(invite(&api));
        state.federations
    }

    pub(super) fn backup_state(&self) -> BackupState {
        self.0.joined.borrow().as_ref().map(|joined| joined.backup.clone()).unwrap_or_default()
    }

    /// Changes what is remembered about the backup; [`Wallet::store_backup_state`] stores it.
    fn change_backup_state(&self, change: impl FnOnce(&mut BackupState)) {
        if let Some(joined) = self.0.joined.borrow_mut().as_mut() {
            change(&mut joined.backup);
        }
    }

    async fn store_backup_state(&self) -> WalletResult<()> {
        let mut batch = Batch::new();
        batch.put(keys::BACKUP, self.backup_state().write());
        Ok(self.platform().store.commit(batch).await?)
    }
}

fn invite(api: &FederationApi) -> InviteCode {
    let ids = 0..u16::try_from(api.config().guardian_count()).unwrap_or(u16::MAX);
    let known = ids.filter_map(|id| Some(InvitedGuardian { id, url: api.url(id)? }));
    InviteCode { federation: *api.federation(), guardians: known.collect() }
}
