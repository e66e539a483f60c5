//! What a recovery tells.

use super::*;

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
