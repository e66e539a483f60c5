//! The node as a state machine: no socket, no clock, no thread, no randomness of its own.

mod batches;
mod open;
mod receive;
mod serve;
mod sessions;

use std::{collections::BTreeSet, sync::Arc};

use rand::{RngCore, rngs::StdRng};
use rekindle_protocol::encoding::Canonical;
use tracing::{debug, warn};

use super::{
    Contribution, NodeError,
    catch_up::{CatchUp, Position},
    handle::{Request, Shared, Submission},
    links::Links,
    message::{CatchUpMessage, PeerMessage, PeerStatus},
    pending::Pending,
    session::Quorum,
    signing::Signing,
    state::{NodeState, Upgrade},
};
use crate::{
    consensus::{Badger, Certificate, Certificates, Consensus, Durable, Fault, GuardianId},
    db::{self, DbError, DbLog},
    network::PeerNetwork,
};

/// For how many epochs a guardian that comes back proposes without another reason, until it is heard.
const RETURN_EPOCHS: u64 = 10;

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
    rng: StdRng,
    engine: Durable<Badger, DbLog>,
    state: NodeState,
    pending: Pending,
    signing: Signing,
    certificates: Certificates,
    /// Certificates to be stored with the next batch.
    certified: Vec<(u64, Certificate)>,
    links: Links,
    catch_up: CatchUp,
    quorum: Quorum,
    /// Peers that are not listened to.
    banned: BTreeSet<GuardianId>,
    /// When the open session got its first item, and which session that was.
    opened: Option<(u64, u64)>,
    /// The epoch to which this guardian came back by what others sent, until it is heard again.
    returned: Option<u64>,
    /// How many sessions were executed again since the last durable write of some.
    unsynced: u64,
    /// What this guardian's machine proposes.
    proposal: Vec<u8>,
    /// When to stop for an upgrade.
    stop_at: Option<u64>,
}

impl<N: PeerNetwork> Core<N> {
    /// The network's end, to wait on.
    pub fn network_mut(&mut self) -> &mut N {
        &mut self.network
    }

    /// Does everything there is to do now. True if there may be more at once.
    ///
    /// # Errors
    /// [`NodeError`]; the node must not be used after.
    pub(super) fn step(&mut self, requests: Vec<Request>, now: Time) -> Result<bool, NodeError> {
        let epoch = self.state.next_epoch;
        let received = self.receive(now)?;
        self.take_requests(requests, now)?;
        let effects = self.signing.tick(now.monotonic);
        self.perform_signing(effects)?;
        while self.propose(now)? {}
        for (to, message) in self.catch_up.tick(self.position(), self.status(), now.monotonic) {
            self.tell(to, None, &PeerMessage::CatchUp(message));
        }
        self.replay_ready(now)?;
        self.stop_for_upgrade(now)?;
        Ok(received || self.state.next_epoch != epoch)
    }

    /// The monotonic time at which [`Core::step`] has something to do even if nobody sends anything.
    pub fn next_wakeup(&self) -> Option<u64> {
        let vote = self.vote_due_at().filter(|_| !self.engine.consensus().has_proposed());
        let catch_up = self.catch_up.next_tick(self.position());
        [vote, self.signing.next_tick(), catch_up, self.stop_at].into_iter().flatten().min()
    }

    /// How far this guardian is.
    fn position(&self) -> Position {
        let engine = self.engine.consensus();
        Position {
            epoch: self.state.next_epoch,
            session: self.state.open.index,
            waiting: engine.has_proposed() || engine.is_awaited(),
        }
    }

    /// What it says of itself.
    fn status(&self) -> PeerStatus {
        PeerStatus { epoch: self.state.next_epoch, signed: self.signed_count() }
    }

    fn signed_count(&self) -> u64 {
        self.signing.first_unsigned().unwrap_or(self.state.open.index)
    }

    /// Sends a message that is not the engine's to one guardian or to all others.
    fn tell(&mut self, to: Option<GuardianId>, epoch: Option<u64>, message: &PeerMessage) {
        let bytes = message.encode();
        let all = 0..self.quorum.guardians;
        for to in to.map_or(all, |to| to..to.saturating_add(1)).filter(|to| *to != self.shared.id) {
            self.network.send(to, epoch, bytes.clone());
        }
    }

    fn tell_status(&mut self, to: Option<GuardianId>, ask: bool) {
        let status = self.status();
        self.tell(to, None, &PeerMessage::CatchUp(CatchUpMessage::Status { status, ask }));
    }

    /// Stores requests, all in one durable write, and answers them; then sessions from the operator, one by one.
    fn take_requests(&mut self, requests: Vec<Request>, now: Time) -> Result<(), NodeError> {
        if requests.is_empty() {
            return Ok(());
        }
        let txn = self.shared.db.write()?;
        let mut stored = Vec::new();
        let mut submitted = Vec::new();
        let mut signalled = Vec::new();
        let mut changed = Vec::new();
        let mut adopted = Vec::new();
        let mut state = self.state.clone();
        for request in requests {
            match request {
                Request::Submit(Submission { txid, transaction, done }) => {
                    // It may have been ordered since it was checked, as another guardian's contribution.
                    if !self.pending.contains(&txid) && !db::is_accepted(&txn, &txid)? {
                        stored.push((txid, self.pending.push(&txn, txid, transaction)?));
                    }
                    submitted.push(done);
                }
                Request::Signal { version, done } => {
                    state.signal = state.signal.max(Some(version));
                    signalled.push(done);
                }
                Request::Change { change, done } => {
                    change(&txn).map_err(DbError::from)?;
                    changed.push(done);
                }
                Request::Adopt { session, done } => adopted.push((session, done)),
            }
        }
        if state.signal != self.state.signal {
            state.store(&txn)?;
        }
        txn.commit().map_err(DbError::from)?;
        self.state = state;
        if !changed.is_empty() {
            self.proposal = self.shared.proposal()?;
        }
        for (txid, bytes) in stored {
            self.shared.undecided.set_pending(txid, bytes);
        }
        // Whoever asked may have gone.
        for done in submitted {
            let _ = done.send(Ok(()));
        }
        for done in signalled.into_iter().chain(changed) {
            let _ = done.send(());
        }
        for (session, done) in adopted {
            let _ = done.send(self.adopt(session, now)?);
        }
        self.publish_progress();
        Ok(())
    }

    /// Begins the current epoch if there is a reason to. True if it did.
    fn propose(&mut self, now: Time) -> Result<bool, NodeError> {
        let due = self.vote_due_at().is_some_and(|at| at <= now.monotonic);
        let engine = self.engine.consensus();
        let reason = engine.is_awaited()
            || due
            || !self.pending.is_empty()
            || self.unheard_signal().is_some()
            || self.has_unheard_proposal()
            || self.wants_to_be_heard();
        if engine.has_proposed() || self.outgrown().is_some() || !reason {
            return Ok(false);
        }
        let fixed = Contribution::FIXED_BYTES + self.proposal.len();
        let room = self.shared.settings.contribution_bytes.saturating_sub(fixed);
        let contribution = Contribution {
            time: now.wall,
            close_vote: due.then_some(self.state.open.index),
            upgrade: self.signal(),
            proposal: self.proposal.clone(),
            transactions: self.pending.take_up(room),
        };
        let mut seed = [0; 32];
        self.rng.fill_bytes(&mut seed);
        let effects = self.engine.propose(contribution.to_bytes(), seed)?;
        self.perform(effects, now)?;
        Ok(true)
    }

    /// The version that the operator has signalled, if it is not in force.
    fn signal(&self) -> Option<u32> {
        self.state.signal.filter(|version| *version > self.state.rules())
    }

    /// The same, if it is not counted in the open session yet.
    fn unheard_signal(&self) -> Option<u32> {
        let heard = self.state.open.signals.get(&self.shared.id).copied();
        self.signal().filter(|version| heard.is_none_or(|heard| heard < *version))
    }

    /// Whether the open session has not heard what the machine proposes now.
    fn has_unheard_proposal(&self) -> bool {
        let heard = self.state.open.proposals.get(&self.shared.id);
        heard.map_or(&[][..], Vec::as_slice) != self.proposal
    }

    /// Whether this guardian was away and none of its contributions was taken up since.
    fn wants_to_be_heard(&self) -> bool {
        self.returned.is_some_and(|epoch| self.state.next_epoch < epoch.saturating_add(RETURN_EPOCHS))
            && !self.catch_up.is_behind(self.position())
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

    /// The federation's decision to go on with rules that this software does not follow: it takes part in nothing
    /// after.
    fn outgrown(&self) -> Option<Upgrade> {
        self.state.outgrown(self.shared.settings.rules_version)
    }

    /// Stops when the last session before an upgrade is signed and peers had time to get it.
    fn stop_for_upgrade(&mut self, now: Time) -> Result<(), NodeError> {
        let Some(upgrade) = self.outgrown() else { return Ok(()) };
        if self.signed_count() <= upgrade.session {
            return Ok(());
        }
        let linger = u64::try_from(self.shared.settings.upgrade_linger.as_millis()).unwrap_or(u64::MAX);
        if *self.stop_at.get_or_insert(now.monotonic.saturating_add(linger)) > now.monotonic {
            return Ok(());
        }
        Err(NodeError::UpgradeRequired { version: upgrade.version, session: upgrade.session })
    }

    /// Reports what a peer did wrong. Only what never decodes gets it banned: delays and restarts cause most of
    /// what the engine reports.
    fn blame(&mut self, fault: &Fault) {
        let Fault { culprit, kind, evidence } = fault;
        if !kind.is_proof() {
            debug!(guardian = culprit, "{kind}");
            return;
        }
        warn!(guardian = culprit, "a guardian misbehaves: {kind}");
        if kind.is_garbage() && self.banned.insert(*culprit) {
            self.network.ban(*culprit, &kind.to_string(), evidence);
        }
        let banned = &self.banned;
        self.shared.progress.send_modify(|progress| {
            progress.accused.insert(*culprit, kind.to_string());
            progress.banned.clone_from(banned);
        });
    }

    fn blame_all(&mut self, faults: &[Fault]) {
        faults.iter().for_each(|fault| self.blame(fault));
    }

    fn publish_progress(&self) {
        let behind = self.catch_up.is_behind(self.position());
        self.shared.progress.send_modify(|progress| {
            progress.session_count = self.state.open.index;
            progress.signed_count = self.signed_count();
            progress.epoch = self.state.next_epoch;
            progress.peer_epochs = self.catch_up.epochs();
            progress.catching_up = behind;
            progress.upgrade_signal = self.state.signal;
        });
    }
}
