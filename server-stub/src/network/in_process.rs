//! Links between guardians of one process.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use tokio::sync::Notify;

use super::{Outbox, OutboxLimits, PeerNetwork, log_ban};
use crate::consensus::GuardianId;

/// Connects the guardians of one process, those that are running.
///
/// It behaves as a network does: when a guardian stops, what it had not delivered is lost with it, and what others
/// have for it waits.
#[derive(Clone)]
pub struct Hub(Arc<Inner>);

struct Inner {
    guardians: u16,
    /// `links[from][to]`.
    links: Mutex<Vec<Vec<Link>>>,
    /// Woken when there is something for a guardian.
    wakers: Vec<Notify>,
}

struct Link {
    outbox: Outbox,
    /// Number of the next message to hand to the receiver.
    next: u64,
}

/// A guardian's end. Dropping it is stopping.
pub struct HubEnd {
    hub: Hub,
    own: GuardianId,
    /// Who is not listened to and not sent to.
    banned: BTreeSet<GuardianId>,
}

impl Hub {
    /// A hub for `guardians` guardians, none of them connected.
    pub fn new(guardians: u16, limits: OutboxLimits) -> Self {
        let row = || (0..guardians).map(|_| Link { outbox: Outbox::new(limits), next: 0 }).collect();
        Self(Arc::new(Inner {
            guardians,
            links: Mutex::new((0..guardians).map(|_| row()).collect()),
            wakers: (0..guardians).map(|_| Notify::new()).collect(),
        }))
    }

    /// Connects a guardian that starts: it gets again what it has not acknowledged. `None` if it does not exist.
    /// The end of its run before must have been dropped.
    pub fn connect(&self, own: GuardianId) -> Option<HubEnd> {
        let row = usize::from(own);
        let mut links = self.links();
        for link in links.get_mut(row)? {
            link.outbox.clear();
        }
        for from in links.iter_mut() {
            from[row].next = from[row].outbox.first();
        }
        Some(HubEnd { hub: self.clone(), own, banned: BTreeSet::new() })
    }

    fn links(&self) -> MutexGuard<'_, Vec<Vec<Link>>> {
        // Nothing that holds the lock panics; were it to, the queues are still whole.
        self.0.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self, id: GuardianId) {
        self.0.wakers[usize::from(id)].notify_one();
    }
}

impl Drop for HubEnd {
    fn drop(&mut self) {
        // What it had not delivered is gone, as with a process that ends.
        for link in &mut self.hub.links()[usize::from(self.own)] {
            link.outbox.clear();
        }
    }
}

impl PeerNetwork for HubEnd {
    fn send(&mut self, to: GuardianId, epoch: Option<u64>, message: Bytes) {
        if to == self.own || to >= self.hub.0.guardians || self.banned.contains(&to) {
            return;
        }
        self.hub.links()[usize::from(self.own)][usize::from(to)].outbox.push(epoch, message);
        self.hub.wake(to);
    }

    fn next(&mut self, from: GuardianId) -> Option<(u64, Bytes)> {
        if self.banned.contains(&from) {
            return None;
        }
        let mut links = self.hub.links();
        let link = links.get_mut(usize::from(from))?.get_mut(usize::from(self.own))?;
        let (number, message) = link.outbox.get(link.next)?;
        let message = message.clone();
        link.next = number + 1;
        Some((number, message))
    }

    fn acknowledge(&mut self, from: GuardianId, last: u64) {
        if let Some(row) = self.hub.links().get_mut(usize::from(from)) {
            row[usize::from(self.own)].outbox.acknowledge(last);
        }
    }

    fn release(&mut self, epoch: u64) {
        for link in &mut self.hub.links()[usize::from(self.own)] {
            link.outbox.release(epoch);
        }
    }

    fn ban(&mut self, peer: GuardianId, reason: &str, evidence: &Bytes) {
        let mut links = self.hub.links();
        let Some(link) = links[usize::from(self.own)].get_mut(usize::from(peer)) else { return };
        link.outbox.clear();
        if self.banned.insert(peer) {
            log_ban(peer, reason, evidence);
        }
    }

    async fn changed(&mut self) {
        self.hub.0.wakers[usize::from(self.own)].notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::conformance::{Guardians, conforms};

    fn message(text: &'static str) -> Bytes {
        Bytes::from_static(text.as_bytes())
    }

    impl Guardians for Hub {
        type End = HubEnd;

        async fn start(&mut self, id: GuardianId) -> HubEnd {
            self.connect(id).unwrap()
        }

        fn oldest_epoch(end: &HubEnd) -> Option<u64> {
            let links = end.hub.links();
            links[usize::from(end.own)].iter().filter_map(|link| link.outbox.oldest_epoch()).min()
        }
    }

    conforms!(Hub::new(4, OutboxLimits::default()));

    #[test]
    fn a_sender_that_stops_loses_what_it_had_not_delivered_but_no_number() {
        let hub = Hub::new(4, OutboxLimits::default());
        let mut sender = hub.connect(0).unwrap();
        let mut receiver = hub.connect(1).unwrap();
        sender.send(1, None, message("a"));
        assert_eq!(receiver.next(0), Some((0, message("a"))));
        sender.send(1, None, message("lost"));
        drop(sender);
        let mut sender = hub.connect(0).unwrap();
        sender.send(1, None, message("again"));
        assert_eq!(receiver.next(0), Some((2, message("again"))));
        // An acknowledgement of the earlier run acknowledges nothing of this one.
        receiver.acknowledge(0, 1);
        assert_eq!(hub.links()[0][1].outbox.len(), 1);
        assert_eq!(receiver.next(2), None);
        assert!(hub.connect(4).is_none());
    }
}
