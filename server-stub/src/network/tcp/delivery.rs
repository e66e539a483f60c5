//! Whatever happens to connections and to the receiver: every message arrives, in order, until it is written down.

use std::collections::VecDeque;

use bytes::Bytes;
use proptest::{collection::vec, prelude::*};

use super::{
    frame::Frame,
    links::{Generation, Links},
};
use crate::network::OutboxLimits;

/// What happens.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// The sender sends the next message.
    Send,
    /// A new connection comes up; whatever the one before carried is lost.
    Connect,
    /// So many frames arrive on it, in each direction.
    Carry(usize),
    /// The receiver takes what has arrived.
    Take,
    /// It writes down so many of what it has taken.
    WriteDown(usize),
    /// The receiver restarts with nothing but what it has written down.
    Restart,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => Just(Event::Send),
        2 => Just(Event::Connect),
        4 => (0usize..4).prop_map(Event::Carry),
        3 => Just(Event::Take),
        3 => (0usize..3).prop_map(Event::WriteDown),
        1 => Just(Event::Restart),
    ]
}

struct Link {
    sender: Links,
    receiver: Links,
    runs: u64,
    /// The connection at each end, and what is on its way from and to the sender.
    connection: Option<(Generation, Generation)>,
    there: VecDeque<Frame>,
    back: VecDeque<Frame>,
    sent: u64,
    /// What the receiver has taken in this run and not written down: its numbers and the messages.
    taken: VecDeque<(u64, u64)>,
    /// The message after the last that it has taken in this run.
    next: Option<u64>,
    /// How many messages it has written down.
    written: u64,
}

/// The sender is guardian 0, the receiver 1.
fn links(own: u16, run: u64) -> Links {
    Links::new(own, 2, run, 1, OutboxLimits::default())
}

impl Link {
    fn new() -> Self {
        Self {
            sender: links(0, 1),
            receiver: links(1, 2),
            runs: 2,
            connection: None,
            there: VecDeque::new(),
            back: VecDeque::new(),
            sent: 0,
            taken: VecDeque::new(),
            next: None,
            written: 0,
        }
    }

    fn happens(&mut self, event: Event) {
        match event {
            Event::Send => {
                self.sender.send(1, Some(self.sent), Bytes::from(self.sent.to_le_bytes().to_vec()));
                self.sent += 1;
            }
            Event::Connect => {
                let (near, told_receiver) = self.sender.begin(1).unwrap();
                let (far, told_sender) = self.receiver.begin(0).unwrap();
                assert!(self.sender.greet(1, near, self.receiver.run(), told_sender));
                assert!(self.receiver.greet(0, far, self.sender.run(), told_receiver));
                self.connection = Some((near, far));
                self.there.clear();
                self.back.clear();
            }
            Event::Carry(count) => self.carry(count),
            Event::Take => {
                while let Some((number, bytes)) = self.receiver.take(0) {
                    let message = u64::from_le_bytes(bytes[..].try_into().unwrap());
                    match self.next {
                        Some(next) => {
                            assert_eq!(message, next, "nothing twice and nothing left out in a run")
                        }
                        None => assert!(message <= self.written, "nothing left out that is not written down"),
                    }
                    self.next = Some(message + 1);
                    self.taken.push_back((number, message));
                }
            }
            Event::WriteDown(count) => {
                for _ in 0..count {
                    let Some((number, message)) = self.taken.pop_front() else { break };
                    self.receiver.write_down(0, number);
                    self.written = self.written.max(message + 1);
                }
            }
            Event::Restart => {
                self.runs += 1;
                self.receiver = links(1, self.runs);
                self.connection = None;
                self.taken.clear();
                self.next = None;
            }
        }
    }

    fn carry(&mut self, count: usize) {
        let Some((near, far)) = self.connection else { return };
        self.there.extend(self.sender.outgoing(1, near));
        self.back.extend(self.receiver.outgoing(0, far));
        for _ in 0..count {
            match self.there.pop_front() {
                Some(Frame::Message { number, bytes }) => {
                    self.receiver.receive(0, far, number, bytes).unwrap();
                }
                Some(other) => panic!("{other:?}"),
                None => {}
            }
            match self.back.pop_front() {
                Some(Frame::Acknowledge { last }) => self.sender.acknowledged(1, near, last),
                Some(other) => panic!("{other:?}"),
                None => {}
            }
        }
    }
}

proptest! {
    #[test]
    fn every_message_arrives_in_order_until_it_is_written_down(events in vec(event(), 0..200)) {
        let mut link = Link::new();
        for event in events {
            link.happens(event);
        }
        // In the end all of it gets through and is kept no longer.
        let all = usize::try_from(link.sent).unwrap() + 1;
        for event in [Event::Connect, Event::Carry(all), Event::Take, Event::WriteDown(all), Event::Carry(1)] {
            link.happens(event);
        }
        prop_assert_eq!(link.written, link.sent);
        prop_assert_eq!(link.sender.oldest_epoch(), None);
    }
}
