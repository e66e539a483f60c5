//! Joining: from an invite code to a federation's config.

use std::cell::RefCell;

use rekindle_protocol::{
    api::paths,
    bls::MAX_GUARDIANS,
    config::{ClientConfig, ConfigDocument, MAX_CONFIG_BYTES, MAX_URL_BYTES},
    encoding::Canonical,
    invite::InviteCode,
};

use super::{
    FederationResult, GuardianFault, GuardianId, GuardianResult, Guardians,
    ask::{Query, Question, drive},
    call::{Limits, call},
    query::{AnyValid, Quorum},
};
use crate::{
    platform::{Request, Runtime, Transport},
    sorted::SortedMap,
};

/// Milliseconds until a config must have arrived.
const CONFIG_MS: u64 = 15_000;

/// Room for an announcement of each guardian.
pub(super) const URLS_BYTES: usize = (MAX_URL_BYTES + 200) * MAX_GUARDIANS;

/// A federation that can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// The config; its hash is the invite code's federation id, and it has been validated.
    pub config: ClientConfig,
    /// Base URLs of guardians: as they announce them, else as the invite code has them.
    pub urls: Vec<(GuardianId, String)>,
}

/// Downloads a federation's config from any guardian in the invite code. Nobody on the way needs trust: the
/// config must hash to the id in the code, and announced URLs must be signed by the config's keys.
///
/// # Errors
/// [`FederationError::NoAnswer`](crate::federation::FederationError::NoAnswer); its code is `config_mismatch` if all guardians serve another federation.
pub async fn download_config(
    invite: &InviteCode,
    transport: &dyn Transport,
    runtime: &dyn Runtime,
) -> FederationResult<Joined> {
    // Here a guardian is a place in the invite code.
    let count = invite.guardians.len();
    let guardians = &RefCell::new(Guardians::new(vec![true; count], runtime.now()));
    let question = |place| -> Question<'_> {
        Box::pin(async move {
            let invited = invite.guardians.get(usize::from(place)).ok_or(GuardianFault::NoAddress)?;
            let base = invited.url.trim_end_matches('/');
            let path = paths::in_version(paths::CONFIG, guardians.borrow().version(place));
            let request = Request::get(format!("{base}{path}"));
            let limits = Limits { bytes: MAX_CONFIG_BYTES + URLS_BYTES, milliseconds: CONFIG_MS };
            Ok(call(transport, runtime, request, limits).await?.body)
        })
    };
    let read = |_, sent: GuardianResult<Vec<u8>>| joined(invite, ConfigDocument::from_bytes(&sent?)?);
    let mut query = Query::new(AnyValid::new(Quorum::of(count)), read);
    drive(guardians, runtime, &mut query, 1, paths::CONFIG, &question).await?;
    query.outcome()
}

fn joined(invite: &InviteCode, document: ConfigDocument) -> GuardianResult<Joined> {
    let ConfigDocument { config, urls: announcements } = document;
    if config.federation_id() != invite.federation {
        return Err(GuardianFault::WrongConfig.into());
    }
    config.validate()?;
    let mut urls: SortedMap<GuardianId, (Option<u64>, String)> = SortedMap::new();
    for invited in invite.guardians.iter().filter(|invited| usize::from(invited.id) < config.guardian_count())
    {
        urls.insert(invited.id, (None, invited.url.trim_end_matches('/').to_owned()));
    }
    for announcement in announcements.into_iter().filter(|known| known.verify(&invite.federation, &config)) {
        let newer =
            urls.get(&announcement.guardian).is_none_or(|(number, _)| *number < Some(announcement.number));
        if newer {
            urls.insert(announcement.guardian, (Some(announcement.number), announcement.url));
        }
    }
    let urls = urls.into_iter().map(|(guardian, (_, url))| (guardian, url)).collect();
    Ok(Joined { config, urls })
}
