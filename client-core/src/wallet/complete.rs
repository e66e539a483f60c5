//! Completing notes: the federation's signatures for outputs that are in history.

use std::collections::{BTreeMap, BTreeSet};

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
};

/// Signature shares and what has become of them.
struct Progress<'a> {
    context: &'a WalletContext,
    notes: &'a [(SchnorrKey, Note)],
    wanted: BTreeSet<OutPoint>,
    shares: BTreeMap<OutPoint, BTreeMap<GuardianId, G2Bytes>>,
    signatures: BTreeMap<SchnorrKey, G2Bytes>,
}

impl Progress<'_> {
    /// Takes in a guardian's shares and completes the notes that have enough.
    fn take(&mut self, guardian: GuardianId, answer: SharesAnswer) -> SharesVerdict {
        for (out_point, share) in answer.shares {
            if let (true, Some(share)) = (self.wanted.contains(&out_point), share) {
                self.shares.entry(out_point).or_default().insert(guardian, share);
            }
        }
        let (mut verdict, mut at_fault) = (SharesVerdict::Enough, false);
        for (nonce, note) in self.notes {
            if self.signatures.contains_key(nonce) {
                continue;
            }
            let Some(shares) = self.shares.get_mut(&note.out_point) else {
                verdict = SharesVerdict::More;
                continue;
            };
            let (tweak, number) = (&note.tweak, note.out_point.output);
            match combine_shares(self.context, tweak, number, note.denomination, shares) {
                Ok(signature) => drop(self.signatures.insert(*nonce, signature)),
                Err(ShareError::WrongShares(wrong)) => {
                    shares.retain(|guardian, _| !wrong.contains(guardian));
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
        let mut missing = self.with_live(|live| live.unsigned()).unwrap_or_default();
        match txid {
            Some(txid) => {
                missing.retain(|(_, note)| note.out_point.txid == txid);
                for part in missing.chunks(MAX_SHARES_REQUEST) {
                    self.complete_part(&context, part, None).await?;
                }
            }
            None => {
                for part in missing.chunk_by(|(_, a), (_, b)| a.session == b.session) {
                    let session = part.first().map(|(_, note)| note.session);
                    self.complete_part(&context, part, session).await?;
                }
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
        let mut progress = Progress {
            context,
            notes,
            wanted: out_points.iter().copied().collect(),
            shares: BTreeMap::new(),
            signatures: BTreeMap::new(),
        };
        let mut check = |guardian, answer| progress.take(guardian, answer);
        let api = self.api()?;
        match session {
            Some(session) => api.session_shares(session, &mut check).await?,
            None => api.mint_shares(&out_points, &mut check).await?,
        }
        let signatures = progress.signatures;
        self.update(|live, batch| {
            for (nonce, signature) in signatures {
                live.scanner.modules.mint.complete(&nonce, signature);
            }
            live.scanner.modules.mint.store_live(batch);
            Ok(())
        })
        .await
    }
}
