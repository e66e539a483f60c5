//! Giving peers what they lack.

use super::Core;
use crate::{
    consensus::{BatchSignature, GuardianId},
    db,
    network::PeerNetwork,
    node::{
        NodeError,
        catch_up::PIECE_SESSIONS,
        message::{CatchUpMessage, PeerMessage},
    },
};

/// Bytes of batches or sessions in one answer, and one more batch or session.
const ANSWER_BYTES: usize = 1 << 20;
/// Most batches in one answer.
const ANSWER_BATCHES: usize = 64;

impl<N: PeerNetwork> Core<N> {
    /// Sends batches from `epoch` on; where there are none, how far this guardian is.
    pub(super) fn serve_batches(&mut self, to: GuardianId, epoch: u64) -> Result<(), NodeError> {
        let txn = self.shared.db.read()?;
        let mut batches = db::read_batches(&txn, epoch, ANSWER_BATCHES, ANSWER_BYTES)?;
        if batches.is_empty() {
            self.tell_status(Some(to), false);
            return Ok(());
        }
        for served in &mut batches {
            if served.signatures.len() <= self.quorum.max_faulty {
                let hash = served.batch.hash(&self.shared.federation);
                let signed = self.sign_batch(served.batch.epoch, hash);
                served.signatures.push((self.shared.id, signed.signature));
            }
        }
        self.tell(Some(to), None, &PeerMessage::CatchUp(CatchUpMessage::Batches(batches)));
        Ok(())
    }

    /// Sends signed sessions from `session` on.
    pub(super) fn serve_history(
        &mut self,
        to: GuardianId,
        session: u64,
        count: u64,
    ) -> Result<(), NodeError> {
        let mut sessions: Vec<Vec<u8>> = Vec::new();
        let mut bytes = 0;
        let end = session.saturating_add(count.min(PIECE_SESSIONS)).min(self.signed_count());
        db::sessions_from(&self.shared.db.read()?, session, |index, encoded| {
            let taken = index < end && bytes < ANSWER_BYTES;
            if taken {
                bytes += encoded.len();
                sessions.push(encoded.to_vec());
            }
            taken
        })?;
        self.tell(Some(to), None, &PeerMessage::CatchUp(CatchUpMessage::History { from: session, sessions }));
        Ok(())
    }

    /// This guardian's signature on a batch.
    pub(super) fn sign_batch(&self, epoch: u64, hash: rekindle_protocol::bytes::Hash) -> BatchSignature {
        BatchSignature { epoch, hash, signature: self.shared.keys.identity.sign(&hash) }
    }
}
