//! Starting from the database.

use std::{collections::BTreeSet, sync::Arc};

use rand::rngs::StdRng;

use super::{Core, Time};
use crate::{
    consensus::{Badger, Certificates, Consensus, Durable},
    db::{self, DbError, DbLog},
    network::PeerNetwork,
    node::{
        NodeError,
        catch_up::CatchUp,
        handle::Shared,
        links::Links,
        pending::Pending,
        session::Quorum,
        signing::{Signing, SigningEffects},
        state::NodeState,
    },
};

impl<N: PeerNetwork> Core<N> {
    /// Opens the node from its database: replays the write-ahead log, sends again what peers may lack. `rng` is the
    /// source of everything random in what it proposes.
    pub(in crate::node) fn open(
        shared: Arc<Shared>,
        network: N,
        rng: StdRng,
        now: Time,
    ) -> Result<Self, NodeError> {
        let guardians = u16::try_from(shared.config.guardian_count()).map_err(|_| NodeError::ForeignKeys)?;
        let identity = shared.config.guardians.get(usize::from(shared.id));
        if identity.is_none_or(|guardian| guardian.key != shared.keys.identity.public_key()) {
            return Err(NodeError::ForeignKeys);
        }
        let txn = shared.db.write()?;
        db::migrate(&txn, shared.machine.tables())?;
        shared.machine.create_tables(&txn).map_err(DbError::from)?;
        txn.commit().map_err(DbError::from)?;

        let txn = shared.db.read()?;
        let state = NodeState::load(&txn)?.unwrap_or_else(|| NodeState::genesis(guardians));
        let pending = Pending::load(&txn)?;
        for (txid, bytes) in pending.iter() {
            shared.undecided.set_pending(txid, bytes);
        }
        let millis = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let retry = millis(shared.settings.signature_retry);
        let mut signing = Signing::new(shared.id, &shared.config, shared.keys.session.clone(), retry)?;
        let mut signing_effects = SigningEffects::default();
        for header in db::closed_sessions(&txn)? {
            signing_effects.extend(signing.close(header, now.monotonic));
        }
        signing.set_next(state.open.index);
        drop(txn);

        let federation = shared.federation.0.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        let badger = Badger::new(shared.id, guardians, &shared.keys.consensus, federation, state.log_floor)?;
        let (engine, effects) = Durable::open(badger, guardians, DbLog::open(shared.db.clone())?)?;
        if engine.consensus().epoch() < state.next_epoch {
            // Whatever is missing, it would say something else than it has said to its peers.
            return Err(DbError::Damaged("consensus log").into());
        }
        let max_faulty = shared.config.max_faulty();
        let identities = shared.config.guardians.iter().map(|guardian| guardian.key).collect();
        let mut certificates = Certificates::new(shared.id, identities, max_faulty);
        certificates.advance(state.log_floor);
        let patience = millis(shared.settings.catch_up_patience);
        shared.progress.send_modify(|progress| {
            progress.latest_contributions = vec![None; usize::from(guardians)];
        });
        let proposal = shared.proposal()?;
        let mut core = Self {
            shared,
            network,
            rng,
            engine,
            state,
            pending,
            signing,
            certificates,
            certified: Vec::new(),
            links: Links::new(guardians),
            catch_up: CatchUp::new(guardians, max_faulty, patience),
            quorum: Quorum { guardians, max_faulty },
            banned: BTreeSet::new(),
            opened: None,
            returned: None,
            unsynced: 0,
            proposal,
            stop_at: None,
        };
        core.note_opening(now);
        // Peers send what this guardian can use once they know how far it is, and it learns the same of them.
        core.tell_status(None, true);
        core.perform(effects, now)?;
        core.perform_signing(signing_effects)?;
        core.publish_progress();
        Ok(core)
    }
}
