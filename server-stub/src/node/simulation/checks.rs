//! What must hold in every run.

use std::collections::{BTreeMap, BTreeSet};

use rekindle_protocol::{
    bytes::TxId,
    chain::{ChainPosition, check_signature},
    session::HashedSession,
};

use super::{body::Body, happenings::NEW_RULES, said::Said};
use crate::{
    consensus::GuardianId,
    db::{self, StoredSession},
    dealer::Dealt,
    node::{NodeError, handle::Shared, testing::spend},
};

/// What was seen so far.
#[derive(Default)]
pub struct Checks {
    /// What honest guardians have said: none takes anything back.
    pub said: Said,
    /// Signed history, as the first guardian that had it served it.
    history: Vec<Vec<u8>>,
    position: Option<ChainPosition>,
    /// How many sessions each guardian has served.
    seen: BTreeMap<GuardianId, u64>,
    /// What is in it, and in which session.
    accepted: BTreeMap<TxId, u64>,
    /// What was promised to be ordered: by what they spend, the transactions of which one must be accepted.
    promised: BTreeMap<u32, Vec<TxId>>,
    /// The last session under the old rules, once it is signed.
    last: Option<u64>,
}

impl Checks {
    /// A guardian took up a transaction that spends a nonce.
    pub fn promise(&mut self, nonce: u32) {
        let rivals = || (0..2).map(|tweak| spend(nonce, tweak).id()).collect();
        self.promised.entry(nonce).or_insert_with(rivals);
    }

    /// Looks at what an honest guardian serves now: signed history grows, and is the same everywhere for ever.
    pub fn observe(&mut self, id: GuardianId, shared: &Shared, dealt: &Dealt) {
        let signed = shared.progress.borrow().signed_count;
        let seen = self.seen.entry(id).or_default();
        assert!(signed >= *seen, "guardian {id} lost signed sessions: {signed} after {seen}");
        if signed == *seen {
            return;
        }
        let txn = shared.db.read().unwrap();
        for index in *seen..signed {
            let Ok(Some(StoredSession::Signed(bytes))) = db::read_session(&txn, index) else {
                panic!("guardian {id} does not have session {index}")
            };
            match self.history.get(usize::try_from(index).unwrap()) {
                Some(before) => assert_eq!(*before, bytes, "guardian {id} has another session {index}"),
                None => {
                    let federation = dealt.config.federation_id();
                    let session = HashedSession::from_bytes(&bytes).unwrap();
                    let position = self.position.get_or_insert(ChainPosition::GENESIS);
                    position.extend(&federation, &session).unwrap();
                    let key = dealt.config.session_key().unwrap();
                    check_signature(&federation, &key, &session.header, &session.signature.unwrap()).unwrap();
                    if let Some(version) = session.content.upgrade() {
                        assert_eq!(version, NEW_RULES);
                        assert_eq!(self.last.replace(index), None, "history upgrades twice");
                    }
                    self.accepted.extend(session.content.txids.iter().map(|txid| (*txid, index)));
                    self.history.push(bytes);
                }
            }
        }
        *seen = signed;
    }

    /// An honest guardian has stopped for newer rules.
    pub fn upgrade(&mut self, id: GuardianId, error: &NodeError) {
        match error {
            NodeError::UpgradeRequired { version: NEW_RULES, session } => {
                assert_eq!(Some(*session), self.last, "guardian {id} stops after another session");
                assert_eq!(self.seen.get(&id), Some(&(session + 1)), "guardian {id} has more or less");
            }
            error => panic!("guardian {id} stops: {error}"),
        }
    }

    /// Whether history has the last session under old rules.
    pub fn is_upgraded(&self) -> bool {
        self.last.is_some()
    }

    /// What was promised and is not in the signed history of every honest guardian.
    pub fn missing(&self, bodies: &[Body]) -> Vec<u32> {
        let honest = bodies.iter().filter(|body| body.is_honest());
        let signed = honest.map(|body| body.progress().map_or(0, |(_, signed)| signed)).min().unwrap_or(0);
        // Of those that spend the same one is accepted, whichever guardian it was promised by.
        let is_there = |txid: &TxId| self.accepted.get(txid).is_some_and(|session| *session < signed);
        let missing = self.promised.iter().filter(|(_, rivals)| !rivals.iter().any(is_there));
        missing.map(|(nonce, _)| *nonce).collect()
    }

    /// At the end: nothing is in history twice, and what spends the same is there once.
    pub fn finish(&self, bodies: &[Body], dealt: &Dealt) {
        for body in bodies.iter().filter(|body| body.is_honest()) {
            let node = body.node.as_ref().expect("it has settled");
            // It still serves all of it, from the first session on.
            let mut again = Self { history: self.history.clone(), ..Self::default() };
            again.observe(body.id, &node.shared, dealt);
            assert_eq!(again.seen[&body.id], self.history.len() as u64);
            // And says of everything in it where it is.
            let txn = node.shared.db.read().unwrap();
            for (txid, session) in &self.accepted {
                assert_eq!(db::accepted_in(&txn, txid).unwrap(), Some(*session));
            }
        }
        let mut spent = BTreeSet::new();
        for bytes in &self.history {
            for (_, transaction) in HashedSession::from_bytes(bytes).unwrap().content.transactions() {
                assert!(spent.insert(transaction.inputs[0].nonce), "spent twice");
            }
        }
        let promised = self.promised.len();
        assert!(spent.len() >= promised, "{} of {promised} promised transactions", spent.len());
    }

    /// How many sessions were signed.
    pub fn sessions(&self) -> usize {
        self.history.len()
    }
}
