//! What the engine leaves out of binary agreement.
//!
//! In every round of a binary agreement a guardian says which values it could agree to (`BVal`), and says so of a value
//! too when f+1 others have: that is how a value which one correct guardian takes in is taken in by all (Mostéfaoui,
//! Moumen, Raynal: "Signature-Free Asynchronous Byzantine Consensus with t < n/3 and O(n²) Messages", PODC 2014, figure
//! 1). The engine stops doing that once it has left a round, or is done with the epoch. Then a guardian may wait in that
//! round for ever for the one voice that is missing, because a faulty guardian spoke to some and not to others.

use std::collections::{BTreeMap, BTreeSet};

use super::GuardianId;

/// An agreement on one guardian's proposal: the epoch and the guardian.
type Agreement = (u64, GuardianId);

/// A message of an agreement, as much of it as matters.
struct Said {
    agreement: Agreement,
    round: u64,
    /// The value, if it is a `BVal`.
    value: Option<bool>,
}

impl Said {
    /// Reads an encoded engine message: epoch (8 bytes), 0 (4), proposer (2), 1 for an agreement (4), round (8), kind
    /// (4), and for the kind 0: 0 for `BVal` (4) and the value (1), all little endian.
    fn read(message: &[u8]) -> Option<Self> {
        let (epoch, rest) = message.split_first_chunk()?;
        let (_, rest) = rest.split_first_chunk::<4>()?;
        let (proposer, rest) = rest.split_first_chunk()?;
        let rest = rest.strip_prefix(&1u32.to_le_bytes())?;
        let (round, rest) = rest.split_first_chunk()?;
        let value = match rest {
            [0, 0, 0, 0, 0, 0, 0, 0, value] => Some(*value != 0),
            _ => None,
        };
        let agreement = (u64::from_le_bytes(*epoch), u16::from_le_bytes(*proposer));
        Some(Self { agreement, round: u64::from_le_bytes(*round), value })
    }
}

/// Who has said what in the rounds of the agreements under way.
pub(super) struct Relay {
    max_faulty: usize,
    /// The last round of each agreement in which the engine has spoken: it has left those before.
    reached: BTreeMap<Agreement, u64>,
    /// The peers that said a value, by round.
    said: BTreeMap<(Agreement, u64, bool), BTreeSet<GuardianId>>,
    /// The values that this guardian has said.
    own: BTreeSet<(Agreement, u64, bool)>,
}

impl Relay {
    pub fn new(max_faulty: usize) -> Self {
        Self { max_faulty, reached: BTreeMap::new(), said: BTreeMap::new(), own: BTreeSet::new() }
    }

    /// The engine sends a message.
    pub fn on_sent(&mut self, message: &[u8]) {
        let Some(Said { agreement, round, value }) = Said::read(message) else { return };
        let reached = self.reached.entry(agreement).or_default();
        *reached = round.max(*reached);
        self.own.extend(value.map(|value| (agreement, round, value)));
    }

    /// Whether a peer's message can lead to something although the engine is done with its epoch.
    pub fn awaits(&self, message: &[u8]) -> bool {
        let Some(Said { agreement, round, value: Some(value) }) = Said::read(message) else { return false };
        self.has_left(agreement, round) && !self.own.contains(&(agreement, round, value))
    }

    /// The engine has handled a peer's message, or is done with its epoch. True if this guardian is to say the very same to all.
    pub fn on_received(&mut self, from: GuardianId, message: &[u8]) -> bool {
        let Some(Said { agreement, round, value: Some(value) }) = Said::read(message) else { return false };
        let key = (agreement, round, value);
        let said = self.said.entry(key).or_default();
        said.insert(from);
        let enough = said.len() > self.max_faulty;
        enough && self.has_left(agreement, round) && self.own.insert(key)
    }

    fn has_left(&self, agreement: Agreement, round: u64) -> bool {
        self.reached.get(&agreement).is_some_and(|reached| round < *reached)
    }

    /// Nobody needs this guardian's voice in epochs before `epoch`.
    pub fn forget_before(&mut self, epoch: u64) {
        let first = (epoch, 0);
        self.reached = self.reached.split_off(&first);
        self.said = self.said.split_off(&(first, 0, false));
        self.own = self.own.split_off(&(first, 0, false));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bval(epoch: u64, proposer: u16, round: u64, value: bool) -> Vec<u8> {
        let agreement = [&epoch.to_le_bytes()[..], &[0; 4], &proposer.to_le_bytes(), &1u32.to_le_bytes()];
        [&agreement.concat()[..], &round.to_le_bytes(), &[0; 8], &[u8::from(value)]].concat()
    }

    #[test]
    fn a_value_of_a_round_left_behind_is_said_once_when_enough_others_say_it() {
        let mut relay = Relay::new(1);
        let late = bval(7, 2, 0, true);
        relay.on_sent(&bval(7, 2, 0, false));
        assert!(!relay.on_received(3, &late));
        // The engine is in this round and says it by itself.
        assert!(!relay.on_received(1, &late));
        relay.on_sent(&bval(7, 2, 1, false));
        assert!(relay.on_received(0, &late));
        assert!(!relay.on_received(0, &late), "once");
        // Nor what it has said before, nor in rounds to come, nor for one voice however often it speaks.
        for (message, from) in [
            (bval(7, 2, 0, false), [0, 1]),
            (bval(7, 2, 1, true), [0, 1]),
            (bval(7, 2, 2, true), [0, 1]),
            (bval(7, 1, 0, true), [0, 1]),
            (bval(8, 2, 0, true), [0, 1]),
        ] {
            assert!(!from.into_iter().any(|from| relay.on_received(from, &message)), "{message:?}");
        }
        relay.on_sent(&bval(8, 0, 1, true));
        assert!(!relay.on_received(3, &bval(8, 0, 0, true)) && !relay.on_received(3, &bval(8, 0, 0, true)));
        relay.forget_before(8);
        assert!(relay.said.keys().chain(&relay.own).all(|((epoch, _), ..)| *epoch == 8));
        assert!(relay.on_received(1, &bval(8, 0, 0, true)));
    }

    #[test]
    fn awaits_what_it_has_not_said_in_rounds_left_behind() {
        let mut relay = Relay::new(1);
        relay.on_sent(&bval(7, 2, 0, false));
        assert!(!relay.awaits(&bval(7, 2, 0, true)), "the engine is in this round");
        relay.on_sent(&bval(7, 2, 1, false));
        assert!(relay.awaits(&bval(7, 2, 0, true)));
        assert!(!relay.awaits(&bval(7, 2, 0, false)) && !relay.awaits(&bval(7, 2, 1, true)));
        assert!(!relay.awaits(&bval(8, 2, 0, true)) && !relay.awaits(b"other"));
        assert!(!relay.on_received(0, &bval(7, 2, 0, true)) && relay.on_received(1, &bval(7, 2, 0, true)));
        assert!(!relay.awaits(&bval(7, 2, 0, true)), "said by now");
    }

    #[test]
    fn bytes_that_are_no_such_message_mean_nothing() {
        let mut relay = Relay::new(0);
        let message = bval(7, 2, 0, true);
        relay.on_sent(&bval(7, 2, 5, true));
        for len in 0..message.len() {
            assert!(!relay.on_received(1, &message[..len]));
        }
        assert!(relay.on_received(1, &message));
    }
}
