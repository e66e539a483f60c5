//! Taking in history, session by session. No I/O: the driver and the wallet feed it.

use std::rc::Rc;

use rekindle_protocol::{
    bytes::{Hash, TxId},
    chain::ChainPosition,
    session::HashedSession,
};

use super::{
    Findings, IndexScan, ModuleError, RecoveryFromHistory, SessionView, TransactionView,
    module::{live_key, running_key},
};
use crate::{
    context::WalletContext,
    modules::{deposit::Deposits, mint::Mint, operations::Operations},
    platform::{Batch, Store},
    sorted::SortedSet,
};

/// How long a module may take over one portion while others wait, in milliseconds.
const PATIENCE_MS: u64 = 5_000;

/// The names of a wallet's modules.
pub const KINDS: [&str; 3] = [Mint::KIND, Deposits::KIND, Operations::KIND];

/// How long each module has taken over a portion so far, in milliseconds.
pub type Spent = [u64; KINDS.len()];

/// A wallet's modules, together.
#[derive(Clone)]
pub struct Modules {
    /// Notes.
    pub mint: Mint,
    /// Unclaimed credits.
    pub deposits: Deposits,
    /// What the wallet did.
    pub operations: Operations,
}

/// A module that can't go on, while the others can.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleFailure {
    /// The module's name.
    pub kind: &'static str,
    /// What stopped it.
    pub error: ModuleError,
}

impl Modules {
    /// Modules of a wallet to which nothing has happened.
    ///
    /// # Errors
    /// None today; a module may refuse a context.
    pub fn new(context: &Rc<WalletContext>) -> Result<Self, ModuleError> {
        Ok(Self {
            mint: Mint::new(context.clone(), None)?,
            deposits: Deposits::new(context.clone(), None)?,
            operations: Operations::new(context.clone(), None)?,
        })
    }

    /// The modules of a running recovery, and those whose snapshot is of no use: they begin with nothing.
    ///
    /// # Errors
    /// [`ModuleError`].
    pub async fn load_running(
        context: &Rc<WalletContext>,
        store: &dyn Store,
    ) -> Result<(Self, Vec<ModuleFailure>), ModuleError> {
        Self::load(context, store, true).await
    }

    /// The live modules, and those whose state is of no use: they begin with nothing.
    ///
    /// # Errors
    /// [`ModuleError`].
    pub async fn load_live(
        context: &Rc<WalletContext>,
        store: &dyn Store,
    ) -> Result<(Self, Vec<ModuleFailure>), ModuleError> {
        Self::load(context, store, false).await
    }

    async fn load(
        context: &Rc<WalletContext>,
        store: &dyn Store,
        running: bool,
    ) -> Result<(Self, Vec<ModuleFailure>), ModuleError> {
        let (mut modules, mut failures) = (Self::new(context)?, Vec::new());
        for kind in KINDS {
            let key = if running { running_key(kind) } else { live_key(kind) };
            let state = match store.get(key.as_bytes()).await? {
                // A wallet to which nothing has happened yet has no state; a recovery has snapshots of all.
                None if !running => continue,
                state => state.unwrap_or_default(),
            };
            if let Err(error) = modules.read(context, kind, &state) {
                failures.push(ModuleFailure { kind, error });
            }
        }
        Ok((modules, failures))
    }

    fn read(
        &mut self,
        context: &Rc<WalletContext>,
        kind: &'static str,
        state: &[u8],
    ) -> Result<(), ModuleError> {
        match kind {
            Mint::KIND => self.mint = Mint::new(context.clone(), Some(state))?,
            Deposits::KIND => self.deposits = Deposits::new(context.clone(), Some(state))?,
            _ => self.operations = Operations::new(context.clone(), Some(state))?,
        }
        Ok(())
    }

    /// Takes over the module of this kind from `other`.
    pub fn replace(&mut self, kind: &str, other: Self) {
        match kind {
            Mint::KIND => self.mint = other.mint,
            Deposits::KIND => self.deposits = other.deposits,
            _ => self.operations = other.operations,
        }
    }

    /// All of them, for what every module does alike.
    pub fn each(&self) -> [&dyn RecoveryFromHistory; 3] {
        [&self.mint, &self.deposits, &self.operations]
    }

    fn each_mut(&mut self) -> [&mut dyn RecoveryFromHistory; 3] {
        [&mut self.mint, &mut self.deposits, &mut self.operations]
    }

    /// What all have found together.
    pub fn findings(&self) -> Findings {
        self.each().into_iter().map(|module| module.findings()).fold(Findings::default(), |sum, found| {
            Findings {
                notes: sum.notes + found.notes,
                sats: sum.sats.saturating_add(found.sats),
                operations: sum.operations + found.operations,
            }
        })
    }

    /// Adds the state of all to a batch, as the live one.
    pub fn store_live(&self, batch: &mut Batch) {
        for module in self.each() {
            module.store_live(batch);
        }
    }
}

/// Where a wallet stands in history, and what it has found up to there.
#[derive(Clone)]
pub struct Scanner {
    context: Rc<WalletContext>,
    /// The place in both hash chains.
    pub position: ChainPosition,
    /// The modules' states at that place.
    pub modules: Modules,
    /// Transactions of the wallet that were applied before their session came.
    pub ahead: SortedSet<TxId>,
    /// Modules that see nothing of it, because they recover by themselves.
    pub aside: SortedSet<&'static str>,
}

impl Scanner {
    /// A scanner at a position whose history is verified.
    pub fn new(
        context: Rc<WalletContext>,
        position: ChainPosition,
        modules: Modules,
        ahead: SortedSet<TxId>,
    ) -> Self {
        Self { context, position, modules, ahead, aside: SortedSet::new() }
    }

    /// The wallet it scans for.
    pub fn context(&self) -> &WalletContext {
        &self.context
    }

    /// A scan of the recovery index that watches for the spends of the wallet's notes.
    pub fn index_scan(&self) -> IndexScan {
        let mut scan = IndexScan::new(self.context.clone());
        for (nonce, _) in self.modules.mint.notes() {
            scan.watch(self.context.mint_id, &Hash(nonce.0));
        }
        scan
    }

    /// Whether a module that is fed must see every session.
    pub fn needs_every_session(&self) -> bool {
        self.fed().any(|module| module.needs_every_session())
    }

    /// The modules that are fed.
    pub fn fed(&self) -> impl Iterator<Item = &dyn RecoveryFromHistory> {
        self.modules.each().into_iter().filter(|module| !self.aside.contains(&module.kind()))
    }

    /// Feeds the sessions of a portion to the modules, each by itself. Sessions come in order; those that can't matter
    /// to the wallet may be left out. A portion may be fed in several calls, with the same `spent`. `clock` tells milliseconds.
    ///
    /// Modules that fail, or keep the others waiting, are set aside and given: their state is of no use any more.
    ///
    /// Only what a signature vouches for may be taken: see [`super::RelevantHistory`].
    pub fn take(
        &mut self,
        sessions: &[HashedSession],
        spent: &mut Spent,
        clock: &dyn Fn() -> u64,
    ) -> Vec<ModuleFailure> {
        let mut failures = Vec::new();
        for session in sessions {
            let mut view = SessionView::new(&self.context, session);
            for transaction in &mut view.transactions {
                transaction.is_applied = self.ahead.remove(&transaction.txid);
            }
            for (module, spent) in self.modules.each_mut().into_iter().zip(&mut *spent) {
                let kind = module.kind();
                if self.aside.contains(&kind) {
                    continue;
                }
                let began = clock();
                let outcome = module.handle_session(&view);
                *spent += clock().saturating_sub(began);
                // The last one keeps nobody waiting.
                let is_slow = *spent > PATIENCE_MS && self.aside.len() + 1 < KINDS.len();
                let failed = outcome.err().or(is_slow.then_some(ModuleError::Slow));
                if let Some(error) = failed {
                    self.aside.insert(kind);
                    failures.push(ModuleFailure { kind, error });
                }
            }
        }
        failures
    }

    /// Applies a transaction that f+1 guardians say is accepted, before its session is signed.
    ///
    /// # Errors
    /// [`ModuleError`]; the scanner must not be kept then.
    pub fn apply(&mut self, transaction: &TransactionView<'_>) -> Result<(), ModuleError> {
        let fed = self.modules.each_mut().into_iter().filter(|module| !self.aside.contains(&module.kind()));
        fed.into_iter().try_for_each(|module| module.handle_transaction(transaction))
    }
}
