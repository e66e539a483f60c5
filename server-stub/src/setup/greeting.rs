//! Whose messages belong to this run of the ceremony.
//!
//! A participant whose process ends loses its part of the ceremony, and links that are made to last carry to its next
//! process what was meant for the one before. So everybody begins with a hello that names its run, and what comes from
//! a participant before its hello is of an earlier run and means nothing. A new run is greeted again until the ceremony
//! is under way; then it is an error, since what the participant said before is bound to secrets that it has lost.

use std::collections::{BTreeMap, VecDeque};

use super::message::{Message, VERSION};
use crate::consensus::GuardianId;

/// Most messages of one participant that are kept until the ceremony is under way. A correct one sends two, the second to
/// give up.
const MAX_EARLY: usize = 4;

/// What a message means.
#[derive(Debug, PartialEq, Eq)]
pub enum Meaning {
    /// Nothing.
    Nothing,
    /// It is for the ceremony.
    Ceremony(Message),
    /// The participant must be greeted: it may not have heard the hello before.
    Greet,
    /// It began again.
    Again,
    /// It runs another version.
    OtherVersion,
}

/// The hellos heard so far.
#[derive(Debug, Default)]
pub struct Greetings {
    runs: BTreeMap<GuardianId, u64>,
    under_way: bool,
    /// What came for the ceremony before it was under way.
    early: VecDeque<(GuardianId, Message)>,
}

impl Greetings {
    /// Whether a participant has said hello.
    pub fn heard(&self, peer: GuardianId) -> bool {
        self.runs.contains_key(&peer)
    }

    /// Handles a participant's message.
    pub fn on_message(&mut self, from: GuardianId, message: Message) -> Meaning {
        match message {
            Message::Hello { version, .. } if version != VERSION => Meaning::OtherVersion,
            Message::Hello { run, .. } if self.runs.get(&from) == Some(&run) => Meaning::Nothing,
            Message::Hello { .. } if self.under_way => Meaning::Again,
            Message::Hello { run, .. } => {
                self.runs.insert(from, run);
                self.early.retain(|(sender, _)| *sender != from);
                Meaning::Greet
            }
            _ if !self.heard(from) => Meaning::Nothing,
            message if self.under_way => Meaning::Ceremony(message),
            message => {
                if self.early.iter().filter(|(sender, _)| *sender == from).count() < MAX_EARLY {
                    self.early.push_back((from, message));
                }
                Meaning::Nothing
            }
        }
    }

    /// Everybody has said hello: what has come for the ceremony already.
    pub fn under_way(&mut self) -> VecDeque<(GuardianId, Message)> {
        self.under_way = true;
        std::mem::take(&mut self.early)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(run: u64) -> Message {
        Message::Hello { version: VERSION, run }
    }

    #[test]
    fn nothing_counts_before_the_hello_of_its_run() {
        let (old, new) = (Message::give_up("old"), Message::give_up("new"));
        let mut greetings = Greetings::default();
        assert_eq!(greetings.on_message(1, old.clone()), Meaning::Nothing);
        assert!(!greetings.heard(1));
        assert_eq!(greetings.on_message(1, hello(5)), Meaning::Greet);
        assert_eq!(greetings.on_message(1, hello(5)), Meaning::Nothing, "the answer to a hello of ours");
        assert_eq!(greetings.on_message(1, old.clone()), Meaning::Nothing);
        assert_eq!(greetings.on_message(1, hello(6)), Meaning::Greet);
        assert_eq!(greetings.on_message(1, new.clone()), Meaning::Nothing);
        assert_eq!(greetings.under_way(), [(1, new.clone())]);
        assert_eq!(greetings.on_message(1, hello(6)), Meaning::Nothing);
        assert_eq!(greetings.on_message(1, new.clone()), Meaning::Ceremony(new));
        assert_eq!(greetings.on_message(2, old), Meaning::Nothing);
    }

    #[test]
    fn nobody_fills_the_memory_before_it_begins() {
        let mut greetings = Greetings::default();
        greetings.on_message(1, hello(5));
        (0..100).for_each(|_| _ = greetings.on_message(1, Message::give_up("")));
        assert_eq!(greetings.under_way().len(), MAX_EARLY);
    }

    #[test]
    fn who_begins_again_or_runs_another_version_is_noticed() {
        let mut greetings = Greetings::default();
        greetings.on_message(1, hello(5));
        assert_eq!(greetings.on_message(2, Message::Hello { version: 9, run: 1 }), Meaning::OtherVersion);
        greetings.under_way();
        assert_eq!(greetings.on_message(1, hello(6)), Meaning::Again);
    }
}
