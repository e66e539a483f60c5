//! Messages on their way.

use bytes::Bytes;
use rand::Rng;

use super::{
    body::Body,
    byzantine::{Role, tamper},
    net::{BodyId, Sent},
    plan::{Heard, TROUBLE},
    world::{Event, World},
};

/// How long a message that was lost takes to be sent again.
const RETRANSMIT: u64 = 400;

impl World {
    /// Puts what a body has sent in flight, or as much of it as is heard of one that dies.
    pub fn ship(&mut self, body: BodyId, heard: Heard) {
        let (mut sent, mut acknowledged) = self.net.take();
        match heard {
            Heard::All => {}
            Heard::Part => {
                let count = self.rng.gen_range(0..=sent.len());
                sent.truncate(count);
                acknowledged.clear();
            }
            Heard::Nothing => {
                sent.clear();
                acknowledged.clear();
            }
        }
        for sent in sent {
            self.put_in_flight(sent);
        }
        for acknowledged in acknowledged {
            let time = self.now + self.rng.gen_range(0..=self.plan.delay);
            self.schedule(time, Event::Acknowledged(acknowledged));
        }
        self.trace.update(&self.now.to_le_bytes()).update(&(body as u64).to_le_bytes());
    }

    pub fn put_in_flight(&mut self, sent: Sent) {
        let Some(bytes) = self.net.content(sent) else { return };
        let Body { id, role, turned, run, .. } = self.bodies[sent.from];
        if role == Role::Honest {
            self.checks.said.add(sent.from, sent.to, &bytes);
        }
        let faulty = if turned || matches!(role, Role::Lies | Role::Garbles) { role } else { Role::Honest };
        let keys = &self.dealt.guardians[usize::from(id)];
        let messages = tamper(faulty, keys, self.bodies[sent.to].id, bytes, &mut self.rng);
        for bytes in messages {
            self.trace.update(&bytes);
            let times = if self.one_in(self.plan.repeat_one_in) { 2 } else { 1 };
            for _ in 0..times {
                let time = self.now + self.rng.gen_range(0..=self.plan.delay);
                self.schedule(time, Event::Arrives { sent, bytes: bytes.clone(), run });
            }
        }
    }

    fn one_in(&mut self, n: u32) -> bool {
        n > 0 && self.now < TROUBLE && self.rng.gen_ratio(1, n)
    }

    pub fn arrives(&mut self, sent: Sent, bytes: Bytes, run: u64) {
        if self.bodies[sent.to].node.is_none() {
            // Whoever keeps it sends it again when the receiver starts.
            return;
        }
        let apart = self
            .partitions
            .values()
            .any(|away| away.contains(&self.bodies[sent.from].id) != away.contains(&self.bodies[sent.to].id));
        if apart || self.one_in(self.plan.lose_one_in) {
            // A sender that died meanwhile does not send it again.
            if self.bodies[sent.from].run == run {
                self.schedule(self.now + RETRANSMIT, Event::Arrives { sent, bytes, run });
            }
            return;
        }
        self.net.deliver(sent, bytes);
        // Writing to a disk takes a moment, in which more arrives.
        let busy = self.rng.gen_range(0..=self.plan.delay / 2);
        self.step_soon(sent.to, self.now + busy);
    }

    /// How many messages wait on the longest link.
    pub fn longest_queue(&self) -> usize {
        self.net.longest_queue()
    }
}
