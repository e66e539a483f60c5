//! Signing what was issued: one guardian's blind signature shares.
//!
//! Whoever asks with the right out points gets shares; they are worth nothing to anyone who does not know the
//! blinding factors. Shares are deterministic, so they are computed on request and never stored.

use std::{
    num::NonZeroUsize,
    sync::{Mutex, PoisonError},
};

use lru::LruCache;
use redb::ReadTransaction;
use rekindle_protocol::{
    bls::{Message, SecretShare},
    bytes::{G2Bytes, TxId},
    encoding::Canonical,
    modules::mint::{Denomination, MintOutput, SharesAnswer},
    session::Item,
    transaction::{ModuleId, OutPoint},
};

use super::tables;
use crate::{
    cpu::SIGNATURES,
    db::{DbError, accepted_in},
};

/// Remembered shares: a restoring wallet's sessions are asked for again when it retries. About 5 MB.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(20_000).expect("not zero");

/// An output and what it issued; `None` for what is no accepted output of the mint.
pub type Issued = (OutPoint, Option<MintOutput>);

/// What these outputs issued, in the order asked for.
///
/// # Errors
/// If the database fails.
pub fn issued_at(txn: &ReadTransaction, out_points: &[OutPoint]) -> Result<Vec<Issued>, DbError> {
    out_points
        .iter()
        .map(|at| {
            let Some(session) = accepted_in(txn, &at.txid)? else { return Ok((*at, None)) };
            let issued = tables::issued(txn, session, &at.txid)?;
            let note = issued.into_iter().find(|(number, _)| *number == at.output).map(|(_, note)| note);
            Ok((*at, note))
        })
        .collect()
}

/// What a session's items issued, in their order.
pub fn issued_by(mint: ModuleId, items: &[Item]) -> Vec<Issued> {
    let mut issued = Vec::new();
    for transaction in items.iter().filter_map(Item::transaction) {
        let txid: TxId = transaction.id();
        for (output, part) in (0..).zip(&transaction.outputs) {
            if part.module == mint
                && let Ok(note) = MintOutput::from_bytes(&part.body)
            {
                issued.push((OutPoint { txid, output }, Some(note)));
            }
        }
    }
    issued
}

/// One guardian's secret shares of the mint's keys.
pub struct ShareSigner {
    secrets: Vec<SecretShare>,
    remembered: Mutex<LruCache<(Denomination, G2Bytes), G2Bytes>>,
}

impl ShareSigner {
    /// A signer with the guardian's secret share of each denomination's key, from 2^0 sats up.
    pub fn new(secrets: Vec<SecretShare>) -> Self {
        Self { secrets, remembered: Mutex::new(LruCache::new(REMEMBERED)) }
    }

    /// The share for one output that was accepted; `None` for what no guardian would have accepted. Costs a quarter of
    /// a millisecond of CPU.
    pub fn sign(&self, note: &MintOutput) -> Option<G2Bytes> {
        let what = (note.denomination, note.blinded_nonce);
        if let Some(share) = self.remembered().get(&what) {
            return Some(*share);
        }
        let secret = self.secrets.get(usize::from(note.denomination.0))?;
        let share =
            SIGNATURES.measure(|| Some(secret.sign(&Message::from_bytes(&note.blinded_nonce).ok()?)))?;
        self.remembered().put(what, share);
        Some(share)
    }

    /// The shares for many outputs; `None` as soon as `is_wanted` says that nobody waits for them any more.
    pub fn sign_all(&self, issued: Vec<Issued>, is_wanted: impl Fn() -> bool) -> Option<SharesAnswer> {
        let shares = issued
            .into_iter()
            .map(|(at, note)| is_wanted().then(|| (at, note.and_then(|note| self.sign(&note)))))
            .collect::<Option<_>>()?;
        Some(SharesAnswer { shares })
    }

    fn remembered(&self) -> std::sync::MutexGuard<'_, LruCache<(Denomination, G2Bytes), G2Bytes>> {
        // The cache calls nothing that panics.
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
