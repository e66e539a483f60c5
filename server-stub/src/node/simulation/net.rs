//! Links between simulated guardians: a message is kept until it is acknowledged, and on its way it may be late,
//! overtaken, lost and sent again, or come twice.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;

use crate::{consensus::GuardianId, network::PeerNetwork};

/// Number of a body: something that runs as a guardian. A guardian that equivocates has two.
pub type BodyId = usize;

/// All links.
#[derive(Clone, Default)]
pub struct Net(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    bodies: Vec<Ends>,
    /// What each body keeps for each other.
    links: BTreeMap<(BodyId, BodyId), Link>,
    /// What was handed over since the last look.
    sent: Vec<Sent>,
    acknowledged: Vec<Sent>,
}

#[derive(Default)]
struct Link {
    next: u64,
    kept: BTreeMap<u64, (Option<u64>, Bytes)>,
}

struct Ends {
    id: GuardianId,
    /// The guardians that hear it.
    audience: BTreeSet<GuardianId>,
    inboxes: BTreeMap<GuardianId, VecDeque<(u64, Bytes)>>,
    /// What was delivered and is not acknowledged: by sender and number of the delivery.
    delivered: BTreeMap<(GuardianId, u64), (BodyId, u64)>,
    deliveries: u64,
}

/// A message by its link and number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sent {
    pub from: BodyId,
    pub to: BodyId,
    pub number: u64,
}

impl Net {
    pub fn add(&self, id: GuardianId, audience: BTreeSet<GuardianId>) -> BodyId {
        let mut inner = self.lock();
        inner.bodies.push(Ends {
            id,
            audience,
            inboxes: BTreeMap::new(),
            delivered: BTreeMap::new(),
            deliveries: 0,
        });
        inner.bodies.len() - 1
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The network's end of a body.
    pub fn end(&self, body: BodyId) -> End {
        End { net: self.clone(), body }
    }

    /// Forgets what a body that crashes had not delivered, and what it had not handled.
    pub fn crash(&self, body: BodyId) {
        let mut inner = self.lock();
        for ((from, _), link) in &mut inner.links {
            if *from == body {
                link.kept.clear();
            }
        }
        let ends = &mut inner.bodies[body];
        ends.inboxes.clear();
        ends.delivered.clear();
    }

    /// What was sent and acknowledged since the last look.
    pub fn take(&self) -> (Vec<Sent>, Vec<Sent>) {
        let mut inner = self.lock();
        (std::mem::take(&mut inner.sent), std::mem::take(&mut inner.acknowledged))
    }

    /// The content of a message that is kept.
    pub fn content(&self, sent: Sent) -> Option<Bytes> {
        Some(self.lock().links.get(&(sent.from, sent.to))?.kept.get(&sent.number)?.1.clone())
    }

    /// Everything that is kept for a body.
    pub fn kept_for(&self, to: BodyId) -> Vec<Sent> {
        let inner = self.lock();
        let links = inner.links.iter().filter(|((_, receiver), _)| *receiver == to);
        links
            .flat_map(|((from, _), link)| {
                link.kept.keys().map(|number| Sent { from: *from, to, number: *number })
            })
            .collect()
    }

    /// How many messages are kept on each link, the most of all.
    pub fn longest_queue(&self) -> usize {
        self.lock().links.values().map(|link| link.kept.len()).max().unwrap_or(0)
    }

    /// Puts a message in front of its receiver.
    pub fn deliver(&self, sent: Sent, bytes: Bytes) {
        let inner = &mut *self.lock();
        let id = inner.bodies[sent.from].id;
        let ends = &mut inner.bodies[sent.to];
        let number = ends.deliveries;
        ends.deliveries += 1;
        ends.inboxes.entry(id).or_default().push_back((number, bytes));
        ends.delivered.insert((id, number), (sent.from, sent.number));
    }

    /// Forgets a message that was acknowledged.
    pub fn forget(&self, sent: Sent) {
        if let Some(link) = self.lock().links.get_mut(&(sent.from, sent.to)) {
            link.kept.remove(&sent.number);
        }
    }
}

/// A body's end of its links.
pub struct End {
    net: Net,
    body: BodyId,
}

impl PeerNetwork for End {
    fn send(&mut self, to: GuardianId, epoch: Option<u64>, message: Bytes) {
        let inner = &mut *self.net.lock();
        if !inner.bodies[self.body].audience.contains(&to) {
            return;
        }
        for receiver in (0..inner.bodies.len()).filter(|receiver| inner.bodies[*receiver].id == to) {
            let link = inner.links.entry((self.body, receiver)).or_default();
            link.kept.insert(link.next, (epoch, message.clone()));
            inner.sent.push(Sent { from: self.body, to: receiver, number: link.next });
            link.next += 1;
        }
    }

    fn next(&mut self, from: GuardianId) -> Option<(u64, Bytes)> {
        self.net.lock().bodies[self.body].inboxes.get_mut(&from)?.pop_front()
    }

    fn acknowledge(&mut self, from: GuardianId, last: u64) {
        let inner = &mut *self.net.lock();
        let ends = &mut inner.bodies[self.body];
        let done: Vec<_> = ends.delivered.range((from, 0)..=(from, last)).map(|(key, _)| *key).collect();
        for key in done {
            if let Some((sender, number)) = ends.delivered.remove(&key) {
                inner.acknowledged.push(Sent { from: sender, to: self.body, number });
            }
        }
    }

    fn release(&mut self, epoch: u64) {
        for ((from, _), link) in &mut self.net.lock().links {
            if *from == self.body {
                link.kept.retain(|_, (of, _)| of.is_none_or(|of| of >= epoch));
            }
        }
    }

    fn ban(&mut self, _peer: GuardianId, _reason: &str, _evidence: &Bytes) {
        // The node does not listen to it any more; that it still speaks is the harder case.
    }

    async fn changed(&mut self) {
        // The world steps a node when there is something for it.
        std::future::pending().await
    }
}
