//! What the lying guardian says.

use rekindle_protocol::{
    api::{Rejection, RejectionReason, TransactionStatus},
    backup::Backup,
    bytes::Hash,
    config::UrlAnnouncement,
    encoding::Canonical,
    session::{Item, SessionStatus},
    transaction::{Input, Transaction},
};

use super::{Liars, Question, refusal};
use crate::{
    platform::{Method, Request, Response},
    testing::{guardians::Behaviour, meddler::binary},
};

impl Liars {
    /// What the lying guardian answers.
    pub(super) async fn lie(&self, request: &Request, question: &Question) -> Option<Response> {
        let parts: Vec<&str> = question.path.split('/').skip(2).collect();
        let sessions = self.sessions();
        match (request.method, &*parts) {
            (Method::Get, ["sessions", "count"]) => {
                let count = [0, sessions.saturating_sub(1), sessions + 1_000_000, u64::MAX][self.below(4)];
                self.tell("count", self.sign(question, &count))
            }
            (Method::Get, ["sessions", index]) if *index != "selected" => {
                let status = self.status_of_session(index.parse().ok()?);
                self.tell("session", self.sign(question, &status))
            }
            (Method::Get, ["transactions", _]) => {
                self.tell("status of a transaction", self.sign(question, &self.status_of_transaction()))
            }
            (Method::Post, ["transactions"]) => {
                let status = self.status_of_transaction();
                // Nobody else learns of it from this guardian.
                self.tell(
                    "submission",
                    if self.chance(50) { refusal() } else { self.sign(question, &status) },
                )
            }
            (Method::Get, ["announcements"]) => {
                let answer = self.guardians.with(|federation| {
                    let key = &federation.guardian_keys[usize::from(self.liar)];
                    let sign =
                        |id, url: &str| UrlAnnouncement::sign(&federation.id(), id, 99, url.into(), key);
                    (0..4).map(|id| sign(id, "http://nowhere")).collect::<Vec<_>>().to_bytes()
                });
                self.tell("announcements", binary(200, answer))
            }
            (Method::Get, ["backups", _]) => self.tell("backup", self.sign(question, &None::<Backup>)),
            (Method::Get | Method::Post, ["mint", "signatures"] | ["sessions", _, "signatures"]) => {
                // Another guardian's shares, or none.
                let other = (self.liar + 1) % 4;
                let url = request.url.replacen(&format!("-{}", self.liar), &format!("-{other}"), 1);
                let answer = self.pass(Request { url, ..request.clone() }).await.ok()?.1;
                let answer = if self.chance(50) { answer } else { vec![0; 4] };
                self.tell("shares", binary(200, answer))
            }
            (Method::Get, ["sessions" | "recovery"] | ["sessions", "selected"]) if self.chance(50) => {
                self.guardians.set(self.liar, Behaviour::Forge);
                let answer = self.pass(request.clone()).await;
                self.guardians.set(self.liar, Behaviour::Honest);
                self.tell("history of its own", binary(200, answer.ok()?.1))
            }
            (Method::Get, ["sessions" | "recovery" | "config"] | ["sessions", "selected"]) => {
                let answer = self.pass(request.clone()).await.ok()?.1;
                self.tell("bytes", self.spoiled(answer))
            }
            _ => None,
        }
    }

    fn status_of_session(&self, index: u64) -> SessionStatus {
        let known = |index: usize| self.guardians.with(|federation| federation.sessions.get(index).cloned());
        let transaction = self.any_transaction().map(|transaction| self.copy(&transaction));
        let signed = usize::try_from(index).ok().and_then(known);
        match (self.below(5), signed) {
            (0, Some(mut session)) => {
                session.items.extend(transaction.map(Item::Transaction));
                SessionStatus::Complete(session)
            }
            (1, Some(mut session)) => {
                session.header.time ^= 1;
                SessionStatus::Complete(session)
            }
            (2, _) => match known(self.below(usize::try_from(self.sessions()).unwrap_or(0))) {
                Some(another) => SessionStatus::Complete(another),
                None => SessionStatus::Initial,
            },
            (3, _) => SessionStatus::Initial,
            _ => {
                // Tokens that are out are said to have been spent.
                let spend = |nonce: &Hash| Input { module: 0, nonce: *nonce, body: vec![] };
                let inputs = self.tokens.borrow().iter().map(spend).collect();
                let spent = transaction.map(|transaction| Transaction { inputs, ..transaction });
                SessionStatus::Pending(spent.into_iter().map(Item::Transaction).collect())
            }
        }
    }

    fn status_of_transaction(&self) -> TransactionStatus {
        let session = self.below(usize::try_from(self.sessions()).unwrap_or(0) + 1) as u64;
        let reason = match self.below(3) {
            0 => RejectionReason::Unbalanced,
            _ => RejectionReason::AlreadySpent { input: 0, session },
        };
        match self.below(5) {
            0 => TransactionStatus::Accepted { session },
            1 => TransactionStatus::Unknown,
            _ => TransactionStatus::Rejected(Rejection { reason, detail: "a lie".into() }),
        }
    }
}
