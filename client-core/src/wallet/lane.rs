//! Reading history for modules that are not live: from their last snapshot to the present, then live.
//!
//! There is one lane for all modules together, and one for each module that was set aside from it. A lane has its own
//! position and snapshots; what it leads to depends on history alone.

use std::rc::Rc;

use futures::pin_mut;
use rekindle_protocol::chain::ChainPosition;

use super::{Wallet, WalletError, WalletResult, keys, update::Update};
use crate::{
    context::WalletContext,
    platform::Batch,
    recovery::{
        KINDS, ModuleFailure, Modules, Phase, Portion, RUNNING_PREFIX, ReadAhead, RecoveryRecord,
        RelevantHistory, Scanner, Spent,
    },
    sorted::SortedSet,
};

/// A portion of history ends after this many bytes, so that memory stays flat.
const PORTION_BYTES: u64 = 16 << 20;
/// How often whoever waits for something looks whether it has come, in milliseconds.
pub(super) const PROGRESS_MS: u64 = 200;

/// The module that a lane is for; `None` for the lane of all.
pub(super) type Lane = Option<&'static str>;

impl Wallet {
    /// Reads until the lane's modules are live, or there is nothing left to do. Gives what stopped a module by itself.
    pub(super) async fn read_lane(&self, lane: Lane) -> WalletResult<Option<ModuleFailure>> {
        let context = self.joined()?;
        let mut scanner = self.load_scanner(&context, lane).await?;
        let runtime = self.platform().runtime.clone();
        let clock = || runtime.now();
        while let Some(end) = self.end_of(lane).await? {
            let from = scanner.position;
            if from.next >= end {
                if self.arrive(lane, &scanner).await? {
                    break;
                }
                runtime.sleep(PROGRESS_MS).await;
                continue;
            }
            let (api, scan, form) = (self.api()?, scanner.index_scan(), self.form(&scanner));
            let mut history =
                RelevantHistory::new(api, runtime.clone(), scan, form, from, end, PORTION_BYTES);
            let mut tell = |ahead| {
                if lane.is_none() {
                    self.observe(ahead)
                }
            };
            loop {
                let (mut failures, mut spent) = (Vec::new(), Spent::default());
                let mut take = |session| failures.extend(scanner.take(&[session], &mut spent, &clock));
                let Some(portion) = history.next_portion(&mut take, &mut tell).await? else { break };
                if lane.is_some() && !failures.is_empty() {
                    return Ok(failures.pop());
                }
                for failure in &failures {
                    // What it has become shows nothing that could be relied on.
                    scanner.modules.replace(failure.kind, Modules::new(&context)?);
                }
                let from = scanner.position;
                scanner.position = portion.position;
                let snapshot = self.snapshot(lane, from, &scanner, &portion, &failures);
                pin_mut!(snapshot);
                let (taken, cost) = history.meanwhile(snapshot).await;
                self.0.snapshot_ms.set(self.0.snapshot_ms.get() + cost);
                if !taken? {
                    return Ok(None);
                }
            }
        }
        Ok(None)
    }

    /// The scanner of the lane's last snapshot. Modules that have none, or none that can be read, begin with nothing, by
    /// themselves.
    async fn load_scanner(&self, context: &Rc<WalletContext>, lane: Lane) -> WalletResult<Scanner> {
        let mut record = self.record().ok_or(WalletError::RecoveryNotRunning)?;
        let aside = lane.and_then(|kind| record.aside(kind));
        let mut position = aside.map_or(record.position, |aside| aside.position);
        let (mut modules, mut failures) = match position.next {
            0 => (Modules::new(context)?, Vec::new()),
            _ => Modules::load_running(context, &*self.platform().store).await?,
        };
        failures
            .retain(|failure| lane.map_or(record.aside(failure.kind).is_none(), |kind| kind == failure.kind));
        if let Some(ModuleFailure { kind, error }) = failures.first() {
            // If nothing is left that could go on, all begins again.
            let is_last = lane.is_none() && failures.len() + record.aside.len() >= KINDS.len();
            let mut batch = Batch::new();
            if is_last {
                modules = Modules::new(context)?;
                batch.delete_prefix(RUNNING_PREFIX);
            }
            if is_last || lane.is_some() {
                position = ChainPosition::GENESIS;
            }
            let now = self.platform().runtime.now();
            let change = |record: &mut RecoveryRecord| match is_last {
                true => {
                    *record = RecoveryRecord::from_scratch(context.federation, format!("{kind}: {error}"))
                }
                false => drop_states(record, &failures, now),
            };
            self.commit_record(batch, &change).await?;
            change(Rc::make_mut(&mut record));
        }
        if lane.is_none() {
            self.0.running.borrow_mut().found = modules.findings();
        }
        let mut scanner = Scanner::new(context.clone(), position, modules, SortedSet::new());
        scanner.aside = match lane {
            None => aside_kinds(&record),
            Some(kind) => KINDS.into_iter().filter(|other| *other != kind).collect(),
        };
        Ok(scanner)
    }

    /// Up to which session the lane reads: to the present, or to where the others are or mean to be. `None` if its module
    /// is not aside any more.
    async fn end_of(&self, lane: Lane) -> WalletResult<Option<u64>> {
        let Some(kind) = lane else {
            let count = self.api()?.session_count().await?;
            self.change_record(|record| record.total = record.total.max(count));
            return Ok(self.record().map(|record| record.total));
        };
        let record = self.record().filter(|record| record.aside(kind).is_some());
        Ok(record.and_then(|record| {
            let live = self.with_live(|live| live.scanner.position.next);
            if record.is_live() { live } else { Some(record.total) }
        }))
    }

    /// Commits modules, position and progress together, unless the lane was ended meanwhile. Modules that failed stay at
    /// the snapshot before.
    async fn snapshot(
        &self,
        lane: Lane,
        from: ChainPosition,
        scanner: &Scanner,
        portion: &Portion,
        failures: &[ModuleFailure],
    ) -> WalletResult<bool> {
        let runtime = &self.platform().runtime;
        let now = runtime.now();
        let mut batch = Batch::new();
        scanner.fed().for_each(|module| module.store(&mut batch));
        {
            let _committing = self.0.committing.lock().await;
            let Some(mut stored) = self.record() else { return Ok(false) };
            let record = Rc::make_mut(&mut stored);
            if let Some(kind) = lane {
                let here =
                    record.aside.iter_mut().find(|aside| aside.module == kind && aside.position == from);
                let Some(aside) = here else { return Ok(false) };
                aside.position = scanner.position;
            } else {
                for ModuleFailure { kind, error } in failures {
                    record.set_aside(kind, from, error.to_string(), now);
                }
                record.position = scanner.position;
                record.bytes += portion.bytes;
                record.verifications += portion.verifications;
                record.snapshots += 1;
            }
            self.store_record(stored, batch).await?;
        }
        if lane.is_none() {
            // What was read ahead is part of the record now.
            let mut running = self.0.running.borrow_mut();
            running.found = scanner.modules.findings();
            running.read_ahead =
                ReadAhead { sessions: 0, bytes: 0, ..std::mem::take(&mut running.read_ahead) };
        }
        if !failures.is_empty() {
            self.wake();
        }
        Ok(true)
    }

    /// Makes the lane's modules live and removes its snapshots: one batch. A module by itself joins the others only
    /// exactly where they are, and while nobody reads on from there: what is being read was chosen without it.
    async fn arrive(&self, lane: Lane, scanner: &Scanner) -> WalletResult<bool> {
        let _following = self.0.following.lock().await;
        let mut update = self.update().await?;
        let Update { live, batch, .. } = &mut update;
        let Some(mut stored) = self.record() else { return Ok(false) };
        let record = Rc::make_mut(&mut stored);
        if let Some(kind) = lane {
            // What was applied ahead of its session the module has not seen: that session comes first.
            let is_here = live.scanner.position == scanner.position && live.scanner.ahead.is_empty();
            if !is_here || !record.is_live() || record.aside(kind).is_none() {
                return Ok(false);
            }
            live.scanner.modules.replace(kind, scanner.modules.clone());
            live.scanner.aside.remove(&kind);
            record.aside.retain(|aside| aside.module != kind);
        } else {
            live.scanner = scanner.clone();
        }
        // What the mint brings may lack signatures.
        record.phase = Phase::Finalizing;
        self.0.running.borrow_mut().found = live.scanner.modules.findings();
        live.store_scanner(batch);
        scanner.fed().for_each(|module| module.finalize(batch));
        batch.put(keys::RECOVERY, record.write());
        update.commit().await?;
        self.set_record(stored);
        self.wake();
        self.tell_progress();
        Ok(true)
    }
}

/// Sets modules aside that have to begin with nothing, because their states are of no use.
pub(super) fn drop_states(record: &mut RecoveryRecord, failures: &[ModuleFailure], now: u64) {
    for ModuleFailure { kind, error } in failures {
        let reason = format!("{kind}: {error}");
        record.dropped = Some(reason.clone());
        record.set_aside(kind, ChainPosition::GENESIS, reason, now);
    }
}

/// The modules that a record has set aside.
pub(super) fn aside_kinds(record: &RecoveryRecord) -> SortedSet<&'static str> {
    KINDS.into_iter().filter(|kind| record.aside(kind).is_some()).collect()
}
