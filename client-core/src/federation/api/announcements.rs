//! Where guardians are reached now.

use rekindle_protocol::{api::paths, config::UrlAnnouncement, encoding::Canonical};

use super::{
    super::{FederationResult, answers::Enough, call::Limits, join::URLS_BYTES},
    ANSWER_MS, FederationApi, Question,
};

impl FederationApi {
    /// Uses announcements that were learned and checked before, and stored.
    pub fn know(&self, announcements: Vec<UrlAnnouncement>) {
        announcements.into_iter().for_each(|announcement| self.follow(announcement));
    }

    /// Asks f + 1 guardians where all of them are reached, and asks them there from now on. Who has moved has signed
    /// where to, so it is enough that one of those asked is honest. Gives all announcements that are known now, to be
    /// stored, if any is new.
    ///
    /// # Errors
    /// [`FederationError`](crate::federation::FederationError).
    pub async fn learn_urls(&self) -> FederationResult<Option<Vec<UrlAnnouncement>>> {
        let (quorum, mut has_news) = (self.quorum(), false);
        let wanted = quorum.one_honest();
        let question = Question::Plain {
            path: paths::ANNOUNCEMENTS,
            body: None,
            limits: Limits { bytes: URLS_BYTES, milliseconds: ANSWER_MS },
        };
        self.ask(Enough::new(wanted, quorum), wanted, question, |_, sent| {
            for announcement in Vec::<UrlAnnouncement>::from_bytes(&sent?)? {
                if self.is_news(&announcement) {
                    self.follow(announcement);
                    has_news = true;
                }
            }
            Ok(())
        })
        .await?;
        Ok(has_news.then(|| self.announcements.borrow().clone()))
    }

    /// Whether an announcement is newer than what is known, and signed by the guardian that it names.
    fn is_news(&self, announcement: &UrlAnnouncement) -> bool {
        let announcements = self.announcements.borrow();
        let known = announcements.iter().find(|known| known.guardian == announcement.guardian);
        known.is_none_or(|known| known.number < announcement.number)
            && announcement.verify(&self.federation, &self.config)
    }

    fn follow(&self, announcement: UrlAnnouncement) {
        let guardian = announcement.guardian;
        if let Some(url) = self.urls.borrow_mut().get_mut(usize::from(guardian))
            && url.as_ref() != Some(&announcement.url)
        {
            *url = Some(announcement.url.clone());
            self.guardians.borrow_mut().moved(guardian);
        }
        let mut announcements = self.announcements.borrow_mut();
        announcements.retain(|known| known.guardian != guardian);
        announcements.push(announcement);
    }
}
