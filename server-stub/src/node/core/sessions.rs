//! Sessions on their way to a signature, and those that came signed.

use redb::{Durability, WriteTransaction};
use rekindle_protocol::{encoding::Canonical, session::SignedSession};
use tracing::{debug, info};

use super::{Core, Time};
use crate::{
    consensus::{CertifiedBatch, Fault, FaultKind, GuardianId},
    db::{self, DbError, DbLog},
    network::PeerNetwork,
    node::{
        AdoptError, NodeError,
        catch_up::{Replayed, VerifiedSession, read_history, replay},
        message::PeerMessage,
        signing::SigningEffects,
    },
};

/// How many sessions from peers are executed for one durable write. What they spend is spread over all pages of a
/// table, which are written once each.
const SYNC_SESSIONS: u64 = 10_000;

impl<N: PeerNetwork> Core<N> {
    pub(super) fn perform_signing(&mut self, effects: SigningEffects) -> Result<(), NodeError> {
        for (to, message) in effects.messages {
            self.tell(to, None, &PeerMessage::Signing(message));
        }
        self.blame_all(&effects.faults);
        if effects.signed.is_empty() {
            return Ok(());
        }
        let txn = self.shared.db.write()?;
        for (session, signature) in &effects.signed {
            db::sign_session(&txn, *session, signature)?;
            debug!(session, "session signed");
        }
        self.release_batches(&txn, self.state.open.first_epoch)?;
        txn.commit().map_err(DbError::from)?;
        self.publish_progress();
        Ok(())
    }

    /// Deletes batches of sessions that are signed, with all before them; `open` is the first epoch of the open one.
    fn release_batches(&self, txn: &WriteTransaction, open: u64) -> Result<(), DbError> {
        let first = match self.signing.first_unsigned() {
            None => open,
            Some(0) => 0,
            Some(unsigned) => db::last_epoch(txn, unsigned - 1)?.map_or(0, |last| last.saturating_add(1)),
        };
        db::release_batches(txn, first)
    }

    /// Batches that a peer was asked for. Each is applied if f+1 guardians have signed it.
    pub(super) fn on_batches(
        &mut self,
        from: GuardianId,
        batches: Vec<CertifiedBatch>,
        now: Time,
    ) -> Result<(), NodeError> {
        if !self.catch_up.on_answer(from) {
            return Ok(());
        }
        let before = self.state.next_epoch;
        for CertifiedBatch { batch, signatures } in batches {
            let epoch = batch.epoch;
            if epoch < self.state.next_epoch {
                continue;
            }
            if epoch > self.state.next_epoch || self.outgrown().is_some() {
                break;
            }
            let hash = batch.hash(&self.shared.federation);
            let Some(certificate) = self.certificates.prove(epoch, hash, &signatures) else {
                if signatures.len() > self.quorum.max_faulty {
                    self.catch_up.refuse(from);
                    self.blame_all(&[Fault::new(from, FaultKind::WrongBatch(epoch))]);
                }
                break;
            };
            self.apply(&batch, Some(certificate), now)?;
        }
        if self.state.next_epoch == before {
            self.catch_up.on_nothing(from, now.monotonic);
        } else {
            debug!(guardian = from, before, now = self.state.next_epoch, "took batches");
            self.come_back();
        }
        Ok(())
    }

    /// Sessions that a peer was asked for. They are verified before they count for anything and executed when all
    /// before them are.
    pub(super) fn on_history(
        &mut self,
        from: GuardianId,
        first: u64,
        sessions: Vec<Vec<u8>>,
    ) -> Result<(), NodeError> {
        let Some(count) = self.catch_up.download.take_request(from, first) else { return Ok(()) };
        let key = self.shared.config.session_key()?;
        match read_history(&self.shared.federation, &key, first, count, sessions) {
            Ok(piece) => self.catch_up.download.insert(first, piece),
            Err(kind) => {
                self.catch_up.refuse(from);
                self.blame_all(&[Fault::new(from, kind)]);
            }
        }
        Ok(())
    }

    /// Executes what has arrived, when enough has.
    pub(super) fn replay_ready(&mut self, now: Time) -> Result<(), NodeError> {
        let run = self.catch_up.download.take_run(self.state.open.index);
        if run.is_empty() || self.outgrown().is_some() {
            return Ok(());
        }
        self.replay(run, now)?;
        info!(sessions = self.state.open.index, "took history from peers");
        self.come_back();
        Ok(())
    }

    /// A signed session from the operator.
    pub(super) fn adopt(&mut self, bytes: Vec<u8>, now: Time) -> Result<Result<(), AdoptError>, NodeError> {
        let shared = self.shared.clone();
        let key = shared.config.session_key()?;
        let invalid = |error: &dyn std::fmt::Display| Ok(Err(AdoptError::Invalid(error.to_string())));
        let header = match SignedSession::from_bytes(&bytes) {
            Ok(session) => session.header,
            Err(error) => return invalid(&error),
        };
        let piece = match read_history(&shared.federation, &key, header.index, 1, vec![bytes]) {
            Ok(piece) => piece,
            Err(kind) => return invalid(&kind),
        };
        let (expected, got) = (self.state.open.index, header.index);
        if got > expected {
            return Ok(Err(AdoptError::NotNext { expected, got }));
        }
        if got == expected {
            if self.outgrown().is_some() {
                return Ok(Err(AdoptError::Stopped));
            }
            self.replay(piece, now)?;
            info!(session = got, "took a session from the operator");
            self.come_back();
        } else if let Some(signature) = piece.first().and_then(|only| only.session.signature) {
            // Closed here already: it may lack no more than the signature.
            let effects = self.signing.on_signature(shared.id, &header, &signature)?;
            self.perform_signing(effects)?;
        }
        Ok(Ok(()))
    }

    /// Executes verified sessions: everything they change is one database transaction.
    fn replay(&mut self, piece: Vec<VerifiedSession>, now: Time) -> Result<(), NodeError> {
        let shared = self.shared.clone();
        let mut txn = shared.db.write()?;
        // What comes next depends on nothing but signed history, which can be fetched again: only now and then it
        // is made to survive a crash, all or nothing. Whatever the node promises or logs later makes it so too.
        self.unsynced += piece.len() as u64;
        if self.unsynced < SYNC_SESSIONS && self.catch_up.download.is_under_way() {
            txn.set_durability(Durability::None).map_err(redb::Error::from).map_err(DbError::from)?;
        } else {
            self.unsynced = 0;
        }
        let newest = shared.settings.rules_version;
        let Replayed { mut state, accepted } =
            replay(&txn, &shared.federation, &*shared.machine, &self.state, newest, piece)?;
        let rows = self.pending.delete(&txn, accepted.iter())?;
        state.log_floor = state.next_epoch;
        let released = self.engine.log().released_by(state.log_floor);
        DbLog::release(&txn, &released)?;
        self.release_batches(&txn, state.open.first_epoch)?;
        state.store(&txn)?;
        txn.commit().map_err(DbError::from)?;

        self.engine.log_mut().forget(&released);
        self.state = state;
        self.forget_pending(&rows);
        self.signing.set_next(self.state.open.index);
        self.skip(now)
    }

    /// Leaves epochs whose outcome came from others behind.
    pub(super) fn skip(&mut self, now: Time) -> Result<(), NodeError> {
        let epoch = self.state.next_epoch;
        self.certificates.advance(epoch);
        self.links.release(epoch);
        let effects = self.engine.skip_to(epoch);
        self.perform(effects, now)
    }

    /// Tells everybody how far others have brought this guardian, and that it wants to be heard.
    fn come_back(&mut self) {
        self.returned = Some(self.state.next_epoch);
        self.tell_status(None, false);
        self.publish_progress();
    }
}
