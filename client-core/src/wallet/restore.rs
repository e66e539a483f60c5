//! Beginning a recovery: from the wallet's newest backup that is of use, else from the beginning of history.

use rekindle_protocol::chain::ChainPosition;

use super::keys;
use crate::{
    backup::{BackupState, SeenBefore, Snapshot, SnapshotError},
    context::WalletContext,
    federation::FederationApi,
    platform::Batch,
    recovery::RecoveryRecord,
};

/// What a search for the wallet's backups came to.
pub(super) struct Found {
    /// Whether the seed was in use before.
    pub seen: SeenBefore,
    /// The newest snapshot that a recovery can begin with.
    start: Option<Snapshot>,
    /// Why a newer one was of no use.
    useless: Option<SnapshotError>,
}

/// Searches for the wallet's backups. What can't be learned now is as good as not there.
pub(super) async fn search(context: &WalletContext, api: &FederationApi) -> Found {
    let key = context.secret.backup_key().public_key();
    let kept = api.backups(&key).await.unwrap_or_default();
    let mut found = Found { seen: kept.seen, start: None, useless: None };
    for backup in kept.backups.chunk_by(PartialEq::eq).flat_map(<[_]>::first) {
        let outcome = match Snapshot::open(context, backup) {
            Ok(snapshot) if is_signed(api, &snapshot.position).await => Ok(snapshot),
            Ok(_) => Err(SnapshotError::Unsigned),
            Err(error) => Err(error),
        };
        match outcome {
            Ok(snapshot) => {
                found.start = Some(snapshot);
                break;
            }
            Err(error) => drop(found.useless.get_or_insert(error)),
        }
    }
    found
}

/// Adds the records of a recovery that begins to a batch.
pub(super) fn begin_recovery(context: &WalletContext, found: Found, batch: &mut Batch) {
    let mut record = RecoveryRecord::new(context.federation);
    record.dropped = found.useless.map(|error| format!("a backup: {error}"));
    if let Some(snapshot) = found.start {
        record.position = snapshot.position;
        record.restored = Some(snapshot.position.next);
        let federations = snapshot.federations.clone();
        batch.put(keys::BACKUP, BackupState { federations, ..BackupState::default() }.write());
        snapshot.store(batch);
    }
    batch.put(keys::RECOVERY, record.write());
}

/// Whether a position lies behind a session that the federation has signed.
async fn is_signed(api: &FederationApi, position: &ChainPosition) -> bool {
    let Some(last) = position.next.checked_sub(1) else { return *position == ChainPosition::GENESIS };
    let session = api.session(last).await;
    session.is_ok_and(|session| *position == ChainPosition::after(api.federation(), &session.value.header))
}
