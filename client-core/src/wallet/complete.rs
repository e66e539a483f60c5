//! Completing notes: the federation's signatures for outputs that are in history.

use rekindle_protocol::{
    bytes::{G2Bytes, SchnorrKey, TxId},
    modules::mint::{MAX_SHARES_REQUEST, SharesAnswer},
    transaction::OutPoint,
};

use super::{Wallet, WalletError};
use crate::{
    context::WalletContext,
    federation::{GuardianId, SharesVerdict},
    modules::mint::{Note, ShareError, combine_shares},
    recovery::RecoveryFromHistory,
    sorted::SortedMap,
};

/// A note on its way to its signature.
struct Unsigned<'a> {
    nonce: SchnorrKey,
    note: &'a Note,
    shares: SortedMap<GuardianId, G2Bytes>,
    signature: Option<G2Bytes>,
}

/// Signature shares and what has become of them.
struct Progress<'a> {
    context: &'a WalletContext,
    notes: SortedMap<OutPoint, Unsigned<'a>>,
}

impl<'a> Progress<'a> {
    fn new(context: &'a WalletContext, notes: &'a [(SchnorrKey, Note)]) -> Self {
        let unsigned = |(nonce, note): &'a (SchnorrKey, Note)| {
            let unsigned = Unsigned { nonce: *nonce, note, shares: SortedMap::new(), signature: None };
            (note.out_point, unsigned)
        };
        Self { context, notes: notes.iter().map(unsigned).collect() }
    }

    /// Takes in a guardian's shares and completes the notes that have enough.
    fn take(&mut self, guardian: GuardianId, answer: SharesAnswer) -> SharesVerdict {
        for (out_point, share) in answer.shares {
            if let (Some(unsigned), Some(share)) = (self.notes.get_mut(&out_point), share) {
                unsigned.shares.insert(guardian, share);
            }
        }
        let (mut verdict, mut at_fault) = (SharesVerdict::Enough, false);
        for (out_point, unsigned) in self.notes.iter_mut() {
            if unsigned.signature.is_some() {
                continue;
            }
            let (tweak, denomination) = (&unsigned.note.tweak, unsigned.note.denomination);
            let shares = unsigned.shares.as_slice();
            match combine_shares(self.context, tweak, out_point.output, denomination, shares) {
                Ok(signature) => unsigned.signature = Some(signature),
                Err(ShareError::WrongShares(wrong)) => {
                    unsigned.shares.retain(|guardian, _| !wrong.contains(guardian));
                    at_fault |= wrong.contains(&guardian);
                    verdict = SharesVerdict::More;
                }
                Err(_) => verdict = SharesVerdict::More,
            }
        }
        if at_fault { SharesVerdict::Wrong } else { verdict }
    }
}

impl Wallet {
    /// Fetches the missing signatures of the notes that `txid` issued, or of all notes.
    ///
    /// Notes of one known transaction are asked for by out point: the guardians have just seen it submitted. All others
    /// are asked for by session, so that a guardian doesn't learn which outputs are the wallet's.
    pub(super) async fn complete_notes(&self, txid: Option<TxId>) -> Result<(), WalletError> {
        let context = self.joined()?;
        for (session, mut notes) in self.with_live(|live| live.unsigned()).unwrap_or_default() {
            let Some(txid) = txid else {
                self.complete_part(&context, &notes, Some(session)).await?;
                continue;
            };
            notes.retain(|(_, note)| note.out_point.txid == txid);
            for part in notes.chunks(MAX_SHARES_REQUEST) {
                self.complete_part(&context, part, None).await?;
            }
        }
        Ok(())
    }

    async fn complete_part(
        &self,
        context: &WalletContext,
        notes: &[(SchnorrKey, Note)],
        session: Option<u64>,
    ) -> Result<(), WalletError> {
        if notes.is_empty() {
            return Ok(());
        }
        let out_points: Vec<OutPoint> = notes.iter().map(|(_, note)| note.out_point).collect();
        let mut progress = Progress::new(context, notes);
        let mut check = |guardian, answer| progress.take(guardian, answer);
        let api = self.api()?;
        match session {
            Some(session) => api.session_shares(session, &mut check).await?,
            None => api.mint_shares(&out_points, &mut check).await?,
        }
        self.update(|live, batch| {
            for unsigned in progress.notes.values() {
                if let Some(signature) = unsigned.signature {
                    live.scanner.modules.mint.complete(&unsigned.nonce, signature);
                }
            }
            live.scanner.modules.mint.store_live(batch);
            Ok(())
        })
        .await
    }
}
