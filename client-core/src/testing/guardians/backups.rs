//! Wallets' backups at guardians in memory.

use std::collections::BTreeMap;

use rekindle_protocol::{backup::Backup, bytes::SchnorrKey};

use super::TestGuardians;
use crate::federation::GuardianId;

/// What each guardian keeps.
pub type KeptBackups = Vec<BTreeMap<SchnorrKey, Backup>>;

impl TestGuardians {
    /// From now on guardians keep backups.
    pub fn keep_backups(&self) {
        let mut state = self.state.borrow_mut();
        state.backups = Some(vec![BTreeMap::new(); state.behaviours.len()]);
    }

    /// Works with what each guardian keeps.
    ///
    /// # Panics
    /// If they keep no backups.
    pub fn with_backups<R>(&self, work: impl FnOnce(&mut KeptBackups) -> R) -> R {
        work(self.state.borrow_mut().backups.as_mut().expect("guardians were told to keep backups"))
    }

    /// What a guardian keeps under a key; `None` if it keeps no backups at all.
    pub(super) fn backup(&self, guardian: GuardianId, key: &SchnorrKey) -> Option<Option<Backup>> {
        Some(self.state.borrow().backups.as_ref()?[usize::from(guardian)].get(key).cloned())
    }

    /// Keeps a backup unless it is older than what is there, and says which version is there then.
    pub(super) fn keep(&self, guardian: GuardianId, key: SchnorrKey, backup: Backup) -> Option<u64> {
        let mut state = self.state.borrow_mut();
        if !backup.verify(&state.federation.id(), &key) {
            return None;
        }
        let kept = &mut state.backups.as_mut()?[usize::from(guardian)];
        if kept.get(&key).is_none_or(|known| known.version < backup.version) {
            kept.insert(key, backup);
        }
        Some(kept[&key].version)
    }
}
