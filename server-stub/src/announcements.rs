//! Where guardians are reached: their signed announcements, kept and passed on.
//!
//! # How it works
//!
//! Every guardian signs the URL at which wallets reach it, under a number that rises. [`Announcements`] holds the
//! newest of each guardian: its own, and what peers and strangers bring, which counts if the guardian it names has
//! signed it. What is new is written down, and then served to wallets and told to peers
//! ([`crate::network::tcp`]), who do the same. So a wallet that reaches any one guardian learns where all are, and
//! nothing needs to be agreed on: for each guardian the highest number counts.
//!
//! A liar can announce for itself alone. However fast it does, writing and passing on happen once a second at most.

use std::{io, sync::Arc, time::Duration};

use rekindle_protocol::{
    bls::KeySet,
    bytes::{FederationId, G1Bytes},
    config::{ClientConfig, MAX_URL_BYTES, UrlAnnouncement},
    schnorr,
};
use tokio::{sync::watch, time::sleep};
use tracing::{error, info};

use crate::consensus::GuardianId;

/// Shortest time between two writes.
const PACE: Duration = Duration::from_secs(1);

/// Makes announcements durable. Gets all of them, ordered by guardian; may block.
pub type Save = Box<dyn Fn(&[UrlAnnouncement]) -> io::Result<()> + Send + Sync>;

/// Why an announcement is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unacceptable {
    /// Not what a base URL looks like.
    #[error("expected http:// or https:// and no slash at the end")]
    NotAUrl,
    /// Not the words of the guardian that it names.
    #[error("the guardian did not sign it")]
    NotSigned,
}

/// The newest announcement of each guardian.
pub struct Announcements {
    federation: FederationId,
    config: Arc<ClientConfig>,
    /// What is believed, ordered by guardian.
    newest: watch::Sender<Vec<UrlAnnouncement>>,
    /// What is written down.
    saved: watch::Sender<Vec<UrlAnnouncement>>,
    is_durable: bool,
}

impl Announcements {
    /// Begins with what is written down already. What comes later counts once [`Announcements::keep`] has saved it.
    pub fn durable(config: Arc<ClientConfig>, known: Vec<UrlAnnouncement>) -> Self {
        Self { is_durable: true, ..Self::in_memory(config, known) }
    }

    /// Without a place to write them down: what comes counts at once.
    pub fn in_memory(config: Arc<ClientConfig>, known: Vec<UrlAnnouncement>) -> Self {
        Self {
            federation: config.federation_id(),
            config,
            newest: watch::Sender::new(known.clone()),
            saved: watch::Sender::new(known),
            is_durable: false,
        }
    }

    /// Those of a federation that does not exist yet: there are none, and none is taken in.
    pub fn none() -> Self {
        let session_keys = KeySet { public_key: G1Bytes([0; 48]), shares: vec![] };
        let config = ClientConfig { name: String::new(), guardians: vec![], session_keys, modules: vec![] };
        Self::in_memory(Arc::new(config), vec![])
    }

    /// What is written down, ordered by guardian.
    pub fn all(&self) -> Vec<UrlAnnouncement> {
        self.saved.borrow().clone()
    }

    /// A watch on what is written down.
    pub fn watch(&self) -> watch::Receiver<Vec<UrlAnnouncement>> {
        self.saved.subscribe()
    }

    /// Takes an announcement in. True if it is newer than what was known of its guardian.
    ///
    /// # Errors
    /// [`Unacceptable`].
    pub fn take(&self, announcement: UrlAnnouncement) -> Result<bool, Unacceptable> {
        if !announcement.verify(&self.federation, &self.config) {
            return Err(Unacceptable::NotSigned);
        }
        check_url(&announcement.url)?;
        let log = format!("announced as {}", announcement.url);
        let guardian = announcement.guardian;
        let is_news = self.newest.send_if_modified(|newest| {
            let known = newest.iter().find(|known| known.guardian == guardian);
            let is_news = known.is_none_or(|known| known.number < announcement.number);
            if is_news {
                replace(newest, announcement);
            }
            is_news
        });
        if is_news {
            info!(guardian, "{log}");
            self.publish();
        }
        Ok(is_news)
    }

    /// Announces a URL of guardian `own`. `now`, in seconds since 1970, is the number unless that must be higher.
    ///
    /// # Errors
    /// [`Unacceptable::NotAUrl`].
    pub fn announce(
        &self,
        own: GuardianId,
        key: &schnorr::SecretKey,
        url: &str,
        now: u64,
    ) -> Result<UrlAnnouncement, Unacceptable> {
        check_url(url)?;
        let mut signed = None;
        self.newest.send_modify(|newest| {
            let known = newest.iter().find(|known| known.guardian == own);
            let number = known.map_or(now, |known| now.max(known.number.saturating_add(1)));
            let announcement = UrlAnnouncement::sign(&self.federation, own, number, url.to_owned(), key);
            replace(newest, announcement.clone());
            signed = Some(announcement);
        });
        self.publish();
        signed.ok_or(Unacceptable::NotAUrl)
    }

    /// Waits until an announcement, or a newer one of its guardian, is written down.
    pub async fn saved(&self, announcement: &UrlAnnouncement) {
        let is_saved = |all: &Vec<UrlAnnouncement>| {
            let of = |known: &&UrlAnnouncement| known.guardian == announcement.guardian;
            all.iter().find(of).is_some_and(|known| known.number >= announcement.number)
        };
        // The sender lives as long as `self`.
        let _ = self.watch().wait_for(is_saved).await;
    }

    fn publish(&self) {
        if !self.is_durable {
            self.saved.send_replace(self.newest.borrow().clone());
        }
    }

    /// Writes down what is new if anything is. May block.
    ///
    /// # Errors
    /// What `save` fails with; then nothing counts that was new.
    pub fn save(&self, save: &Save) -> io::Result<()> {
        let newest = self.newest.borrow().clone();
        if newest != *self.saved.borrow() {
            save(&newest)?;
            self.saved.send_replace(newest);
        }
        Ok(())
    }

    /// Writes down what comes, for as long as it is polled.
    pub async fn keep(self: Arc<Self>, save: Save) {
        let save = Arc::new(save);
        let mut newest = self.newest.subscribe();
        loop {
            newest.mark_unchanged();
            let (all, save) = (self.clone(), save.clone());
            match tokio::task::spawn_blocking(move || all.save(&save)).await {
                Ok(Ok(())) => {
                    sleep(PACE).await;
                    // The sender lives as long as `self`.
                    let _ = newest.changed().await;
                }
                Ok(Err(error)) => {
                    error!("announcements of URLs can't be written down: {error}");
                    sleep(PACE).await;
                }
                // The process is ending.
                Err(_) => return,
            }
        }
    }
}

fn replace(all: &mut Vec<UrlAnnouncement>, announcement: UrlAnnouncement) {
    all.retain(|known| known.guardian != announcement.guardian);
    all.push(announcement);
    all.sort_by_key(|known| known.guardian);
}

fn check_url(url: &str) -> Result<(), Unacceptable> {
    let rest = ["https://", "http://"].iter().find_map(|scheme| url.strip_prefix(scheme));
    let usable = url.len() <= MAX_URL_BYTES
        && !url.ends_with('/')
        && rest.is_some_and(|rest| {
            !rest.is_empty() && rest.chars().all(|char| char.is_ascii_graphic() && !"?#\"<>\\".contains(char))
        });
    if usable { Ok(()) } else { Err(Unacceptable::NotAUrl) }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::dealer::{Deal, Dealt};

    fn dealt() -> (Dealt, Arc<ClientConfig>) {
        let dealt = Deal { denominations: 1, ..Deal::new(4, String::new()) }.deal(&[3; 32]);
        let config = Arc::new(dealt.config.clone());
        (dealt, config)
    }

    #[test]
    fn the_newest_that_its_guardian_signed_counts() {
        let (dealt, config) = dealt();
        let federation = config.federation_id();
        let all = Announcements::in_memory(config, vec![]);
        let sign = |guardian, number, url: &str, signer: usize| {
            UrlAnnouncement::sign(
                &federation,
                guardian,
                number,
                url.into(),
                &dealt.guardians[signer].identity,
            )
        };
        let first = sign(1, 5, "https://one.example", 1);
        assert_eq!(all.take(first.clone()), Ok(true));
        assert_eq!(all.take(first.clone()), Ok(false));
        assert_eq!(all.take(sign(1, 4, "https://old.example", 1)), Ok(false));
        assert_eq!(
            all.take(sign(1, 5, "https://other.example", 1)),
            Ok(false),
            "the first of a number stays"
        );
        assert_eq!(all.take(sign(1, 9, "https://evil.example", 2)), Err(Unacceptable::NotSigned));
        assert_eq!(all.take(sign(7, 9, "https://evil.example", 2)), Err(Unacceptable::NotSigned));
        for url in
            ["javascript:alert(1)", "https://", "https://a.example/", "https://a.example/?b", "ftp://a"]
        {
            assert_eq!(all.take(sign(2, 9, url, 2)), Err(Unacceptable::NotAUrl), "{url}");
        }
        let zero = all.announce(0, &dealt.guardians[0].identity, "https://zero.example", 7).unwrap();
        let again = all.announce(0, &dealt.guardians[0].identity, "https://nil.example", 3).unwrap();
        assert_eq!((zero.number, again.number), (7, 8), "numbers rise whatever the clock says");
        assert_eq!(all.all(), [again, first]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_written_down_does_not_count_and_a_flood_is_written_once_a_second() {
        let (dealt, config) = dealt();
        let all = Arc::new(Announcements::durable(config, vec![]));
        let writes: Arc<Mutex<Vec<Option<String>>>> = Arc::default();
        let (log, key) = (writes.clone(), &dealt.guardians[0].identity);
        let save: Save = Box::new(move |all: &[UrlAnnouncement]| {
            let mut log = log.lock().unwrap();
            log.push(all.first().map(|known| known.url.clone()));
            // The disk is full the first time.
            if log.len() == 1 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
        });
        let first = all.announce(0, key, "https://first.example", 1).unwrap();
        assert_eq!(all.all(), []);
        let keeper = tokio::spawn(all.clone().keep(save));
        all.saved(&first).await;
        assert_eq!(writes.lock().unwrap().len(), 2);
        let mut last = first;
        for number in 0..1_000 {
            last = all.announce(0, key, &format!("https://{number}.example"), 1).unwrap();
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
        all.saved(&last).await;
        assert_eq!(all.all(), [last]);
        let writes = writes.lock().unwrap().len();
        assert!(writes <= 7, "{writes} writes in 3 seconds");
        keeper.abort();
    }
}
