//! Completing notes: the federation's signatures for outputs that are in history.

use std::collections::BTreeMap;

use rekindle_protocol::{
    bytes::{G2Bytes, SchnorrKey, TxId},
    modules::mint::MAX_SHARES_REQUEST,
    transaction::OutPoint,
};

use super::{Wallet, WalletError};
use crate::{
    context::WalletContext,
    modules::mint::{Note, ShareError, combine_shares},
    recovery::RecoveryFromHistory,
};

/// The signature shares of several outputs: for each, one share from each guardian that gave one.
#[derive(Default)]
struct Shares(BTreeMap<OutPoint, BTreeMap<u16, G2Bytes>>);

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
        let needed = context.config.max_faulty() + 1;
        let mut shares = Shares::default();
        let mut asked = Vec::new();
        let mut signatures: BTreeMap<SchnorrKey, G2Bytes> = BTreeMap::new();
        while signatures.len() < notes.len() {
            // More guardians are asked only if those before gave too little.
            let wanted = if asked.is_empty() { needed } else { 1 };
            for (guardian, answer) in self.api()?.mint_shares(session, &out_points, wanted, &asked).await? {
                asked.push(guardian);
                for (out_point, share) in answer.shares {
                    if let Some(share) = share {
                        shares.0.entry(out_point).or_default().insert(guardian, share);
                    }
                }
            }
            for (nonce, note) in notes {
                if signatures.contains_key(nonce) {
                    continue;
                }
                let Some(of_note) = shares.0.get(&note.out_point) else { continue };
                match combine_shares(context, &note.tweak, note.out_point.output, note.denomination, of_note) {
                    Ok(signature) => drop(signatures.insert(*nonce, signature)),
                    Err(ShareError::TooFew | ShareError::WrongShares(_)) => {}
                    Err(error) => return Err(error.into()),
                }
                self.breathe().await;
            }
        }
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
