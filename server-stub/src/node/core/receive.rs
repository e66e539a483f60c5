//! What peers send.

use super::{Core, Time};
use crate::{
    consensus::{Fault, FaultKind, GuardianId},
    db,
    network::PeerNetwork,
    node::{
        NodeError,
        message::{CatchUpMessage, PeerMessage, SigningMessage},
        signing::SigningEffects,
    },
};

/// How many messages of each peer are handled, and logged in one durable write, at a time.
const GROUP: usize = 256;
/// How many bytes of them, and one message more.
const GROUP_BYTES: usize = 8 << 20;
/// How many messages that are answered with a lot are taken from each peer at a time; the rest it has to repeat.
const ANSWERS: usize = 4;

impl<N: PeerNetwork> Core<N> {
    /// Takes what peers have sent. True if anything was handled.
    pub(super) fn receive(&mut self, now: Time) -> Result<bool, NodeError> {
        let mut group = Vec::new();
        let mut others = Vec::new();
        let mut taken = Vec::new();
        let own = self.shared.id;
        for peer in (0..self.quorum.guardians).filter(|peer| *peer != own) {
            let (mut count, mut bytes) = (0, 0);
            let mut consensus = Vec::new();
            let mut last = None;
            while count < GROUP
                && bytes < GROUP_BYTES
                && let Some((number, message)) = self.network.next(peer)
            {
                last = Some(number);
                count += 1;
                bytes += message.len();
                if self.banned.contains(&peer) {
                    continue;
                }
                match PeerMessage::decode(&message) {
                    Some(PeerMessage::Consensus(message)) => consensus.push(message),
                    Some(message) => others.push((peer, message)),
                    None => {
                        let kind = FaultKind::Malformed("a message of no known kind");
                        self.blame(&Fault { culprit: peer, kind, evidence: message });
                    }
                }
            }
            group.push((peer, consensus));
            taken.extend(last.map(|number| (peer, number)));
        }
        let effects = self.engine.deliver(&group)?;
        self.perform(effects, now)?;
        let mut answered = vec![0; usize::from(self.quorum.guardians)];
        for (peer, message) in others {
            if self.banned.contains(&peer) {
                continue;
            }
            match message {
                PeerMessage::Signing(message) => self.on_signing(peer, message)?,
                PeerMessage::CatchUp(message) => {
                    let answers = &mut answered[usize::from(peer)];
                    *answers += usize::from(message.is_request());
                    if *answers <= ANSWERS || !message.is_request() {
                        self.on_catch_up(peer, message, now)?;
                    }
                }
                // Handled above.
                PeerMessage::Consensus(_) => {}
            }
        }
        for (peer, number) in &taken {
            self.network.acknowledge(*peer, *number);
        }
        Ok(!taken.is_empty())
    }

    fn on_signing(&mut self, from: GuardianId, message: SigningMessage) -> Result<(), NodeError> {
        let effects = match message {
            SigningMessage::Share { session, header, share } => {
                self.signing.on_share(from, session, header, share)
            }
            SigningMessage::Signature { header, signature } => {
                self.signing.on_signature(from, &header, &signature)?
            }
            SigningMessage::Request { session } => {
                let answer = match self.signing.on_request(session) {
                    Some(share) => Some(share),
                    None => db::read_signature(&self.shared.db.read()?, session)?
                        .map(|(header, signature)| SigningMessage::Signature { header, signature }),
                };
                let messages = answer.map(|answer| (Some(from), answer)).into_iter().collect();
                SigningEffects { messages, ..SigningEffects::default() }
            }
        };
        self.perform_signing(effects)
    }

    fn on_catch_up(&mut self, from: GuardianId, message: CatchUpMessage, now: Time) -> Result<(), NodeError> {
        match message {
            CatchUpMessage::Status { status, ask } => {
                self.catch_up.on_status(from, status, now.monotonic);
                self.links.on_status(&mut self.network, from, status.epoch);
                if ask {
                    self.tell_status(Some(from), false);
                }
                self.publish_progress();
                Ok(())
            }
            CatchUpMessage::Signed(signed) => {
                let reached = signed.epoch.saturating_add(1);
                self.catch_up.on_progress(from, reached);
                self.links.on_progress(&mut self.network, from, reached);
                let settled = self.certificates.insert(from, signed);
                self.settle(signed.epoch, settled)
            }
            CatchUpMessage::BatchRequest { from: epoch } => self.serve_batches(from, epoch),
            CatchUpMessage::Batches(batches) => self.on_batches(from, batches, now),
            CatchUpMessage::HistoryRequest { from: session, count } => {
                self.serve_history(from, session, count)
            }
            CatchUpMessage::History { from: session, sessions } => self.on_history(from, session, sessions),
        }
    }
}
