//! Taking in history, session by session. No I/O: the driver and the wallet feed it.

use std::rc::Rc;

use rekindle_protocol::{
    bytes::{Hash, TxId},
    chain::ChainPosition,
    session::HashedSession,
};

use super::{Findings, IndexScan, ModuleError, RecoveryFromHistory, SessionView, TransactionView, load_live};
use crate::{
    context::WalletContext,
    modules::{deposit::Deposits, mint::Mint, operations::Operations},
    platform::{Batch, Store},
    sorted::SortedSet,
};

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

/// A module that stopped at an error, while the others went on.
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

    /// The modules of a running recovery, if every one has a snapshot.
    ///
    /// # Errors
    /// [`ModuleError`].
    pub async fn load_running(
        context: &Rc<WalletContext>,
        store: &dyn Store,
    ) -> Result<Option<Self>, ModuleError> {
        let mint = Mint::load(Mint::KIND, context.clone(), store).await?;
        let deposits = Deposits::load(Deposits::KIND, context.clone(), store).await?;
        let operations = Operations::load(Operations::KIND, context.clone(), store).await?;
        Ok(match (mint, deposits, operations) {
            (Some(mint), Some(deposits), Some(operations)) => Some(Self { mint, deposits, operations }),
            _ => None,
        })
    }

    /// The live modules.
    ///
    /// # Errors
    /// [`ModuleError`].
    pub async fn load_live(context: &Rc<WalletContext>, store: &dyn Store) -> Result<Self, ModuleError> {
        Ok(Self {
            mint: load_live(Mint::KIND, context.clone(), store).await?,
            deposits: load_live(Deposits::KIND, context.clone(), store).await?,
            operations: load_live(Operations::KIND, context.clone(), store).await?,
        })
    }

    /// All of them, for what every module does alike.
    pub fn each(&self) -> [&dyn RecoveryFromHistory; 3] {
        [&self.mint, &self.deposits, &self.operations]
    }

    /// Whether one of them must see every session.
    pub fn need_every_session(&self) -> bool {
        self.each().into_iter().any(|module| module.needs_every_session())
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

    /// Applies a transaction that f+1 guardians said is accepted, before its session is signed.
    ///
    /// # Errors
    /// [`ModuleError`]; the modules must not be kept then.
    pub fn apply(&mut self, transaction: &TransactionView<'_>) -> Result<(), ModuleError> {
        self.each_mut().into_iter().try_for_each(|module| module.handle_transaction(transaction))
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
    /// Transactions of the wallet that were applied before their session came: skipped when it does.
    pub ahead: SortedSet<TxId>,
    /// Modules that stopped.
    pub failures: Vec<ModuleFailure>,
}

impl Scanner {
    /// A scanner at a position whose history is verified.
    pub fn new(
        context: Rc<WalletContext>,
        position: ChainPosition,
        modules: Modules,
        ahead: SortedSet<TxId>,
    ) -> Self {
        Self { context, position, modules, ahead, failures: Vec::new() }
    }

    /// A scan of the recovery index that watches for the spends of the wallet's notes.
    pub fn index_scan(&self) -> IndexScan {
        let mut scan = IndexScan::new(self.context.clone());
        for (nonce, _) in self.modules.mint.notes() {
            scan.watch(self.context.mint_id, &Hash(nonce.0));
        }
        scan
    }

    /// Feeds a session to every module that has not stopped. Sessions come in order; those that can't matter to the
    /// wallet may be left out.
    ///
    /// Only what a signature vouches for may be taken: see [`super::RelevantHistory`].
    pub fn take(&mut self, session: &HashedSession) {
        let mut view = SessionView::new(&self.context, session);
        if !self.ahead.is_empty() {
            view.transactions.retain(|transaction| {
                let applied = self.ahead.remove(&transaction.txid);
                if applied {
                    // Its time was a guess until now.
                    self.modules.operations.set_time(&transaction.txid, transaction.time);
                }
                !applied
            });
        }
        for module in self.modules.each_mut() {
            let kind = module.kind();
            if self.failures.iter().any(|failure| failure.kind == kind) {
                continue;
            }
            if let Err(error) = module.handle_session(&view) {
                self.failures.push(ModuleFailure { kind, error });
            }
        }
    }
}
