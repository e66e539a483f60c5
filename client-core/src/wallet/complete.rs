//! Completing notes: the federation's signatures for outputs that are in history.
//!
//! Shares are combined on trust and the notes of several sessions verified together; only if that fails is each note
//! verified by itself and each share of a wrong one, so that the guardian at fault is named and the others are asked
//! again. While some notes are verified the shares of the next ones are fetched.

use std::{cell::RefCell, mem};

use futures::future::{LocalBoxFuture, join4};
use rekindle_protocol::{
    bls::Interpolation,
    bytes::{G2Bytes, SchnorrKey, TxId},
    modules::mint::SharesAnswer,
    transaction::OutPoint,
};

use super::{Wallet, WalletError, WalletResult};
use crate::{
    context::WalletContext,
    federation::{FederationResult, GuardianFault, GuardianId, SharesVerdict},
    modules::mint::{Claim, Note, wrong_shares},
    recovery::RecoveryFromHistory,
    sorted::{SortedMap, SortedSet},
};

/// Notes are verified together once there are so many: about a second of work in a browser.
const GROUP_NOTES: usize = 64;

/// A note on its way to its signature.
struct Unsigned {
    nonce: SchnorrKey,
    note: Note,
    shares: SortedMap<GuardianId, G2Bytes>,
    claim: Option<Claim>,
}

/// Notes that are completed together.
struct Group<'a> {
    context: &'a WalletContext,
    notes: Vec<Unsigned>,
    /// Guardians that served wrong shares.
    wrong: SortedSet<GuardianId>,
}

impl Group<'_> {
    /// Takes in a guardian's shares. They are enough when each note of the session, or each note, has f+1.
    fn take(&mut self, guardian: GuardianId, answer: SharesAnswer, session: Option<u64>) -> SharesVerdict {
        if self.wrong.contains(&guardian) {
            return SharesVerdict::Wrong;
        }
        let mut verdict = SharesVerdict::Enough;
        for unsigned in &mut self.notes {
            if session.is_some_and(|session| session != unsigned.note.session) {
                continue;
            }
            let share = answer.shares.iter().find(|(out_point, _)| *out_point == unsigned.note.out_point);
            if let Some((_, Some(share))) = share {
                unsigned.shares.insert(guardian, *share);
            }
            if unsigned.shares.len() <= self.context.config.max_faulty() {
                verdict = SharesVerdict::More;
            }
        }
        verdict
    }

    /// Combines the shares of note number `at`. Nearly always the same guardians answer for all notes, so that
    /// `interpolation` can be kept.
    fn combine(&mut self, at: usize, interpolation: &mut Option<Interpolation>) -> WalletResult<()> {
        let unsigned = &mut self.notes[at];
        let (mut guardians, mut shares) = (Vec::new(), Vec::new());
        for (guardian, share) in unsigned.shares.iter().take(self.context.config.max_faulty() + 1) {
            guardians.push(*guardian);
            shares.push(*share);
        }
        if interpolation.as_ref().is_none_or(|same| same.guardians() != guardians) {
            *interpolation = Some(Interpolation::new(&guardians).map_err(|_| WalletError::Shares)?);
        }
        let interpolation = interpolation.as_ref().ok_or(WalletError::Shares)?;
        // Shares that are no points make no claim.
        unsigned.claim =
            Claim::combine(self.context, &unsigned.nonce, &unsigned.note, interpolation, &shares).ok();
        Ok(())
    }
}

impl Wallet {
    /// Fetches the missing signatures of the notes that `txid` issued, or of all notes.
    ///
    /// Notes of one known transaction are asked for by out point: the guardians have just seen it submitted. All others
    /// are asked for by session, so that a guardian doesn't learn which outputs are the wallet's.
    pub(super) async fn complete_notes(&self, txid: Option<TxId>) -> WalletResult<()> {
        let context = self.joined()?;
        let mut notes = Vec::new();
        for (_, of_session) in self.with_live(|live| live.unsigned()).unwrap_or_default() {
            for (nonce, note) in of_session {
                if txid.is_none_or(|txid| txid == note.out_point.txid) {
                    notes.push(Unsigned { nonce, note, shares: SortedMap::new(), claim: None });
                }
            }
            if notes.len() >= GROUP_NOTES {
                self.complete_group(&context, mem::take(&mut notes), txid.is_none()).await?;
            }
        }
        self.complete_group(&context, notes, txid.is_none()).await
    }

    async fn complete_group(
        &self,
        context: &WalletContext,
        notes: Vec<Unsigned>,
        by_session: bool,
    ) -> WalletResult<()> {
        let mut group = Group { context, notes, wrong: SortedSet::new() };
        while !group.notes.is_empty() {
            self.fetch_shares(&mut group, by_session).await?;
            let (mut interpolation, mut claims) = (None, Vec::new());
            let mut started = self.platform().runtime.now();
            for at in 0..group.notes.len() {
                group.combine(at, &mut interpolation)?;
                claims.extend(group.notes[at].claim);
                self.breathe_at_times(&mut started).await;
            }
            if claims.len() < group.notes.len() || !self.verify(context, &claims).await? {
                self.find_wrong_shares(&mut group).await?;
            }
            let mut update = self.update().await?;
            let mint = &mut update.live.scanner.modules.mint;
            for unsigned in &group.notes {
                if let Some(claim) = &unsigned.claim {
                    mint.complete(&unsigned.nonce, claim.signature.to_bytes());
                }
            }
            mint.store_live(&mut update.batch);
            update.commit().await?;
            group.notes.retain(|unsigned| unsigned.claim.is_none());
        }
        Ok(())
    }

    /// Asks guardians until every note has f+1 shares, several sessions at once.
    async fn fetch_shares(&self, group: &mut Group<'_>, by_session: bool) -> WalletResult<()> {
        let api = self.api()?;
        let mut out_points: Vec<OutPoint> = Vec::new();
        let mut sessions = SortedSet::new();
        for unsigned in &group.notes {
            out_points.push(unsigned.note.out_point);
            sessions.insert(unsigned.note.session);
        }
        let group = RefCell::new(group);
        if !by_session {
            let mut take = |guardian, answer| group.borrow_mut().take(guardian, answer, None);
            return Ok(api.mint_shares(&out_points, &mut take).await?);
        }
        let sessions = RefCell::new(sessions.iter());
        let lane = || -> LocalBoxFuture<'_, FederationResult<()>> {
            Box::pin(async {
                loop {
                    let next = sessions.borrow_mut().next();
                    let Some(session) = next.copied() else { return Ok(()) };
                    let mut take =
                        |guardian, answer| group.borrow_mut().take(guardian, answer, Some(session));
                    api.session_shares(session, &mut take).await?;
                }
            })
        };
        let (a, b, c, d) = join4(lane(), lane(), lane(), lane()).await;
        Ok(a.and(b).and(c).and(d)?)
    }

    /// Drops the claims that are wrong and the shares that are to blame, and blames their guardians.
    async fn find_wrong_shares(&self, group: &mut Group<'_>) -> WalletResult<()> {
        let (api, known) = (self.api()?, group.wrong.len());
        for unsigned in &mut group.notes {
            if let Some(claim) = unsigned.claim
                && self.verify(group.context, &[claim]).await?
            {
                continue;
            }
            unsigned.claim = None;
            let shares = unsigned.shares.as_slice();
            let wrong = wrong_shares(group.context, &unsigned.nonce, &unsigned.note, shares);
            for guardian in wrong.map_err(|_| WalletError::Shares)? {
                if group.wrong.insert(guardian) {
                    api.penalise(guardian, &GuardianFault::WrongShares)?;
                }
            }
            self.breathe().await;
        }
        for unsigned in &mut group.notes {
            unsigned.shares.retain(|guardian, _| !group.wrong.contains(guardian));
        }
        // With right shares and keys that belong together every note comes out right.
        if group.wrong.len() == known { Err(WalletError::Shares.into()) } else { Ok(()) }
    }
}
