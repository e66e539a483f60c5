//! What the rest of the process sees of a node: the HTTP API submits, asks and waits through it.

use std::{sync::Arc, time::Duration};

use redb::WriteTransaction;
use rekindle_protocol::{
    api::{Rejection, TransactionStatus},
    bytes::{FederationId, TxId},
    config::ClientConfig,
    encoding::Canonical,
    session::Item,
    transaction::{MAX_TRANSACTION_BYTES, Transaction},
};
use tokio::{
    sync::{Semaphore, mpsc, oneshot, watch},
    time::timeout,
};
use tracing::error;

use super::{GuardianKeys, MAX_PROPOSAL_BYTES, Progress, Settings, StateMachine, status::Undecided};
use crate::{
    consensus::GuardianId,
    db::{self, Db, DbError, StoredSession},
};

/// Why a transaction was not taken up.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// It is not valid now; `Rejection::reason` has a stable code.
    #[error("rejected: {}", .0.detail)]
    Rejected(Rejection),
    /// Its encoding is above [`MAX_TRANSACTION_BYTES`].
    #[error("the transaction is larger than {MAX_TRANSACTION_BYTES} bytes")]
    TooLarge,
    /// Too much is waiting to be ordered: try again later.
    #[error("too many transactions are waiting")]
    Busy,
    /// The guardian is stopping.
    #[error("the guardian is stopping")]
    Stopped,
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Why a session from elsewhere was not taken.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdoptError {
    /// Not what the federation signed.
    #[error("{0}")]
    Invalid(String),
    /// Sessions before it are missing.
    #[error("session {expected} comes next, not {got}")]
    NotNext {
        /// The session that this guardian needs.
        expected: u64,
        /// The one that was given.
        got: u64,
    },
    /// Too much is waiting to be done.
    #[error("the guardian is busy")]
    Busy,
    /// The guardian is stopping.
    #[error("the guardian is stopping")]
    Stopped,
}

/// A session as its number's status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionState {
    /// Not begun: the number is above [`NodeHandle::session_count`].
    Initial,
    /// Open, or closed and not yet signed: its items so far.
    Pending(Vec<Item>),
    /// The encoding of its [`rekindle_protocol::session::SignedSession`].
    Complete(Vec<u8>),
}

/// A change of what only this guardian knows, within a database transaction of the node's.
pub(super) type Change = Box<dyn FnOnce(&WriteTransaction) -> Result<(), redb::Error> + Send>;

/// What the node is asked to do.
pub(super) enum Request {
    /// Have a transaction ordered.
    Submit(Submission),
    /// Tell the federation that the operator is ready for newer rules.
    Signal {
        /// Their version.
        version: u32,
        /// Answered when it is durably noted.
        done: oneshot::Sender<()>,
    },
    /// Change what the machine proposes.
    Change {
        /// What to write.
        change: Change,
        /// Answered when it is durably written.
        done: oneshot::Sender<()>,
    },
    /// Take a signed session from the operator.
    Adopt {
        /// Its encoding.
        session: Vec<u8>,
        /// Answered when it is executed, or with what is wrong with it.
        done: oneshot::Sender<Result<(), AdoptError>>,
    },
}

/// A submission on its way to the node.
pub(super) struct Submission {
    pub txid: TxId,
    pub transaction: Transaction,
    /// Answered when it is durably pending, or with what became of it.
    pub done: oneshot::Sender<Result<(), SubmitError>>,
}

/// What the handle and the node share.
pub(super) struct Shared {
    pub id: GuardianId,
    pub federation: FederationId,
    pub config: Arc<ClientConfig>,
    pub keys: Arc<GuardianKeys>,
    pub settings: Settings,
    pub db: Arc<Db>,
    pub machine: Arc<dyn StateMachine>,
    pub undecided: Undecided,
    pub progress: watch::Sender<Progress>,
    /// Checks of submitted transactions that may compute at the same time: a flood must not take the processor from
    /// the node.
    pub checks: Semaphore,
}

impl Shared {
    /// What the machine proposes now.
    pub fn proposal(&self) -> Result<Vec<u8>, DbError> {
        let proposal = self.machine.proposal(&self.db.read()?).map_err(DbError::from)?;
        if proposal.len() > MAX_PROPOSAL_BYTES {
            // It would get this guardian banned.
            error!(bytes = proposal.len(), "the machine proposes too much: nothing is proposed");
            return Ok(Vec::new());
        }
        Ok(proposal)
    }
}

/// A node as the rest of the process sees it. Cheap to clone. Calls that read the database block for
/// microseconds to milliseconds.
#[derive(Clone)]
pub struct NodeHandle {
    pub(super) shared: Arc<Shared>,
    pub(super) requests: mpsc::Sender<Request>,
}

impl NodeHandle {
    /// Which guardian it is.
    pub fn id(&self) -> GuardianId {
        self.shared.id
    }

    /// The hash of the config.
    pub fn federation(&self) -> FederationId {
        self.shared.federation
    }

    /// The federation's config.
    pub fn config(&self) -> &Arc<ClientConfig> {
        &self.shared.config
    }

    /// The guardian's own keys: the identity that signs answers, the mint's shares.
    pub fn keys(&self) -> &Arc<GuardianKeys> {
        &self.shared.keys
    }

    /// The database; read it with [`Db::read`] and the functions of [`crate::db`]. Only the node writes.
    pub fn db(&self) -> &Arc<Db> {
        &self.shared.db
    }

    /// Takes up a transaction: checks it, stores it and has it ordered. When this returns, the transaction survives
    /// a restart of this guardian. Submitting it again, pending or accepted, changes nothing.
    ///
    /// # Errors
    /// [`SubmitError`]; a rejection is also what [`NodeHandle::transaction_status`] says from then on.
    pub async fn submit(&self, transaction: Transaction) -> Result<TxId, SubmitError> {
        let encoded = transaction.to_bytes();
        if encoded.len() > MAX_TRANSACTION_BYTES {
            return Err(SubmitError::TooLarge);
        }
        let txid = Transaction::id_of_bytes(&encoded);
        match self.transaction_status(&txid)? {
            TransactionStatus::Pending | TransactionStatus::Accepted { .. } => return Ok(txid),
            TransactionStatus::Unknown | TransactionStatus::Rejected(_) => {}
        }
        let Settings { pending_transactions, pending_bytes, .. } = self.shared.settings;
        let room = self.shared.undecided.reserve(encoded.len(), pending_transactions, pending_bytes);
        let _room = room.ok_or(SubmitError::Busy)?;
        // A place in the queue before the expensive check, so that a flood costs no CPU.
        let place = self.requests.try_reserve().map_err(|error| match error {
            mpsc::error::TrySendError::Full(()) => SubmitError::Busy,
            mpsc::error::TrySendError::Closed(()) => SubmitError::Stopped,
        })?;
        let transaction = self.check(txid, transaction).await?;
        let (done, answer) = oneshot::channel();
        place.send(Request::Submit(Submission { txid, transaction, done }));
        // A node that stopped during the check never reads what was sent to the place reserved before.
        tokio::select! {
            biased;
            answer = answer => answer.map_err(|_| SubmitError::Stopped)??,
            () = self.requests.closed() => return Err(SubmitError::Stopped),
        }
        Ok(txid)
    }

    /// Tells the federation, for good, that this guardian's operator is ready to go on with version `version` of the
    /// rules. When n - f guardians have, all of them finish the same session and stop with
    /// [`super::NodeError::UpgradeRequired`], but for those whose software follows that version already: they go
    /// on. When this returns, the signal survives a restart. A version that is not above the one signalled before, or
    /// not above the one in force, changes nothing.
    ///
    /// # Errors
    /// [`SubmitError::Busy`] or [`SubmitError::Stopped`].
    pub async fn signal_upgrade(&self, version: u32) -> Result<(), SubmitError> {
        self.ask(|done| Request::Signal { version, done }).await
    }

    /// Writes what only this guardian knows and its machine's proposals depend on; nothing that verdicts do. When this
    /// returns, it survives a restart, and the federation hears of it with the next batch.
    ///
    /// # Errors
    /// [`SubmitError::Busy`] or [`SubmitError::Stopped`]. A database that fails stops the guardian.
    pub async fn change(
        &self,
        change: impl FnOnce(&WriteTransaction) -> Result<(), redb::Error> + Send + 'static,
    ) -> Result<(), SubmitError> {
        self.ask(|done| Request::Change { change: Box::new(change), done }).await
    }

    async fn ask(&self, request: impl FnOnce(oneshot::Sender<()>) -> Request) -> Result<(), SubmitError> {
        let (done, answer) = oneshot::channel();
        self.requests.try_send(request(done)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => SubmitError::Busy,
            mpsc::error::TrySendError::Closed(_) => SubmitError::Stopped,
        })?;
        answer.await.map_err(|_| SubmitError::Stopped)
    }

    /// Takes a signed session that was obtained elsewhere, for a guardian that can't get it from its peers. It counts
    /// only if the federation's signature is on it; then it is executed like one from a peer. A session that is here
    /// already changes nothing. A signed one that contradicts what this guardian computed stops it.
    ///
    /// # Errors
    /// [`AdoptError`].
    pub async fn adopt(&self, session: Vec<u8>) -> Result<(), AdoptError> {
        let (done, answer) = oneshot::channel();
        self.requests.try_send(Request::Adopt { session, done }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => AdoptError::Busy,
            mpsc::error::TrySendError::Closed(_) => AdoptError::Stopped,
        })?;
        answer.await.map_err(|_| AdoptError::Stopped)?
    }

    async fn check(&self, txid: TxId, transaction: Transaction) -> Result<Transaction, SubmitError> {
        let shared = self.shared.clone();
        // Never closed.
        let _turn = self.shared.checks.acquire().await.map_err(|_| SubmitError::Stopped)?;
        tokio::task::spawn_blocking(move || {
            let txn = shared.db.read()?;
            match shared.machine.check(&txn, &transaction).map_err(DbError::from)? {
                Ok(()) => Ok(transaction),
                Err(rejection) => {
                    // Accepted since the first look: its inputs are spent by itself.
                    if db::accepted_in(&txn, &txid)?.is_some() {
                        return Ok(transaction);
                    }
                    shared.undecided.set_rejected(txid, rejection.clone());
                    Err(SubmitError::Rejected(rejection))
                }
            }
        })
        .await
        .map_err(|_| SubmitError::Stopped)?
    }

    /// What became of a transaction, as far as this guardian knows.
    ///
    /// # Errors
    /// If the database fails.
    pub fn transaction_status(&self, txid: &TxId) -> Result<TransactionStatus, DbError> {
        // Pending first: it stays set until the acceptance is committed.
        let pending = self.shared.undecided.is_pending(txid);
        if let Some(session) = db::accepted_in(&self.shared.db.read()?, txid)? {
            return Ok(TransactionStatus::Accepted { session });
        }
        if pending {
            return Ok(TransactionStatus::Pending);
        }
        Ok(match self.shared.undecided.rejection(txid) {
            Some(rejection) => TransactionStatus::Rejected(rejection),
            None => TransactionStatus::Unknown,
        })
    }

    /// Waits until a transaction is accepted or rejected, at most `patience`; then says what is known.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn wait_transaction(
        &self,
        txid: &TxId,
        patience: Duration,
    ) -> Result<TransactionStatus, DbError> {
        self.wait(patience, || {
            let status = self.transaction_status(txid)?;
            let decided =
                matches!(status, TransactionStatus::Accepted { .. } | TransactionStatus::Rejected(_));
            Ok((decided, status))
        })
        .await
    }

    /// How many transactions wait to be ordered.
    pub fn pending_count(&self) -> usize {
        self.shared.undecided.pending_count()
    }

    /// Number of the open session.
    pub fn session_count(&self) -> u64 {
        self.shared.progress.borrow().session_count
    }

    /// Number of the first session that is not signed: all before it are complete.
    pub fn signed_count(&self) -> u64 {
        self.shared.progress.borrow().signed_count
    }

    /// The current epoch.
    pub fn epoch(&self) -> u64 {
        self.shared.progress.borrow().epoch
    }

    /// The state of session number `index`.
    ///
    /// # Errors
    /// If the database fails.
    pub fn session(&self, index: u64) -> Result<SessionState, DbError> {
        let count = self.session_count();
        let txn = self.shared.db.read()?;
        Ok(match db::read_session(&txn, index)? {
            Some(StoredSession::Signed(bytes)) => SessionState::Complete(bytes),
            Some(StoredSession::Closed(items)) => SessionState::Pending(items),
            // The view is at least as new as the count: if the session had closed since, it would be stored.
            None if index == count => SessionState::Pending(db::open_items(&txn)?),
            None => SessionState::Initial,
        })
    }

    /// Waits until session `index` is complete, at most `patience`; then gives its state.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn wait_session(&self, index: u64, patience: Duration) -> Result<SessionState, DbError> {
        self.wait(patience, || {
            let state = self.session(index)?;
            Ok((matches!(state, SessionState::Complete(_)), state))
        })
        .await
    }

    /// Asks `look` now and after every step of the node until it is satisfied or patience ends.
    async fn wait<T>(
        &self,
        patience: Duration,
        look: impl Fn() -> Result<(bool, T), DbError>,
    ) -> Result<T, DbError> {
        let mut progress = self.progress();
        let satisfied = async {
            loop {
                progress.borrow_and_update();
                let (done, value) = look()?;
                if done || progress.changed().await.is_err() {
                    return Ok(value);
                }
            }
        };
        match timeout(patience, satisfied).await {
            Ok(result) => result,
            Err(_) => look().map(|(_, value)| value),
        }
    }

    /// A watch on the node's progress: it changes with every batch and every signed session.
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.shared.progress.subscribe()
    }
}
