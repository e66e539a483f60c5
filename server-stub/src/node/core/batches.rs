//! Batches: from the engine, or from peers with a certificate.

use tracing::{debug, info};

use super::{Core, Time};
use crate::{
    consensus::{Batch, Certificate, Effects, Settled},
    db::{self, DbError, DbLog},
    network::PeerNetwork,
    node::{
        NodeError,
        apply::{Applied, Rules},
        message::{CatchUpMessage, PeerMessage},
        state::Upgrade,
    },
};

/// How many epochs before the newest certified one a guardian still sends its messages for: peers that are a little
/// slower need not ask for batches.
const SLACK: u64 = 3;

impl<N: PeerNetwork> Core<N> {
    pub(super) fn perform(&mut self, effects: Effects, now: Time) -> Result<(), NodeError> {
        for message in effects.messages {
            let bytes = PeerMessage::Consensus(message.bytes).encode();
            for to in message.to {
                self.links.send(&mut self.network, to, message.epoch, bytes.clone());
            }
        }
        self.blame_all(&effects.faults);
        for batch in effects.batches {
            // A replay brings batches again that were applied before.
            if batch.epoch < self.state.next_epoch {
                self.vouch_for(&batch)?;
            } else if self.outgrown().is_none() {
                self.apply(&batch, None, now)?;
            }
            // Otherwise newer software gets it from the log.
        }
        Ok(())
    }

    /// Applies a batch: everything it changes is one database transaction. With `certificate` it came from a peer,
    /// and the engine is done with its epoch.
    pub(super) fn apply(
        &mut self,
        batch: &Batch,
        certificate: Option<Certificate>,
        now: Time,
    ) -> Result<(), NodeError> {
        let shared = self.shared.clone();
        let rules = Rules {
            federation: &shared.federation,
            machine: &*shared.machine,
            settings: &shared.settings,
            quorum: self.quorum,
        };
        let txn = shared.db.write()?;
        let mut applied = rules.apply(&txn, &self.state, batch)?;
        let decided = applied.accepted.iter().chain(applied.rejected.iter().map(|(txid, _)| txid));
        let rows = self.pending.delete(&txn, decided)?;
        db::store_batch(&txn, batch)?;
        for (epoch, certificate) in &self.certified {
            db::store_certificate(&txn, *epoch, certificate)?;
        }
        let mut floor = self.certificates.newest().unwrap_or(0).min(batch.epoch);
        if let Some(certificate) = &certificate {
            // Peers that are still in this epoch may need the certificate: nobody else may have one.
            db::store_certificate(&txn, batch.epoch, certificate)?;
            floor = applied.state.next_epoch;
        }
        applied.state.log_floor = self.state.log_floor.max(floor);
        let floor = applied.state.log_floor;
        let released = self.engine.log().released_by(floor);
        DbLog::release(&txn, &released)?;
        applied.state.store(&txn)?;
        txn.commit().map_err(DbError::from)?;

        self.certified.clear();
        self.engine.log_mut().forget(&released);
        self.engine.release(floor);
        self.take_effect(applied, &rows, batch, now)?;
        if certificate.is_some() { self.skip(now) } else { self.vouch_for(batch) }
    }

    /// What follows in memory from a batch that is committed.
    fn take_effect(
        &mut self,
        applied: Applied,
        rows: &[u64],
        batch: &Batch,
        now: Time,
    ) -> Result<(), NodeError> {
        self.blame_all(&applied.faults);
        self.state = applied.state;
        for (txid, rejection) in applied.rejected {
            debug!(%txid, code = rejection.reason.code(), "transaction rejected");
            self.shared.undecided.set_rejected(txid, rejection);
        }
        self.forget_pending(rows);
        self.note_opening(now);
        if batch.contributions.contains_key(&self.shared.id) {
            self.returned = None;
        }
        self.shared.progress.send_modify(|progress| {
            for guardian in batch.contributions.keys() {
                if let Some(latest) = progress.latest_contributions.get_mut(usize::from(*guardian)) {
                    *latest = Some(batch.epoch);
                }
            }
            for (guardian, proposal) in applied.proposals {
                progress.proposals.insert(guardian, proposal);
            }
        });
        if let Some(header) = applied.closed {
            info!(session = header.index, epoch = header.last_epoch, "session closed");
            if let Some(Upgrade { version, .. }) = self.state.upgrade.filter(|it| it.session == header.index)
            {
                info!(
                    version,
                    session = header.index,
                    "the federation goes on with other rules after this session"
                );
            }
            let effects = self.signing.close(header, now.monotonic);
            self.perform_signing(effects)?;
        }
        self.publish_progress();
        Ok(())
    }

    pub(super) fn forget_pending(&mut self, rows: &[u64]) {
        for (txid, bytes) in self.pending.forget(rows) {
            self.shared.undecided.clear_pending(&txid, bytes);
        }
    }

    /// Signs a batch of the engine and tells everybody.
    fn vouch_for(&mut self, batch: &Batch) -> Result<(), NodeError> {
        let signed = self.sign_batch(batch.epoch, batch.hash(&self.shared.federation));
        let message = PeerMessage::CatchUp(CatchUpMessage::Signed(signed));
        self.tell(None, Some(batch.epoch), &message);
        let settled = self.certificates.insert_own(signed);
        self.settle(batch.epoch, settled)
    }

    /// Acts on what signatures of a batch led to.
    pub(super) fn settle(&mut self, epoch: u64, settled: Settled) -> Result<(), NodeError> {
        self.blame_all(&settled.faults);
        if let Some(signed) = settled.fork {
            return Err(NodeError::OtherBatch { epoch, signed });
        }
        if let Some(certificate) = settled.certificate {
            self.certified.push((epoch, certificate));
            let needed = epoch.saturating_sub(SLACK);
            self.links.release(needed);
            self.network.release(needed);
        }
        Ok(())
    }
}
