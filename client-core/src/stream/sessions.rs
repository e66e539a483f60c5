//! Carries out what the schedule decides.

use std::{
    cell::RefCell,
    future::poll_fn,
    rc::Rc,
    task::{Context, Poll},
};

use futures::{
    FutureExt, StreamExt,
    future::LocalBoxFuture,
    stream::{AbortHandle, Abortable, LocalBoxStream, SelectAll, abortable},
};
use rekindle_protocol::{
    api::{MAX_SELECTED_SESSIONS, paths},
    bytes::FederationId,
};

use super::{
    Form, Limits, Part, Progress,
    fetch::{Event, EventKind, fetch},
    schedule::{RequestId, Schedule},
    source::Source,
};
use crate::{
    federation::{FederationApi, GuardianFault, GuardianId, Guardians, random_u64},
    platform::{Runtime, Transport},
    sorted::SortedMap,
};

/// If nobody has looked for so many milliseconds, what is late may have arrived long ago.
const UNATTENDED_MS: u64 = 100;

/// A session in its turn, decoded but not verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamedPart {
    /// Who served it.
    pub guardian: GuardianId,
    /// Its encoded bytes; in a run of empty sessions, its share of them.
    pub bytes: usize,
    /// The session, in the form that was asked for.
    pub part: Part,
}

/// Sessions in order, from all guardians of a federation. See the [module](crate::stream) for how it works.
///
/// It works only while [`SessionStream::next`] is being awaited. Dropping it aborts all requests.
pub struct SessionStream {
    source: Source,
    federation: FederationId,
    urls: Vec<Option<String>>,
    transport: Rc<dyn Transport>,
    runtime: Rc<dyn Runtime>,
    guardians: Rc<RefCell<Guardians>>,
    schedule: Schedule<Part>,
    events: SelectAll<Abortable<LocalBoxStream<'static, Event>>>,
    handles: SortedMap<RequestId, AbortHandle>,
    /// When to look at the schedule again, and the timer for it.
    alarm: Option<(u64, LocalBoxFuture<'static, ()>)>,
    attended_at: u64,
}

impl SessionStream {
    /// A stream of the sessions `from` up to but not including `end`.
    pub fn new(api: &FederationApi, form: Form, from: u64, end: u64, limits: Limits) -> Self {
        Self::of(api, Source::History(form), from, end, limits)
    }

    /// A stream of the whole sessions with these numbers, which must rise. To the schedule they are numbered by their
    /// places: [`SessionStream::rewind`] takes one, and [`SessionStream::progress`] gives them.
    pub fn selected(api: &FederationApi, numbers: Rc<[u64]>) -> Self {
        let end = numbers.len() as u64;
        let limits = Limits {
            requests_per_guardian: 2,
            buffer_bytes: 8 << 20,
            segment_bytes: 1 << 20,
            segment_sessions: MAX_SELECTED_SESSIONS as u64,
            ..Limits::default()
        };
        Self::of(api, Source::Selection(numbers), 0, end, limits)
    }

    fn of(api: &FederationApi, source: Source, from: u64, end: u64, limits: Limits) -> Self {
        let count = GuardianId::try_from(api.config().guardian_count()).unwrap_or(GuardianId::MAX);
        SessionStream {
            source,
            federation: *api.federation(),
            urls: (0..count).map(|guardian| api.url(guardian)).collect(),
            transport: api.transport.clone(),
            runtime: api.runtime.clone(),
            guardians: api.guardians.clone(),
            schedule: Schedule::new(from, end, limits),
            events: SelectAll::new(),
            handles: SortedMap::new(),
            alarm: None,
            attended_at: api.runtime.now(),
        }
    }

    /// The next session; none when the end has been reached, until [`SessionStream::extend`] moves it.
    ///
    /// It waits as long as it takes: a federation that is down is asked again and again, ever more rarely.
    /// A session that is there is given without waiting, so a reader in a browser has to let the event loop
    /// turn from time to time. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<StreamedPart> {
        poll_fn(|context| self.poll_next(context)).await
    }

    /// Moves the end further.
    pub fn extend(&mut self, end: u64) {
        self.schedule.extend(end);
    }

    /// For a reader that found history broken: leaves `guardian` alone for a while, asks it past caches after
    /// that, and drops what it served and has not been delivered.
    pub fn penalise(&mut self, guardian: GuardianId, fault: &GuardianFault) {
        let mut guardians = self.guardians.borrow_mut();
        self.schedule.penalise(guardian, fault, self.runtime.now(), &mut guardians);
        guardians.keep_evidence(guardian, self.source.path(), &[]);
    }

    /// Goes back to `position`: what was delivered from there on is fetched again, past caches.
    pub fn rewind(&mut self, position: u64) {
        self.schedule.rewind(position);
    }

    /// How far it has come.
    pub fn progress(&self) -> Progress {
        self.schedule.report(self.runtime.now(), &self.guardians.borrow())
    }

    /// Takes in what arrives and asks for more while its reader waits for something else, until about so many bytes wait
    /// for their turn.
    pub fn fill(&mut self, bytes: usize, context: &mut Context<'_>) {
        while self.schedule.waiting_bytes() < bytes {
            let now = self.take_in(context);
            if self.schedule.is_finished() || !self.is_more(now, context) {
                return;
            }
        }
    }

    /// Whether a guardian is being asked.
    pub fn is_asking(&self) -> bool {
        !self.handles.is_empty()
    }

    /// [`SessionStream::next`] for whoever polls.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<StreamedPart>> {
        loop {
            let now = self.take_in(context);
            if let Some(ready) = self.schedule.pop() {
                let (guardian, bytes) = (ready.guardian, ready.bytes);
                return Poll::Ready(Some(StreamedPart { guardian, bytes, part: ready.payload }));
            }
            if self.schedule.is_finished() {
                return Poll::Ready(None);
            }
            if !self.is_more(now, context) {
                return Poll::Pending;
            }
        }
    }

    /// Takes in what has arrived and sends what is due. Gives the time.
    fn take_in(&mut self, context: &mut Context<'_>) -> u64 {
        while let Poll::Ready(Some(event)) = self.events.poll_next_unpin(context) {
            self.on_event(event);
        }
        let now = self.attend();
        self.dispatch(now);
        now
    }

    /// Whether there is more to take in or to send at once.
    fn is_more(&mut self, now: u64, context: &mut Context<'_>) -> bool {
        if self.poll_alarm(now, context).is_ready() {
            return true;
        }
        // Requests that were just made have not been polled yet.
        match self.events.poll_next_unpin(context) {
            Poll::Ready(Some(event)) => self.on_event(event),
            Poll::Ready(None) | Poll::Pending => return false,
        }
        true
    }

    /// The time, after forgiving guardians for what happened while nobody looked.
    fn attend(&mut self) -> u64 {
        let now = self.runtime.now();
        // The alarm wakes it in time unless its reader was busy elsewhere.
        let due = self.alarm.as_ref().map_or(self.attended_at, |(due, _)| (*due).max(self.attended_at));
        if now > due.saturating_add(UNATTENDED_MS) {
            self.schedule.forgive(now - self.attended_at);
        }
        self.attended_at = now;
        now
    }

    fn dispatch(&mut self, now: u64) {
        let mut guardians = self.guardians.borrow_mut();
        if self.schedule.has_expired(now) {
            self.schedule.expire(now, jitter(&*self.runtime), &mut guardians);
        }
        while let Some(start) = self.schedule.start(now, &mut guardians) {
            // Guardians without an address are never chosen.
            let url =
                self.urls.get(usize::from(start.guardian)).and_then(Option::as_deref).unwrap_or_default();
            let path = paths::in_version(self.source.path(), guardians.version(start.guardian));
            let url = format!("{url}{path}");
            let (events, handle) =
                abortable(fetch(self.transport.clone(), &self.source, self.federation, &url, &start));
            self.handles.insert(start.id, handle);
            self.events.push(events);
        }
        for id in self.schedule.take_aborted() {
            if let Some(handle) = self.handles.remove(&id) {
                handle.abort();
            }
        }
    }

    fn on_event(&mut self, Event { id, kind }: Event) {
        let now = self.runtime.now();
        let mut guardians = self.guardians.borrow_mut();
        let result = match kind {
            EventKind::Answered => {
                self.schedule.answered(id, now, &mut guardians);
                Ok(())
            }
            EventKind::Arrived { bytes, parts } => {
                self.schedule.progress(id, bytes, now);
                parts.into_iter().try_for_each(|(part, bytes)| {
                    let place = self.source.place(part.index());
                    self.schedule.take(id, place, bytes, part, now, &mut guardians)
                })
            }
            EventKind::Ended => {
                self.handles.remove(&id);
                self.schedule.end(id, now, &mut guardians)
            }
            EventKind::Failed(fault) => Err(fault),
        };
        let Err(fault) = result else { return };
        let at_fault = self.schedule.fail(id, &fault, now, jitter(&*self.runtime), &mut guardians);
        if let Some(guardian) = at_fault.filter(|_| fault.is_misbehaviour()) {
            guardians.keep_evidence(guardian, self.source.path(), &[]);
        }
        if let Some(handle) = self.handles.remove(&id) {
            handle.abort();
        }
    }

    fn poll_alarm(&mut self, now: u64, context: &mut Context<'_>) -> Poll<()> {
        let due = self.schedule.wake_at(now, &self.guardians.borrow());
        let is_set = self.alarm.as_ref().is_some_and(|(set, _)| *set > now && *set <= due);
        if !is_set {
            let runtime = self.runtime.clone();
            let milliseconds = due.saturating_sub(now).max(1);
            self.alarm = Some((due, async move { runtime.sleep(milliseconds).await }.boxed_local()));
        }
        let Some((_, alarm)) = &mut self.alarm else { return Poll::Pending };
        let rang = alarm.poll_unpin(context);
        if rang.is_ready() {
            self.alarm = None;
        }
        rang
    }
}

/// A number that spreads retries. Without randomness they still happen, in step with the clock.
fn jitter(runtime: &dyn Runtime) -> u64 {
    random_u64(runtime).unwrap_or_else(|_| runtime.now())
}
