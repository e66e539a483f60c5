//! What a recovery tells.

use std::cell::Cell;

use super::*;
use crate::{
    platform::{Batch, KeyValue, RandomError, Scan, Store, StoreResult},
    sorted::SortedSet,
    testing::meddler::Meddler,
};

#[tokio::test(start_paused = true)]
async fn progress_rises_in_steps_to_exactly_what_there_is() {
    let world = World::new();
    let alice = world.funded(1_000).await;
    world.guardians.with(|federation| (0..2_000).for_each(|_| drop(federation.close(vec![]).clone())));
    world.fund(&alice, 10).await;
    let sessions = world.guardians.with(|federation| federation.sessions.len() as u64);
    // Each answer takes so long that a recovery of so many ranges takes seconds.
    let slow = Rc::new(Slow { inner: world.guardians.clone(), runtime: world.runtime.clone() });
    let platform = Platform { transport: slow, ..world.platform() };
    let restored = Wallet::recover(platform, &alice.seed_words(), &world.invite).await.unwrap();
    restored.read_every_session();
    let told = Rc::new(RefCell::new(Vec::new()));
    let (listener, times) = (told.clone(), Rc::new(RefCell::new(Vec::new())));
    let (clock, moments) = (world.runtime.clone(), times.clone());
    restored.on_recovery(Rc::new(move |progress| {
        moments.borrow_mut().push(clock.now());
        listener.borrow_mut().push(progress);
    }));
    finish(&restored).await;
    let told = told.borrow();
    let done: Vec<u64> = told.iter().map(|progress| progress.sessions_done).collect();
    assert!(done.is_sorted() && told.is_sorted_by_key(|progress| progress.bytes), "{done:?}");
    let between = done.iter().filter(|done| (1..sessions).contains(done)).count();
    assert!(between >= 1, "no step on the way: {done:?}");
    let longest = times.borrow().windows(2).map(|pair| pair[1] - pair[0]).max();
    assert!(longest <= Some(250), "nothing is told for {longest:?} ms");
    assert!(told.is_sorted_by_key(|progress| progress.share));
    let share = |state| told.iter().rfind(|progress| progress.state == state).map(|progress| progress.share);
    let (read, completing) =
        (share(RecoveryState::Running).unwrap(), share(RecoveryState::Finalizing).unwrap());
    assert!(0.0 < read && read < 1.0 && completing < 1.0, "{read} {completing}");
    let last = told.last().unwrap();
    assert_eq!(last.share, 1.0);
    assert_eq!(
        (last.state, last.sessions_done, last.sessions_total),
        (RecoveryState::Done, sessions, sessions)
    );
}

#[tokio::test(start_paused = true)]
async fn progress_tells_what_goes_on_and_nothing_is_downloaded_twice() {
    let world = World::new();
    let alice = world.funded(1_000).await;
    world.guardians.with(|federation| (0..2_000).for_each(|_| drop(federation.close(vec![]).clone())));
    world.fund(&alice, 10).await;
    world.guardians.serve_at_most(100);
    let slow = Rc::new(Slow { inner: world.guardians.clone(), runtime: world.runtime.clone() });
    let transport = Meddler::new(slow, |_| None);
    let platform = Platform { transport: transport.clone(), ..world.platform() };
    let restored = Wallet::recover(platform, &alice.seed_words(), &world.invite).await.unwrap();
    let told = Rc::new(RefCell::new(Vec::new()));
    let listener = told.clone();
    restored.on_recovery(Rc::new(move |progress| listener.borrow_mut().push(progress)));
    finish(&restored).await;
    assert!(restored.recovery().unwrap().snapshots > 1);
    let mut asked: Vec<_> = transport.log().into_iter().map(|request| request.url).collect();
    asked.retain(|url| url.contains("/recovery?"));
    let begins: SortedSet<_> = asked.iter().map(|url| url.split(['=', '&']).nth(1)).collect();
    assert_eq!(begins.len(), asked.len(), "{asked:?}");

    let told = told.borrow();
    let reading: Vec<_> = told
        .iter()
        .filter(|progress| {
            progress.state == RecoveryState::Running
                && (1..progress.sessions_total).contains(&progress.sessions_done)
        })
        .collect();
    assert!(reading.iter().any(|progress| (1..1_010).contains(&progress.found.sats)), "{reading:?}");
    assert!(reading.iter().any(|progress| progress.bytes > 0 && progress.sessions_per_second > 0.0));
    assert!(reading.iter().any(|progress| progress.time_left.is_some_and(|left| left > 0)));
    assert!(reading.iter().all(|progress| progress.guardians_in_use.iter().all(|guardian| *guardian < 4)));
    assert!(reading.iter().any(|progress| !progress.guardians_in_use.is_empty()));
    assert_eq!(told.last().map(|progress| progress.found.sats), Some(1_010));
}

/// Guardians far away.
struct Slow {
    inner: TestGuardians,
    runtime: Rc<dyn Runtime>,
}

#[async_trait::async_trait(?Send)]
impl Transport for Slow {
    async fn request(
        &self,
        request: crate::platform::Request,
    ) -> Result<crate::platform::Response, crate::platform::TransportError> {
        self.runtime.sleep(300).await;
        self.inner.request(request).await
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_is_waited_for_before_anybody_was_asked() {
    let world = World::new();
    let alice = world.funded(1_000).await;
    world.guardians.with(|federation| (0..2_000).for_each(|_| drop(federation.close(vec![]).clone())));
    world.fund(&alice, 10).await;
    let runtime = Rc::new(SlowMachine { inner: world.runtime.clone(), looked: Cell::new(0) });
    let platform = Platform { runtime, ..world.platform() };
    let restored = Wallet::recover(platform, &alice.seed_words(), &world.invite).await.unwrap();
    let states = Rc::new(RefCell::new(Vec::new()));
    let listener = states.clone();
    restored.on_recovery(Rc::new(move |progress| listener.borrow_mut().push(progress.state)));
    finish(&restored).await;
    assert!(!states.borrow().contains(&RecoveryState::Waiting), "{states:?}");
}

/// A machine on which a millisecond passes between two looks at the clock.
struct SlowMachine {
    inner: Rc<dyn Runtime>,
    looked: Cell<u64>,
}

#[async_trait::async_trait(?Send)]
impl Runtime for SlowMachine {
    fn now(&self) -> u64 {
        self.looked.set(self.looked.get() + 1);
        self.inner.now() + self.looked.get()
    }

    async fn sleep(&self, milliseconds: u64) {
        self.inner.sleep(milliseconds).await;
    }

    fn random(&self, buffer: &mut [u8]) -> Result<(), RandomError> {
        self.inner.random(buffer)
    }
}

#[tokio::test(start_paused = true)]
async fn snapshots_tell_what_they_cost() {
    let world = World::new();
    let alice = world.funded(1_000).await;
    world.guardians.with(|federation| (0..2_000).for_each(|_| drop(federation.close(vec![]).clone())));
    let runtime = Rc::new(SlowMachine { inner: world.runtime.clone(), looked: Cell::new(0) });
    let store = Rc::new(SlowStore { inner: Default::default(), runtime: world.runtime.clone() });
    let restored =
        world.recover_on(Platform { runtime, store, ..world.platform() }, &alice.seed_words()).await;
    let RecoveryProgress { snapshots, verifications, .. } = restored.recovery().unwrap();
    assert!(snapshots > 1, "{snapshots}");
    assert!(
        verifications <= snapshots + 1,
        "{verifications} signatures were verified for {snapshots} snapshots"
    );
    let each = restored.snapshot_ms() as f64 / snapshots as f64;
    assert!((7.0..20.0).contains(&each), "{each} ms");
}

/// A disk that takes 7 milliseconds for a batch.
struct SlowStore {
    inner: crate::store::MemoryStore,
    runtime: Rc<dyn Runtime>,
}

#[async_trait::async_trait(?Send)]
impl Store for SlowStore {
    async fn get(&self, key: &[u8]) -> StoreResult<Option<Vec<u8>>> {
        self.inner.get(key).await
    }

    async fn scan(&self, scan: &Scan) -> StoreResult<Vec<KeyValue>> {
        self.inner.scan(scan).await
    }

    async fn commit(&self, batch: Batch) -> StoreResult<()> {
        self.runtime.sleep(7).await;
        self.inner.commit(batch).await
    }
}
