//! One step of the ceremony: everybody says something to everybody, and all make sure that all heard the same.
//!
//! Statements are signed. Once a participant has heard everybody's, it tells everybody which ones, by their signed
//! hashes. The step is done when all have told the same. If what two participants have heard from a third differs, both
//! hold a statement that the third has signed, and the third is named; if one tells of a statement that was never
//! signed, that one is named.

use std::collections::BTreeMap;

use rekindle_protocol::bytes::{Hash, SchnorrKey};

use super::message::{Message, Statement};
use crate::consensus::GuardianId;

/// A participant that broke the rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Culprit {
    /// Who.
    pub id: GuardianId,
    /// What it sent.
    pub what: &'static str,
}

/// A step under way.
pub struct Round {
    ceremony: Hash,
    step: u8,
    own: GuardianId,
    /// Everybody's key, by id.
    keys: Vec<SchnorrKey>,
    said: BTreeMap<GuardianId, (Statement, Vec<u8>)>,
    /// What the others have heard.
    echoes: BTreeMap<GuardianId, Vec<Statement>>,
}

impl Round {
    /// A step in which this participant says `body`.
    pub fn new(
        ceremony: Hash,
        step: u8,
        own: GuardianId,
        keys: Vec<SchnorrKey>,
        statement: Statement,
        body: Vec<u8>,
    ) -> Self {
        let said = BTreeMap::from([(own, (statement, body))]);
        Self { ceremony, step, own, keys, said, echoes: BTreeMap::new() }
    }

    /// Handles a participant's statement. Returns what to tell everybody if it was the last.
    ///
    /// # Errors
    /// [`Culprit`].
    pub fn on_say(
        &mut self,
        from: GuardianId,
        statement: Statement,
        body: Vec<u8>,
    ) -> Result<Option<Message>, Culprit> {
        let culprit = |what| Culprit { id: from, what };
        let key = self.keys.get(usize::from(from)).ok_or(culprit("a statement of nobody"))?;
        if !statement.is_about(&body) || !statement.is_signed(&self.ceremony, self.step, from, key) {
            return Err(culprit("a statement that it did not sign"));
        }
        if self.said.contains_key(&from) {
            return Err(culprit("a second statement"));
        }
        self.said.insert(from, (statement, body));
        if self.said.len() < self.keys.len() {
            return Ok(None);
        }
        for (id, heard) in std::mem::take(&mut self.echoes) {
            self.compare(id, &heard)?;
            self.echoes.insert(id, heard);
        }
        Ok(Some(Message::Echo { step: self.step, heard: self.heard() }))
    }

    /// Handles what a participant has heard.
    ///
    /// # Errors
    /// [`Culprit`].
    pub fn on_echo(&mut self, from: GuardianId, heard: Vec<Statement>) -> Result<(), Culprit> {
        if heard.len() != self.keys.len() {
            return Err(Culprit { id: from, what: "statements of another number of participants" });
        }
        if self.echoes.contains_key(&from) {
            return Err(Culprit { id: from, what: "twice what it has heard" });
        }
        if self.said.len() == self.keys.len() {
            self.compare(from, &heard)?;
        }
        self.echoes.insert(from, heard);
        Ok(())
    }

    fn compare(&self, from: GuardianId, heard: &[Statement]) -> Result<(), Culprit> {
        for ((id, key), (theirs, ours)) in (0..).zip(&self.keys).zip(heard.iter().zip(self.heard())) {
            if theirs.content == ours.content {
                continue;
            }
            // This participant knows what it said itself.
            if id != self.own && theirs.is_signed(&self.ceremony, self.step, id, key) {
                return Err(Culprit { id, what: "different statements to different participants" });
            }
            return Err(Culprit { id: from, what: "a statement that nobody has made" });
        }
        Ok(())
    }

    fn heard(&self) -> Vec<Statement> {
        self.said.values().map(|(statement, _)| *statement).collect()
    }

    /// Who owes this participant something.
    pub fn missing(&self) -> Vec<GuardianId> {
        (0..)
            .zip(&self.keys)
            .map(|(id, _)| id)
            .filter(|id| *id != self.own)
            .filter(|id| !self.said.contains_key(id) || !self.echoes.contains_key(id))
            .collect()
    }

    /// Who is to blame if time is up: who has said nothing, since without that nobody can tell what it has heard; or else
    /// who has not told what it has heard.
    pub fn late(&self) -> Vec<GuardianId> {
        let mut missing = self.missing();
        if missing.iter().any(|id| !self.said.contains_key(id)) {
            missing.retain(|id| !self.said.contains_key(id));
        }
        missing
    }

    /// What everybody has said, by id, once nobody owes anything.
    pub fn into_bodies(self) -> Vec<Vec<u8>> {
        self.said.into_values().map(|(_, body)| body).collect()
    }
}

#[cfg(test)]
mod tests {
    use rekindle_protocol::schnorr::SecretKey;

    use super::*;

    const CEREMONY: Hash = Hash([7; 32]);
    const STEP: u8 = 3;

    fn secret(id: GuardianId) -> SecretKey {
        SecretKey::from_bytes(&[u8::try_from(id).unwrap() + 1; 32]).unwrap()
    }

    fn statement(id: GuardianId, body: &[u8]) -> Statement {
        Statement::sign(&CEREMONY, STEP, id, body, &secret(id))
    }

    fn round(own: GuardianId) -> Round {
        let keys = (0..4).map(|id| secret(id).public_key()).collect();
        Round::new(CEREMONY, STEP, own, keys, statement(own, &[0]), vec![0])
    }

    /// Guardian 0's round after it has heard what `body` says of each.
    fn heard(body: impl Fn(GuardianId) -> Vec<u8>) -> (Round, Message) {
        let mut round = round(0);
        let mut echo = None;
        for id in 1..4 {
            assert_eq!(echo, None);
            echo = round.on_say(id, statement(id, &body(id)), body(id)).unwrap();
        }
        (round, echo.unwrap())
    }

    fn statements(echo: &Message) -> Vec<Statement> {
        let Message::Echo { heard, .. } = echo else { panic!("not an echo") };
        heard.clone()
    }

    #[test]
    fn ends_when_all_have_heard_the_same() {
        let (mut round, echo) = heard(|id| vec![u8::try_from(id).unwrap()]);
        assert_eq!(round.missing(), [1, 2, 3]);
        for id in 1..4 {
            round.on_echo(id, statements(&echo)).unwrap();
        }
        assert_eq!(round.missing(), [0; 0]);
        assert_eq!(round.into_bodies(), [[0], [1], [2], [3]]);
    }

    #[test]
    fn an_echo_may_come_before_the_statements() {
        let (_, echo) = heard(|_| vec![5]);
        let mut early = round(0);
        early.on_echo(2, statements(&echo)).unwrap();
        for id in 1..4 {
            early.on_say(id, statement(id, &[5]), vec![5]).unwrap();
        }
        assert_eq!(early.missing(), [1, 3]);
        let mut early = round(0);
        early.on_echo(2, statements(&echo)).unwrap();
        for id in [2, 3] {
            early.on_say(id, statement(id, &[5]), vec![5]).unwrap();
        }
        let culprit = early.on_say(1, statement(1, &[6]), vec![6]).unwrap_err();
        assert_eq!(culprit, Culprit { id: 1, what: "different statements to different participants" });
    }

    #[test]
    fn who_has_said_nothing_is_late_before_who_could_not_tell_what_it_heard() {
        let mut round = round(0);
        round.on_say(1, statement(1, &[5]), vec![5]).unwrap();
        assert_eq!((round.missing(), round.late()), (vec![1, 2, 3], vec![2, 3]));
        for id in [2, 3] {
            round.on_say(id, statement(id, &[5]), vec![5]).unwrap();
        }
        assert_eq!(round.late(), [1, 2, 3]);
        round.on_echo(2, round.heard()).unwrap();
        assert_eq!(round.late(), [1, 3]);
    }

    #[test]
    fn who_says_different_things_is_named_by_its_own_signatures() {
        let (mut round, echo) = heard(|_| vec![5]);
        let mut other = statements(&echo);
        other[3] = statement(3, &[6]);
        let culprit = round.on_echo(1, other).unwrap_err();
        assert_eq!(culprit, Culprit { id: 3, what: "different statements to different participants" });
    }

    #[test]
    fn who_tells_of_what_was_never_said_is_named() {
        let what = "a statement that nobody has made";
        let (mut round, echo) = heard(|_| vec![5]);
        let mut forged = statements(&echo);
        forged[3].content = Hash([0; 32]);
        assert_eq!(round.on_echo(1, forged).unwrap_err(), Culprit { id: 1, what });
        // Not even with a signature of this participant from elsewhere, since it knows what it said.
        let mut forged = statements(&echo);
        forged[0] = statement(0, &[9]);
        assert_eq!(round.on_echo(2, forged).unwrap_err(), Culprit { id: 2, what });
    }

    #[test]
    fn who_breaks_the_form_is_named() {
        let what = |result: Result<Option<Message>, Culprit>| result.unwrap_err();
        let mut round = round(0);
        let unsigned = what(round.on_say(1, statement(2, &[5]), vec![5]));
        assert_eq!(unsigned, Culprit { id: 1, what: "a statement that it did not sign" });
        let other_body = what(round.on_say(1, statement(1, &[5]), vec![6]));
        assert_eq!(other_body.what, "a statement that it did not sign");
        round.on_say(1, statement(1, &[5]), vec![5]).unwrap();
        assert_eq!(what(round.on_say(1, statement(1, &[5]), vec![5])).what, "a second statement");
        assert_eq!(what(round.on_say(9, statement(1, &[5]), vec![5])).what, "a statement of nobody");
        let short = round.on_echo(1, vec![statement(1, &[5])]).unwrap_err();
        assert_eq!(short.what, "statements of another number of participants");
        let all = vec![statement(1, &[5]); 4];
        round.on_echo(2, all.clone()).unwrap();
        assert_eq!(round.on_echo(2, all).unwrap_err().what, "twice what it has heard");
    }
}
