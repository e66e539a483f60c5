//! Running steps over connections.

use std::{collections::BTreeMap, time::Duration};

use rekindle_protocol::{encoding::Canonical, schnorr};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout_at},
};
use tracing::info;

use super::{
    Participants, SetupError,
    message::{Message, Statement},
    round::{Culprit, Round},
};
use crate::consensus::GuardianId;

/// What comes in from a participant.
#[derive(Debug)]
pub enum Event {
    /// A message.
    Message(Message),
    /// Bytes that are no message.
    Garbage,
    /// The participant lost its part of the ceremony and began again.
    Again,
    /// The participant is away, and has been for long.
    Closed(String),
}

/// The ends of the links to all others.
pub struct Wire {
    /// Takes messages for all of them.
    pub outgoing: mpsc::Sender<Message>,
    /// Gives what they send.
    pub incoming: mpsc::Receiver<(GuardianId, Event)>,
}

/// The exchange of statements, step by step.
pub struct Exchange<'a> {
    participants: &'a Participants,
    identity: &'a schnorr::SecretKey,
    wire: &'a mut Wire,
    /// How long each step may take.
    patience: Duration,
    step: u8,
    /// Messages of the next step, from participants that are done with this one.
    early: Vec<(GuardianId, Message)>,
    closed: BTreeMap<GuardianId, String>,
}

impl<'a> Exchange<'a> {
    /// An exchange before its first step.
    pub fn new(
        participants: &'a Participants,
        identity: &'a schnorr::SecretKey,
        wire: &'a mut Wire,
        patience: Duration,
    ) -> Self {
        let (early, closed) = (Vec::new(), BTreeMap::new());
        Self { participants, identity, wire, patience, step: 0, early, closed }
    }

    /// Says `body` to all and gives what all have said, by id: the same to everybody. `name` is the step's for people.
    ///
    /// # Errors
    /// [`SetupError`] with the name of who broke the rules, gave up, went away or said nothing.
    pub async fn step<T: Canonical>(
        &mut self,
        name: &'static str,
        statement: &T,
    ) -> Result<Vec<T>, SetupError> {
        info!("step {} of 6: {name}", self.step + 1);
        let bodies = self.exchange(name, statement.to_bytes()).await?;
        let mut said = Vec::with_capacity(bodies.len());
        for (id, body) in (0..).zip(bodies) {
            said.push(
                T::from_bytes(&body)
                    .map_err(|_| self.misbehaved(id, "a statement that does not decode", name))?,
            );
        }
        Ok(said)
    }

    async fn exchange(&mut self, name: &'static str, body: Vec<u8>) -> Result<Vec<Vec<u8>>, SetupError> {
        let (own, ceremony) = (self.participants.own(), self.participants.ceremony());
        let step = self.step;
        let statement = Statement::sign(&ceremony, step, own, &body, self.identity);
        let keys = self.participants.infos().iter().map(|info| info.identity).collect();
        let mut round = Round::new(ceremony, step, own, keys, statement, body.clone());
        self.tell(Message::Say { step, statement, body }).await;
        let deadline = Instant::now() + self.patience;
        for (from, message) in std::mem::take(&mut self.early) {
            self.handle(&mut round, from, message, name).await?;
        }
        loop {
            let missing = round.missing();
            if missing.is_empty() {
                self.step += 1;
                return Ok(round.into_bodies());
            }
            let gone: Vec<_> =
                missing.iter().filter_map(|id| Some((*id, self.closed.get(id)?.clone()))).collect();
            if !gone.is_empty() {
                return Err(self.silent(gone.into_iter().map(|(id, why)| (id, Some(why))), name));
            }
            let (from, event) = match timeout_at(deadline, self.wire.incoming.recv()).await {
                Ok(Some(event)) => event,
                // Without connections nothing comes any more.
                Ok(None) | Err(_) => {
                    return Err(self.silent(round.late().into_iter().map(|id| (id, None)), name));
                }
            };
            match event {
                Event::Message(message) => {
                    self.closed.remove(&from);
                    self.handle(&mut round, from, message, name).await?;
                }
                Event::Again => return Err(SetupError::BeganAgain(self.participants.who(from))),
                Event::Garbage => return Err(self.misbehaved(from, "bytes that are no message", name)),
                Event::Closed(why) => {
                    self.closed.insert(from, why);
                }
            }
        }
    }

    async fn handle(
        &mut self,
        round: &mut Round,
        from: GuardianId,
        message: Message,
        name: &'static str,
    ) -> Result<(), SetupError> {
        let blame = |culprit: Culprit| SetupError::Misbehaved {
            who: self.participants.who(culprit.id),
            what: culprit.what.into(),
            step: name,
        };
        match message {
            Message::Say { step, statement, body } if step == self.step => {
                if let Some(echo) = round.on_say(from, statement, body).map_err(blame)? {
                    self.tell(echo).await;
                }
            }
            Message::Echo { step, heard } if step == self.step => {
                round.on_echo(from, heard).map_err(blame)?;
            }
            Message::GiveUp { reason } => {
                return Err(SetupError::GaveUp { who: self.participants.who(from), reason });
            }
            // Who has heard everything may begin the next step before this participant has. It can't end it.
            Message::Say { step, .. }
                if step == self.step + 1 && self.early.iter().all(|(other, _)| *other != from) =>
            {
                self.early.push((from, message));
            }
            _ => return Err(self.misbehaved(from, "a message out of its order", name)),
        }
        Ok(())
    }

    /// Tells everybody why this participant gives up.
    pub async fn give_up(&mut self, error: &SetupError) {
        self.tell(Message::give_up(&error.to_string())).await;
    }

    async fn tell(&mut self, message: Message) {
        // Who is gone is noticed where an answer is missing.
        let _ = self.wire.outgoing.send(message).await;
    }

    /// An error about a participant, for what this exchange can't judge.
    pub fn misbehaved(&self, id: GuardianId, what: &str, step: &'static str) -> SetupError {
        SetupError::Misbehaved { who: self.participants.who(id), what: what.into(), step }
    }

    fn silent(
        &self,
        who: impl Iterator<Item = (GuardianId, Option<String>)>,
        step: &'static str,
    ) -> SetupError {
        SetupError::Silent { who: who.map(|(id, why)| (self.participants.who(id), why)).collect(), step }
    }
}
