//! What interrupts the background's waits.

use std::{cell::Cell, future::poll_fn, task};

use futures::lock::{Mutex, MutexGuard};

/// Lets whoever has something new to do interrupt a wait.
#[derive(Default)]
pub(super) struct Waker {
    /// Whether it was woken since it was last noticed.
    woken: Cell<bool>,
    waiting: Cell<Option<task::Waker>>,
    turn: Mutex<()>,
}

/// The wakes, for one at a time.
pub(super) struct Wakes<'a> {
    waker: &'a Waker,
    _turn: MutexGuard<'a, ()>,
}

impl Waker {
    /// Waits until nobody else is woken.
    pub(super) async fn wakes(&self) -> Wakes<'_> {
        Wakes { waker: self, _turn: self.turn.lock().await }
    }

    /// A second wake before the first is noticed says nothing new.
    pub(super) fn wake(&self) {
        self.woken.set(true);
        if let Some(waiting) = self.waiting.take() {
            waiting.wake();
        }
    }
}

impl Wakes<'_> {
    /// Waits for a wake, unless there was one that nobody has noticed.
    pub(super) async fn next(&mut self) {
        poll_fn(|context| {
            self.waker.waiting.set(Some(context.waker().clone()));
            if self.waker.woken.take() { task::Poll::Ready(()) } else { task::Poll::Pending }
        })
        .await;
    }
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt, executor::block_on, future::join};

    use super::*;

    #[test]
    fn wakes_are_noticed_once_and_by_one() {
        let waker = Waker::default();
        let mut wakes = waker.wakes().now_or_never().expect("nobody else is woken");
        assert!(waker.wakes().now_or_never().is_none());
        assert!(wakes.next().now_or_never().is_none());
        waker.wake();
        waker.wake();
        assert!(wakes.next().now_or_never().is_some());
        assert!(wakes.next().now_or_never().is_none());
        // One that comes while somebody waits ends the wait.
        block_on(join(wakes.next(), async { waker.wake() }));
        waker.wake();
        drop(wakes);
        let mut after = waker.wakes().now_or_never().expect("its turn has come");
        assert!(after.next().now_or_never().is_some());
    }
}
