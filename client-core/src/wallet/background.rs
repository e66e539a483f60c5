//! The wallet's background: recover, resume what was interrupted, follow history, claim deposits; and beside that, keep a
//! backup at the guardians.

use std::task::Poll;

use futures::{
    future::{Either, LocalBoxFuture, poll_fn, select},
    pin_mut,
};

use rekindle_protocol::encoding::Canonical;

use super::{Wallet, WalletError, WalletResult, keys, waker::Waker};
use crate::{
    backoff::{Backoff, MAX_DELAY_MS},
    platform::Batch,
    recovery::KINDS,
};

/// How often guardians are asked where they are reached, in milliseconds.
const URLS_MS: u64 = 600_000;

impl Wallet {
    /// The wallet's background. Never returns by itself: the platform polls it for as long as the wallet is open and
    /// drops it to close. Only one runs at a time; a second call waits until the first is dropped.
    pub async fn run(&self) {
        let mut parts: Vec<LocalBoxFuture<'_, ()>> = vec![Box::pin(self.keep_backed_up())];
        for (lane, waker) in self.0.wakers.iter().enumerate() {
            parts.push(match lane.checked_sub(1) {
                None => Box::pin(self.work(waker)),
                Some(module) => Box::pin(self.tend_aside(KINDS[module], waker)),
            });
        }
        let (mut evidence, mut keeping) = (Vec::new(), None);
        // None of them ends.
        poll_fn(|context| {
            for part in &mut parts {
                let _ = part.as_mut().poll(context);
            }
            // What guardians were just caught at is stored, for when the wallet is opened again. Nobody waits for it.
            let known = self.api().map(|api| api.guardians.borrow().write_evidence()).unwrap_or_default();
            if known != evidence {
                evidence.clone_from(&known);
                let mut batch = Batch::new();
                batch.put(keys::EVIDENCE, known);
                keeping = Some(self.platform().store.commit(batch));
            }
            // What can't be stored is stored with the next.
            let _ = keeping.take_if(|kept| kept.as_mut().poll(context).is_ready());
            Poll::Pending
        })
        .await
    }

    /// Does what there is to do, for ever.
    async fn work(&self, waker: &Waker) {
        let mut wakes = waker.wakes().await;
        let runtime = self.platform().runtime.clone();
        let mut backoff = Backoff::default();
        loop {
            let step = self.telling(self.step()).await;
            let pause = match &step {
                Ok(Next::Continue) => {
                    backoff.succeed();
                    0
                }
                Ok(Next::WaitForSession(_) | Next::WaitForWake) => {
                    backoff.succeed();
                    u64::MAX
                }
                Err(_) => {
                    let mut random = [0; 8];
                    // Without randomness the pause is not jittered, which is no harm.
                    let _ = runtime.random(&mut random);
                    backoff.fail(None, u64::from_le_bytes(random)).min(MAX_DELAY_MS)
                }
            };
            self.set_fault(step.as_ref().err().map(|error| (&**error, runtime.now().saturating_add(pause))));
            let rest = async {
                self.learn_urls(step.is_err()).await;
                match step {
                    Ok(Next::Continue) => {}
                    Ok(Next::WaitForWake) => std::future::pending().await,
                    Ok(Next::WaitForSession(next)) => self.wait_for_session(next).await,
                    Err(_) => runtime.sleep(pause).await,
                }
            };
            let woken = wakes.next();
            pin_mut!(rest, woken);
            if let Either::Right(_) = select(rest, woken).await {
                backoff.succeed();
            }
        }
    }

    /// Does everything that can be done now.
    async fn step(&self) -> WalletResult<Next> {
        if self.context().is_none() {
            return Ok(Next::WaitForWake);
        }
        if self.record().is_some_and(|record| !record.is_live() || record.paused && !record.is_done()) {
            return self.recover_on().await;
        }
        let resumed = match self.resume().await {
            Err(error) if matches!(*error, WalletError::Federation(_)) => return Err(error),
            resumed => resumed,
        };
        // One payment that can't be settled keeps nothing else waiting.
        self.catch_up().await?;
        if self.ready().is_ok() {
            let _working = self.working().await;
            self.claim_known().await?;
        }
        resumed?;
        if self.is_recovering() {
            // What was under way when the device was lost. Nobody waits for those who don't know it.
            let _ = self.look_ahead().await;
        }
        self.finish_recovery().await?;
        let next = self.with_live(|live| live.scanner.position.next).ok_or(WalletError::NotJoined)?;
        Ok(Next::WaitForSession(next))
    }

    /// Goes on with whatever a crash, an abort or a dead federation interrupted.
    pub(super) async fn resume(&self) -> WalletResult<()> {
        let working = self.working().await;
        let stored: Vec<_> =
            self.with_live(|live| live.pending.keys().copied().collect()).unwrap_or_default();
        let mut first_error = None;
        for txid in stored {
            match self.submit(&txid).await {
                Ok(_) => {}
                Err(error) if matches!(*error, WalletError::Federation(_)) => return Err(error),
                Err(error) => drop(first_error.get_or_insert(error)),
            }
        }
        let received: Vec<_> =
            self.with_live(|live| live.received.keys().copied().collect()).unwrap_or_default();
        for id in received.into_iter().filter(|_| self.ready().is_ok()) {
            match self.redeem_received(id).await {
                Ok(_) => {}
                Err(error) if *error == WalletError::TokenSpent => {}
                Err(error) if matches!(*error, WalletError::Federation(_)) => return Err(error),
                Err(error) => drop(first_error.get_or_insert(error)),
            }
        }
        // Whoever moves money meanwhile does so with notes that are complete.
        drop(working);
        self.complete_notes(None).await?;
        first_error.map_or(Ok(()), Err)
    }

    /// Learns where guardians have moved to: now and then, and after a failure, because that may be why.
    async fn learn_urls(&self, has_failed: bool) {
        let now = self.platform().runtime.now();
        let Ok(api) = self.api() else { return };
        if !has_failed && now < self.0.urls_asked_at.get().saturating_add(URLS_MS) {
            return;
        }
        self.0.urls_asked_at.set(now);
        // Nobody waits for it: what can't be learned or stored now is learned again.
        if let Ok(Some(urls)) = api.learn_urls().await {
            let mut batch = Batch::new();
            batch.put(keys::URLS, urls.to_bytes());
            let _ = self.platform().store.commit(batch).await;
            self.notify();
        }
    }

    /// Interrupts the background's wait.
    pub(super) fn wake(&self) {
        self.0.wakers.iter().for_each(Waker::wake);
    }
}

/// What the background waits for.
pub(super) enum Next {
    /// Nothing: there is more to do.
    Continue,
    /// Until somebody wakes it.
    WaitForWake,
    /// Until this session is signed.
    WaitForSession(u64),
}
