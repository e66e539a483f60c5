//! Where guardians are reached: their signed announcements, kept and passed on.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{extract::State, http::StatusCode};
use rekindle_protocol::config::{MAX_URL_BYTES, UrlAnnouncement};

use super::{Api, ApiError, extract::Body};
use crate::node::NodeHandle;

/// Makes announcements durable. Gets all of them, ordered by guardian.
pub type Save = Box<dyn Fn(&[UrlAnnouncement]) -> io::Result<()> + Send + Sync>;

/// The newest announcement of each guardian.
pub struct Announcements {
    newest: Mutex<Vec<UrlAnnouncement>>,
    save: Option<Save>,
}

impl Announcements {
    /// Begins with what is known; `save` is called with every change before it counts.
    pub fn new(newest: Vec<UrlAnnouncement>, save: Option<Save>) -> Self {
        Self { newest: Mutex::new(newest), save }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<UrlAnnouncement>> {
        // A panic while saving leaves the list as it was.
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All of them, ordered by guardian.
    pub fn all(&self) -> Vec<UrlAnnouncement> {
        self.lock().clone()
    }

    /// Takes an announcement if its guardian signed it. True if it is newer than what was known.
    ///
    /// # Errors
    /// 422 if it is not that guardian's or no URL; 500 if it could not be saved.
    pub fn take(&self, node: &NodeHandle, announcement: UrlAnnouncement) -> Result<bool, ApiError> {
        check_url(&announcement.url)?;
        if !announcement.verify(&node.federation(), node.config()) {
            return Err(ApiError::unprocessable("invalid_signature", "the guardian did not sign it"));
        }
        let mut newest = self.lock();
        let known = newest.iter().find(|known| known.guardian == announcement.guardian);
        if known.is_some_and(|known| known.number >= announcement.number) {
            return Ok(false);
        }
        self.replace(&mut newest, announcement)?;
        Ok(true)
    }

    /// Announces a URL of this guardian's own. `now`, in seconds since 1970, is the number unless that must be higher.
    ///
    /// # Errors
    /// 422 if it is no URL; 500 if it could not be saved.
    pub fn announce(&self, node: &NodeHandle, url: String, now: u64) -> Result<UrlAnnouncement, ApiError> {
        check_url(&url)?;
        let mut newest = self.lock();
        let known = newest.iter().find(|known| known.guardian == node.id());
        let number = known.map_or(now, |known| now.max(known.number.saturating_add(1)));
        let announcement =
            UrlAnnouncement::sign(&node.federation(), node.id(), number, url, &node.keys().identity);
        self.replace(&mut newest, announcement.clone())?;
        Ok(announcement)
    }

    fn replace(
        &self,
        newest: &mut Vec<UrlAnnouncement>,
        announcement: UrlAnnouncement,
    ) -> Result<(), ApiError> {
        let mut changed = newest.clone();
        changed.retain(|known| known.guardian != announcement.guardian);
        changed.push(announcement);
        changed.sort_by_key(|known| known.guardian);
        if let Some(save) = &self.save {
            save(&changed).map_err(|error| ApiError::internal(&error))?;
        }
        *newest = changed;
        Ok(())
    }
}

fn check_url(url: &str) -> Result<(), ApiError> {
    let rest = ["https://", "http://"].iter().find_map(|scheme| url.strip_prefix(scheme));
    let usable = url.len() <= MAX_URL_BYTES
        && !url.ends_with('/')
        && rest.is_some_and(|rest| {
            !rest.is_empty() && rest.chars().all(|char| char.is_ascii_graphic() && !"?#\"<>\\".contains(char))
        });
    if usable {
        Ok(())
    } else {
        Err(ApiError::unprocessable("invalid_url", "expected http:// or https:// and no slash at the end"))
    }
}

pub async fn announce(
    State(api): State<Arc<Api>>,
    Body(announcement): Body<UrlAnnouncement>,
) -> Result<StatusCode, ApiError> {
    let guardian = announcement.guardian;
    let log = format!("announced as {}", announcement.url);
    // Saving blocks for a moment.
    let worker = api.clone();
    let taken = tokio::task::spawn_blocking(move || worker.announcements.take(&worker.node, announcement));
    if taken.await.map_err(|error| ApiError::internal(&error))?? {
        tracing::info!(guardian, "{log}");
    }
    Ok(StatusCode::NO_CONTENT)
}
