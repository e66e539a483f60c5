//! The node as a state machine: no socket, no clock, no thread.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use bytes::Bytes;
use rand::{RngCore, rngs::OsRng};
use rekindle_protocol::encoding::Canonical;
use tracing::{debug, info, warn};

use super::{
    Contribution, NodeError,
    apply::{Applied, Rules},
    handle::{Shared, Submission},
    message::{PeerMessage, SigningMessage},
    pending::Pending,
    signing::{Signing, SigningEffects},
    state::NodeState,
};
use crate::{
    consensus::{Badger, Batch, Consensus, Durable, Effects, Fault, GuardianId},
    db::{self, DbError, DbLog},
    network::PeerNetwork,
};

/// How many messages of each peer are handled, and logged in one durable write, at a time.
const GROUP: usize = 256;

/// What time it is, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Time {
    /// Since 1970, by the machine's clock; it may jump.
    pub wall: u64,
    /// Since any fixed moment; it never runs backwards.
    pub monotonic: u64,
}

/// One guardian's node. Whoever drives it calls [`Core::step`] when a peer or wallet has sent something and at
/// [`Core::next_wakeup`].
pub struct Core<N> {
    shared: Arc<Shared>,
    network: N,
    engine: Durable<Badger, DbLog>,
    state: NodeState,
    pending: Pending,
    signing: Signing,
    guardians: u16,
    max_faulty: usize,
    /// What was taken from a peer and is too early to be handled.
    stalled: BTreeMap<GuardianId, VecDeque<(u64, Bytes)>>,
    /// When the open session got its first item, and which session that was.
    opened: Option<(u64, u64)>,
}

impl<N: PeerNetwork> Core<N> {
    /// Opens the node from its database: replays the write-ahead log, sends again what peers may lack.
    pub(super) fn open(shared: Arc<Shared>, network: N, now: Time) -> Result<Self, NodeError> {
        let guardians = u16::try_from(shared.config.guardian_count()).map_err(|_| NodeError::ForeignKeys)?;
        let identity = shared.config.guardians.get(usize::from(shared.id));
        if identity.is_none_or(|guardian| guardian.key != shared.keys.identity.public_key()) {
            return Err(NodeError::ForeignKeys);
        }
        let txn = shared.db.write()?;
        shared.machine.create_tables(&txn).map_err(DbError::from)?;
        txn.commit().map_err(DbError::from)?;

        let txn = shared.db.read()?;
        let state = NodeState::load(&txn)?.unwrap_or_else(|| NodeState::genesis(guardians));
        let pending = Pending::load(&txn)?;
        for (txid, bytes) in pending.iter() {
            shared.undecided.set_pending(txid, bytes);
        }
        let retry = u64::try_from(shared.settings.signature_retry.as_millis()).unwrap_or(u64::MAX);
        let mut signing = Signing::new(shared.id, &shared.config, shared.keys.session.clone(), retry)?;
        let mut signing_effects = SigningEffects::default();
        for header in db::closed_sessions(&txn)? {
            signing_effects.extend(signing.close(header, now.monotonic));
        }
        signing.set_next(state.open.index);
        drop(txn);

        let federation = shared.federation.0.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        let badger = Badger::new(shared.id, guardians, &shared.keys.consensus, federation, state.log_floor)?;
        let (engine, effects) = Durable::open(badger, guardians, DbLog::open(shared.db.clone())?)?;
        let max_faulty = shared.config.max_faulty();
        shared.progress.send_modify(|progress| {
            progress.latest_contributions = vec![None; usize::from(guardians)];
        });
        let mut core = Self {
            shared,
            network,
            engine,
            state,
            pending,
            signing,
            guardians,
            max_faulty,
            stalled: BTreeMap::new(),
            opened: None,
        };
        core.note_opening(now);
        core.perform(effects, now)?;
        core.perform_signing(signing_effects)?;
        core.publish_progress();
        Ok(core)
    }

    /// The network's end, to wait on.
    pub fn network_mut(&mut self) -> &mut N {
        &mut self.network
    }

    /// Does everything there is to do now. True if there may be more at once.
    ///
    /// # Errors
    /// [`NodeError`]; the node must not be used after.
    pub(super) fn step(&mut self, submissions: Vec<Submission>, now: Time) -> Result<bool, NodeError> {
        let epoch = self.state.next_epoch;
        let received = self.receive(now)?;
        self.submit(submissions)?;
        let effects = self.signing.tick(now.monotonic);
        self.perform_signing(effects)?;
        while self.propose(now)? {}
        // A new epoch may be the one that a message waited for.
        Ok(received || self.state.next_epoch != epoch)
    }

    /// The monotonic time at which [`Core::step`] has something to do even if nobody sends anything.
    pub fn next_wakeup(&self) -> Option<u64> {
        let vote = self.vote_due_at().filter(|_| !self.engine.consensus().has_proposed());
        [vote, self.signing.next_tick()].into_iter().flatten().min()
    }

    /// Takes what peers have sent. True if anything was handled.
    fn receive(&mut self, now: Time) -> Result<bool, NodeError> {
        let mut inboxes = Vec::new();
        let mut group = Vec::new();
        for peer in (0..self.guardians).filter(|peer| *peer != self.shared.id) {
            let mut messages = self.stalled.remove(&peer).unwrap_or_default();
            while messages.len() < GROUP
                && let Some(message) = self.network.next(peer)
            {
                messages.push_back(message);
            }
            if messages.is_empty() {
                continue;
            }
            let decoded: Vec<_> = messages.iter().map(|(_, bytes)| PeerMessage::decode(bytes)).collect();
            let consensus = decoded
                .iter()
                .filter_map(|message| match message {
                    Some(PeerMessage::Consensus(bytes)) => Some(bytes.clone()),
                    _ => None,
                })
                .collect();
            group.push((peer, consensus));
            inboxes.push((peer, messages, decoded));
        }
        let delivered = self.engine.deliver(&group)?;
        self.perform(delivered.effects, now)?;
        let mut handled = false;
        for ((peer, mut messages, decoded), taken) in inboxes.into_iter().zip(delivered.taken) {
            let mut left = taken;
            let mut done = None;
            for message in decoded {
                match message {
                    Some(PeerMessage::Consensus(_)) => match left.checked_sub(1) {
                        Some(rest) => left = rest,
                        // The rest of this peer's messages waits behind one that is too early.
                        None => break,
                    },
                    Some(PeerMessage::Signing(message)) => self.on_signing(peer, message)?,
                    None => {
                        let evidence = messages.front().map(|(_, bytes)| bytes.clone()).unwrap_or_default();
                        self.network.ban(peer, "a message that does not decode", &evidence);
                    }
                }
                done = messages.pop_front().map(|(number, _)| number);
            }
            if let Some(number) = done {
                handled = true;
                self.network.acknowledge(peer, number);
            }
            if !messages.is_empty() {
                self.stalled.insert(peer, messages);
            }
        }
        Ok(handled)
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

    /// Stores submissions, all in one durable write, and answers them.
    fn submit(&mut self, submissions: Vec<Submission>) -> Result<(), NodeError> {
        if submissions.is_empty() {
            return Ok(());
        }
        let txn = self.shared.db.write()?;
        let mut stored = Vec::new();
        let mut answers = Vec::new();
        for Submission { txid, transaction, done } in submissions {
            // It may have been ordered since it was checked, as another guardian's contribution.
            if !self.pending.contains(&txid) && !db::is_accepted(&txn, &txid)? {
                stored.push((txid, self.pending.push(&txn, txid, transaction)?));
            }
            answers.push(done);
        }
        txn.commit().map_err(DbError::from)?;
        for (txid, bytes) in stored {
            self.shared.undecided.set_pending(txid, bytes);
        }
        for done in answers {
            // Whoever asked may have gone.
            let _ = done.send(Ok(()));
        }
        Ok(())
    }

    /// Begins the current epoch if there is a reason to. True if it did.
    fn propose(&mut self, now: Time) -> Result<bool, NodeError> {
        let due = self.vote_due_at().is_some_and(|at| at <= now.monotonic);
        let engine = self.engine.consensus();
        if engine.has_proposed() || !(engine.is_awaited() || due || !self.pending.is_empty()) {
            return Ok(false);
        }
        let room = self.shared.settings.contribution_bytes.saturating_sub(Contribution::FIXED_BYTES);
        let contribution = Contribution {
            time: now.wall,
            close_vote: due.then_some(self.state.open.index),
            transactions: self.pending.take_up(room),
        };
        let mut seed = [0; 32];
        OsRng.fill_bytes(&mut seed);
        let effects = self.engine.propose(contribution.to_bytes(), seed)?;
        self.perform(effects, now)?;
        Ok(true)
    }

    /// The monotonic time at which this guardian votes to close the open session: it has items, and its vote is
    /// not counted yet.
    fn vote_due_at(&self) -> Option<u64> {
        let (session, at) = self.opened?;
        let wanted = session == self.state.open.index && !self.state.open.votes.contains(&self.shared.id);
        let age = u64::try_from(self.shared.settings.session_time.as_millis()).unwrap_or(u64::MAX);
        wanted.then_some(at.saturating_add(age))
    }

    /// Notes when the open session got its first item.
    fn note_opening(&mut self, now: Time) {
        let open = &self.state.open;
        if open.items > 0 && self.opened.is_none_or(|(session, _)| session != open.index) {
            self.opened = Some((open.index, now.monotonic));
        }
    }

    fn perform(&mut self, effects: Effects, now: Time) -> Result<(), NodeError> {
        for message in effects.messages {
            let bytes = PeerMessage::Consensus(message.bytes).encode();
            for to in message.to {
                self.network.send(to, Some(message.epoch), bytes.clone());
            }
        }
        effects.faults.iter().for_each(report);
        for batch in effects.batches {
            // A replay brings batches again that were applied before.
            if batch.epoch >= self.state.next_epoch {
                self.apply(&batch, now)?;
            }
        }
        Ok(())
    }

    /// Applies a batch: everything it changes is one database transaction.
    fn apply(&mut self, batch: &Batch, now: Time) -> Result<(), NodeError> {
        let shared = self.shared.clone();
        let rules = Rules {
            federation: &shared.federation,
            machine: &*shared.machine,
            settings: &shared.settings,
            max_faulty: self.max_faulty,
        };
        let txn = shared.db.write()?;
        let mut applied = rules.apply(&txn, &self.state, batch)?;
        let decided = applied.accepted.iter().chain(applied.rejected.iter().map(|(txid, _)| txid));
        let rows = self.pending.delete(&txn, decided)?;
        let floor = self.log_floor(applied.state.next_epoch);
        applied.state.log_floor = floor;
        let released = self.engine.log().released_by(floor);
        DbLog::release(&txn, &released)?;
        applied.state.store(&txn)?;
        txn.commit().map_err(DbError::from)?;

        self.engine.log_mut().forget(&released);
        self.take_effect(applied, &rows, batch, now)
    }

    /// The first epoch whose messages a peer may still need.
    fn log_floor(&self, next_epoch: u64) -> u64 {
        let needed = self.network.oldest_epoch().map_or(next_epoch, |oldest| oldest.min(next_epoch));
        needed.max(self.state.log_floor).max(next_epoch.saturating_sub(self.shared.settings.log_epochs))
    }

    /// What follows in memory from a batch that is committed.
    fn take_effect(
        &mut self,
        applied: Applied,
        rows: &[u64],
        batch: &Batch,
        now: Time,
    ) -> Result<(), NodeError> {
        applied.faults.iter().for_each(report);
        self.state = applied.state;
        for (txid, rejection) in applied.rejected {
            debug!(%txid, code = rejection.reason.code(), "transaction rejected");
            self.shared.undecided.set_rejected(txid, rejection);
        }
        for (txid, bytes) in self.pending.forget(rows) {
            self.shared.undecided.clear_pending(&txid, bytes);
        }
        self.note_opening(now);
        self.shared.progress.send_modify(|progress| {
            for guardian in batch.contributions.keys() {
                if let Some(latest) = progress.latest_contributions.get_mut(usize::from(*guardian)) {
                    *latest = Some(batch.epoch);
                }
            }
        });
        if let Some(header) = applied.closed {
            info!(session = header.index, epoch = header.last_epoch, "session closed");
            let effects = self.signing.close(header, now.monotonic);
            self.perform_signing(effects)?;
        }
        self.publish_progress();
        Ok(())
    }

    fn perform_signing(&mut self, effects: SigningEffects) -> Result<(), NodeError> {
        for (to, message) in effects.messages {
            let bytes = PeerMessage::Signing(message).encode();
            let all = 0..self.guardians;
            for to in to.map_or(all, |to| to..to + 1).filter(|to| *to != self.shared.id) {
                self.network.send(to, None, bytes.clone());
            }
        }
        effects.faults.iter().for_each(report);
        if effects.signed.is_empty() {
            return Ok(());
        }
        let txn = self.shared.db.write()?;
        for (session, signature) in &effects.signed {
            db::sign_session(&txn, *session, signature)?;
            debug!(session, "session signed");
        }
        txn.commit().map_err(DbError::from)?;
        self.publish_progress();
        Ok(())
    }

    fn publish_progress(&self) {
        self.shared.progress.send_modify(|progress| {
            progress.session_count = self.state.open.index;
            progress.signed_count = self.signing.first_unsigned().unwrap_or(self.state.open.index);
            progress.epoch = self.state.next_epoch;
        });
    }
}

/// Faults are reported, not punished: delays and restarts cause most of them.
fn report(fault: &Fault) {
    if fault.kind.is_proof() {
        warn!(guardian = fault.culprit, "a guardian misbehaves: {}", fault.kind);
    } else {
        debug!(guardian = fault.culprit, "{}", fault.kind);
    }
}
