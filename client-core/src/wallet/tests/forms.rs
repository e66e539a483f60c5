//! Recovery by the index and by whole sessions end in the same state.

use futures::StreamExt;
use proptest::{collection::vec, prelude::*};
use rekindle_protocol::{
    bytes::Hash,
    encoding::Canonical,
    ranges::{SessionRecord, write_record},
};

use super::*;
use crate::{
    platform::{Request, Response},
    recovery::RecoveryFromHistory,
    testing::meddler::{Meddler, binary},
};

/// Something that happens in a federation.
#[derive(Debug, Clone)]
pub(super) enum Event {
    /// The wallet gets money.
    Fund(u64),
    /// It makes a token.
    Send(u64),
    /// Somebody redeems the oldest token that is out.
    Redeem,
    /// The wallet takes the oldest token that is out back.
    Reclaim,
    /// It pays an issuer.
    Withdraw(u64),
    /// Others do something.
    Strangers(u8),
    /// Sessions without items pass.
    Silence(u8),
}

pub(super) fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        (1u64..500).prop_map(Event::Fund),
        (1u64..100).prop_map(Event::Send),
        Just(Event::Redeem),
        Just(Event::Reclaim),
        (1u64..50).prop_map(Event::Withdraw),
        (1u8..4).prop_map(Event::Strangers),
        (1u8..6).prop_map(Event::Silence),
    ]
}

/// Plays events, and gives the wallet to which they happened.
pub(super) async fn play(world: &World, events: Vec<Event>) -> Wallet {
    let (alice, bob) = (world.funded(1_000).await, world.funded(10).await);
    let mut out = Vec::new();
    for event in events {
        match event {
            Event::Fund(sats) => world.fund(&alice, sats).await,
            Event::Send(sats) => out.extend(alice.send(Amount(sats)).await),
            Event::Redeem if !out.is_empty() => drop(bob.redeem(&out.remove(0).token).await.unwrap()),
            Event::Reclaim if !out.is_empty() => drop(alice.reclaim(&out.remove(0).txid).await.unwrap()),
            Event::Redeem | Event::Reclaim => {}
            // Refused if it is more than there is.
            Event::Withdraw(sats) => drop(alice.withdraw(0, Amount(sats), Hash([1; 32])).await),
            Event::Strangers(count) => {
                for _ in 0..count {
                    world.fund(&bob, 3).await;
                }
            }
            Event::Silence(count) => {
                (0..count)
                    .for_each(|_| drop(world.guardians.with(|federation| federation.close(vec![]).clone())));
            }
        }
    }
    alice.catch_up().await.unwrap();
    alice
}

/// The numbers of the sessions that a request selects.
fn selected(request: &Request) -> Option<Vec<usize>> {
    let (_, query) = request.url.split_once("/v2/sessions/selected?")?;
    query.split_once("numbers=")?.1.split(',').map(|number| number.parse().ok()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn both_forms_of_history_bring_back_the_same(events in vec(any_event(), 0..12)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let world = World::new();
            let alice = play(&world, events).await;
            let words = alice.seed_words();

            let transport = Meddler::new(Rc::new(world.guardians.clone()), |_| None);
            let platform = Platform { transport: transport.clone(), ..world.platform() };
            let by_index = Wallet::recover(platform, &words, &world.invite).await.unwrap();
            finish(&by_index).await;
            let fetched: usize = transport.log().iter().filter_map(selected).map(|numbers| numbers.len()).sum();

            let by_sessions = Wallet::recover(world.platform(), &words, &world.invite).await.unwrap();
            by_sessions.read_every_session();
            finish(&by_sessions).await;

            let notes = |wallet: &Wallet| {
                wallet.with_live(|live| live.scanner.modules.mint.snapshot()).unwrap()
            };
            prop_assert!(notes(&by_index) == notes(&by_sessions));
            prop_assert_eq!(overview(&by_index), overview(&by_sessions));
            prop_assert_eq!(overview(&by_index).0, alice.balance());

            // What is fetched whole is what concerns the wallet: its own transactions, credits to it, spends of its
            // notes by others.
            let own = overview(&alice).1.len();
            prop_assert!(fetched >= own && fetched <= 3 * own + 1, "{fetched} of {own}");
            Ok(())
        })?;
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_dates_a_fetched_session_beyond_the_signed_ones_around_it() {
    let world = World::new();
    let alice = world.funded(1_000).await;
    let guardians = world.guardians.clone();
    let lying = Meddler::new(Rc::new(world.guardians.clone()), move |request| {
        let mut body = Vec::new();
        for number in selected(request)? {
            let mut session = guardians.with(|federation| federation.sessions[number].clone());
            session.header.time = u64::MAX;
            write_record(&SessionRecord::Session(session).to_bytes(), &mut body);
        }
        Some(binary(200, body))
    });
    let platform = Platform { transport: lying, ..world.platform() };
    let restored = Wallet::recover(platform, &alice.seed_words(), &world.invite).await.unwrap();
    finish(&restored).await;
    let last = world.guardians.with(|federation| federation.sessions.last().unwrap().header.time);
    let times: Vec<u64> = overview(&restored).1.iter().map(|entry| entry.time).collect();
    assert!(!times.is_empty() && times.iter().all(|time| *time <= last), "{times:?} after {last}");
}

#[tokio::test(start_paused = true)]
async fn whoever_forges_a_session_that_concerns_the_wallet_is_named_and_somebody_else_is_asked() {
    let world = World::new();
    let alice = world.funded(1_000).await;
    let guardians = world.guardians.clone();
    let lying = Meddler::new(Rc::new(world.guardians.clone()), move |request| {
        let numbers = selected(request).filter(|_| request.url.contains("guardian-0"))?;
        let mut body = Vec::new();
        for number in numbers {
            let mut session = guardians.with(|federation| federation.sessions[number].clone());
            // As if the wallet had never been paid.
            session.items.clear();
            write_record(&SessionRecord::Session(session).to_bytes(), &mut body);
        }
        Some(binary(200, body))
    });
    let platform = Platform { transport: lying, ..world.platform() };
    let restored = Wallet::recover(platform, &alice.seed_words(), &world.invite).await.unwrap();
    finish(&restored).await;
    assert_eq!(overview(&restored).0, alice.balance());
    let named: Vec<_> =
        restored.api().unwrap().evidence().into_iter().map(|lie| (lie.guardian, lie.code)).collect();
    assert_eq!(named, [(0, "history_invalid".into())]);
}

#[tokio::test(start_paused = true)]
async fn what_was_read_is_saved_though_nothing_more_comes() {
    let (world, restored) = stuck_in_the_middle().await;
    let saved = until(&world, || restored.recovery().is_some_and(|progress| progress.snapshots > 0));
    with_background(&restored, saved).await;
    let progress = restored.recovery().unwrap();
    assert!(progress.sessions_done > 0 && progress.state != RecoveryState::Done, "{progress:?}");
}

#[tokio::test(start_paused = true)]
async fn what_was_read_is_saved_at_once_for_a_page_that_is_hidden() {
    let (world, restored) = stuck_in_the_middle().await;
    let read = until(&world, || restored.recovery().is_some_and(|progress| progress.sessions_done > 0));
    let saved = async {
        read.await;
        assert_eq!(restored.recovery().unwrap().snapshots, 0);
        restored.save_soon();
        world.runtime.sleep(400).await;
    };
    with_background(&restored, saved).await;
    assert_eq!(restored.recovery().unwrap().snapshots, 1);
}

/// A recovery whose guardians give half of history and keep it waiting for the rest.
async fn stuck_in_the_middle() -> (World, Wallet) {
    let world = World::new();
    let alice = world.funded(1_000).await;
    world.guardians.with(|federation| (0..200).for_each(|_| drop(federation.close(vec![]).clone())));
    let stuck = Meddler::new(Rc::new(world.guardians.clone()), |request| {
        let (_, range) = request.url.split_once("/v2/recovery?from=")?;
        let from: u64 = range.split('&').next()?.parse().ok()?;
        let body = futures::stream::pending().boxed_local();
        (from >= 100).then(|| Response { body, ..binary(200, Vec::new()) })
    });
    let platform = Platform { transport: stuck, ..world.platform() };
    let restored = Wallet::recover(platform, &alice.seed_words(), &world.invite).await.unwrap();
    (world, restored)
}

async fn until(world: &World, condition: impl Fn() -> bool) {
    while !condition() {
        world.runtime.sleep(50).await;
    }
}
