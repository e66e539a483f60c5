//! The sender's end of a link: what the receiver has not acknowledged.

use std::collections::{BTreeMap, btree_map::Entry};

use bytes::Bytes;

/// How much is kept for a receiver that does not acknowledge.
#[derive(Clone, Copy, Debug)]
pub struct OutboxLimits {
    /// Most messages.
    pub messages: usize,
    /// Most bytes in all messages.
    pub bytes: usize,
}

impl Default for OutboxLimits {
    /// Enough for thousands of epochs.
    fn default() -> Self {
        Self { messages: 500_000, bytes: 64 << 20 }
    }
}

/// Messages on their way to one receiver, numbered from 0. Those that are dropped or released leave gaps.
#[derive(Debug)]
pub struct Outbox {
    limits: OutboxLimits,
    /// The number of the next message.
    next: u64,
    /// By number.
    messages: BTreeMap<u64, Kept>,
    bytes: usize,
    /// How many of the messages kept are of each epoch.
    epochs: BTreeMap<u64, usize>,
    dropped: u64,
}

#[derive(Debug)]
struct Kept {
    epoch: Option<u64>,
    bytes: Bytes,
}

impl Outbox {
    /// An empty outbox.
    pub fn new(limits: OutboxLimits) -> Self {
        Self { limits, next: 0, messages: BTreeMap::new(), bytes: 0, epochs: BTreeMap::new(), dropped: 0 }
    }

    /// Appends a message and returns its number. `epoch` is that of the consensus messages, none for others.
    ///
    /// Beyond the limits the oldest messages are dropped: a receiver so far behind needs a certificate of what
    /// it missed, and then the newest messages.
    pub fn push(&mut self, epoch: Option<u64>, bytes: Bytes) -> u64 {
        self.bytes += bytes.len();
        if let Some(epoch) = epoch {
            *self.epochs.entry(epoch).or_default() += 1;
        }
        let number = self.next;
        self.next += 1;
        self.messages.insert(number, Kept { epoch, bytes });
        while self.messages.len() > 1
            && (self.messages.len() > self.limits.messages || self.bytes > self.limits.bytes)
        {
            self.pop();
            self.dropped += 1;
        }
        number
    }

    /// Forgets all messages up to and including number `last`.
    pub fn acknowledge(&mut self, last: u64) {
        while self.messages.first_key_value().is_some_and(|(number, _)| *number <= last) {
            self.pop();
        }
    }

    /// Forgets the messages of epochs before `epoch`, which nobody needs any more, and keeps those of none.
    pub fn release(&mut self, epoch: u64) {
        if self.oldest_epoch().is_none_or(|oldest| oldest >= epoch) {
            return;
        }
        let released = |kept: &Kept| kept.epoch.is_some_and(|of| of < epoch);
        self.bytes -=
            self.messages.values().filter(|kept| released(kept)).map(|kept| kept.bytes.len()).sum::<usize>();
        self.messages.retain(|_, kept| !released(kept));
        self.epochs = self.epochs.split_off(&epoch);
    }

    /// Forgets all messages; the numbers go on.
    pub fn clear(&mut self) {
        while !self.messages.is_empty() {
            self.pop();
        }
    }

    fn pop(&mut self) {
        if let Some((_, kept)) = self.messages.pop_first() {
            self.bytes -= kept.bytes.len();
            if let Some(Entry::Occupied(mut count)) = kept.epoch.map(|epoch| self.epochs.entry(epoch)) {
                *count.get_mut() -= 1;
                if *count.get() == 0 {
                    count.remove();
                }
            }
        }
    }

    /// The number of the first message that is kept, or of the next one to come.
    pub fn first(&self) -> u64 {
        self.messages.first_key_value().map_or(self.next, |(number, _)| *number)
    }

    /// The first message whose number is at least `number`, with its number.
    pub fn get(&self, number: u64) -> Option<(u64, &Bytes)> {
        self.messages.range(number..).next().map(|(number, kept)| (*number, &kept.bytes))
    }

    /// The lowest epoch of a message that is not acknowledged: records from it on are still needed.
    pub fn oldest_epoch(&self) -> Option<u64> {
        self.epochs.first_key_value().map(|(epoch, _)| *epoch)
    }

    /// How many messages are waiting.
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether everything was acknowledged.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// How many messages were dropped unacknowledged.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outbox(messages: usize, bytes: usize) -> Outbox {
        Outbox::new(OutboxLimits { messages, bytes })
    }

    #[test]
    fn keeps_until_acknowledged() {
        let mut outbox = outbox(10, 1000);
        for epoch in [3, 4, 3] {
            outbox.push(Some(epoch), Bytes::from_static(b"m"));
        }
        assert_eq!(outbox.push(None, Bytes::from_static(b"last")), 3);
        assert_eq!(outbox.get(0).unwrap().0, 0);
        assert_eq!(outbox.oldest_epoch(), Some(3));
        outbox.acknowledge(1);
        assert_eq!(outbox.get(0).unwrap().0, 2);
        assert_eq!(outbox.oldest_epoch(), Some(3));
        outbox.acknowledge(2);
        assert_eq!(outbox.oldest_epoch(), None);
        assert_eq!(outbox.get(0), Some((3, &Bytes::from_static(b"last"))));
        outbox.acknowledge(u64::MAX);
        assert!(outbox.is_empty());
        assert_eq!(outbox.push(Some(9), Bytes::new()), 4);
        outbox.clear();
        assert_eq!((outbox.first(), outbox.oldest_epoch(), outbox.get(0)), (5, None, None));
    }

    #[test]
    fn releases_what_nobody_needs() {
        let mut outbox = outbox(10, 1000);
        for epoch in [Some(3), None, Some(5), Some(4)] {
            outbox.push(epoch, Bytes::from_static(b"m"));
        }
        outbox.release(5);
        assert_eq!((outbox.len(), outbox.bytes, outbox.oldest_epoch()), (2, 2, Some(5)));
        assert_eq!((outbox.get(0).unwrap().0, outbox.get(2).unwrap().0), (1, 2));
        assert_eq!(outbox.get(3), None);
        outbox.release(9);
        assert_eq!((outbox.len(), outbox.first()), (1, 1));
        assert_eq!(outbox.push(Some(9), Bytes::new()), 4);
    }

    #[test]
    fn drops_the_oldest_beyond_its_limits() {
        let mut by_count = outbox(2, 1000);
        let mut by_bytes = outbox(100, 10);
        for number in 0..5 {
            assert_eq!(by_count.push(None, Bytes::from_static(b"four")), number);
            assert_eq!(by_bytes.push(None, Bytes::from_static(b"four")), number);
        }
        for outbox in [by_count, by_bytes] {
            assert_eq!((outbox.len(), outbox.dropped()), (2, 3));
            assert_eq!(outbox.get(0).unwrap().0, 3);
        }
    }
}
