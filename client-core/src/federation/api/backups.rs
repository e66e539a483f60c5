//! Wallets' backups: what guardians keep, and having them keep one.

use bytes::Bytes;
use rekindle_protocol::{
    api::{UNKNOWN_VERSION, paths},
    backup::{Backup, MAX_SEALED_BYTES},
    bytes::SchnorrKey,
    encoding::Canonical,
};

use super::{
    super::{FederationResult, GuardianFault, answers::Enough},
    FederationApi, Question, SMALL_BYTES, attested,
};
use crate::backup::SeenBefore;

/// What guardians keep under a backup key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    /// Whether a backup was ever stored under the key.
    pub seen: SeenBefore,
    /// The backups, newest first. Each is signed by the key; only its owner can tell whether it opens.
    pub backups: Vec<Backup>,
}

impl FederationApi {
    /// What n - f guardians attest to keep under a backup key, or all that answer if they are fewer.
    ///
    /// # Errors
    /// [`FederationError`](crate::federation::FederationError) if nobody answers.
    pub async fn backups(&self, key: &SchnorrKey) -> FederationResult<Kept> {
        let (path, quorum) = (&paths::backup(key), self.quorum());
        let limit = MAX_SEALED_BYTES + SMALL_BYTES;
        let question = Question::Attested { path, body: None, wait_seconds: 0, limit };
        let mut backups = Vec::<Backup>::new();
        let mut without = 0;
        let answers = self
            .ask(Enough::new(quorum.all_honest(), quorum), quorum.guardians(), question, |_, sent| {
                // Guardians that keep no backups at all: nobody waits for others because of them.
                if let Err(fault) = &sent
                    && let GuardianFault::Refused { status: 404, code } = &**fault
                    && code != UNKNOWN_VERSION
                {
                    without += 1;
                    return Ok(());
                }
                let Some(backup) = attested::<Option<Backup>>(sent)? else { return Ok(()) };
                if !backup.verify(&self.federation, key) {
                    return Err(GuardianFault::WrongBackup.into());
                }
                let older = |known: &Backup| known.version < backup.version;
                let place = backups.iter().position(older).unwrap_or(backups.len());
                backups.insert(place, backup);
                Ok(())
            })
            .await?;
        let seen = match answers.len() {
            _ if !backups.is_empty() => SeenBefore::Seen,
            answered if answered >= quorum.all_honest() + without => SeenBefore::Never,
            _ => SeenBefore::Unknown,
        };
        Ok(Kept { seen, backups })
    }

    /// Has all guardians keep a backup. True once 2f + 1 of them attest to keep it or a newer one: then any n - f of
    /// them include an honest one that does.
    ///
    /// # Errors
    /// [`FederationError`](crate::federation::FederationError) if nobody answers.
    pub async fn store_backup(&self, key: &SchnorrKey, backup: &Backup) -> FederationResult<bool> {
        let (path, quorum) = (&paths::backup(key), self.quorum());
        let body = Some(Bytes::from(backup.to_bytes()));
        let question = Question::Attested { path, body, wait_seconds: 0, limit: SMALL_BYTES };
        let mut kept = 0;
        self.ask(
            Enough::new(quorum.guardians(), quorum),
            quorum.guardians(),
            question,
            |_, sent| match sent {
                // It limits writing, and is there for everything else.
                Err(fault) if matches!(*fault, GuardianFault::Busy(_)) => {
                    Err(GuardianFault::Refused { status: 429, code: String::new() }.into())
                }
                sent => {
                    kept += usize::from(attested::<u64>(sent)? >= backup.version);
                    Ok(())
                }
            },
        )
        .await?;
        Ok(kept > 2 * quorum.faulty())
    }
}
