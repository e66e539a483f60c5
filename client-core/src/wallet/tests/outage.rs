//! Recovery while guardians serve nothing: little is asked, nothing verified is given up, and it goes on by itself.

use std::cell::Cell;

use super::*;
use crate::{
    platform::Request,
    testing::meddler::{Meddler, binary},
};

const MINUTE: u64 = 60_000;

/// The number that a request for a range of history begins with.
fn first_session(request: &Request) -> Option<u64> {
    let (_, range) = request.url.split_once("?from=")?;
    range.split('&').next()?.parse().ok()
}

/// What Alice's wallet owns in the end.
const SATS: u64 = 1_000 + CREDITS;
const CREDITS: u64 = 40;

/// A history in which many sessions concern Alice's wallet, spread evenly: credits of a sat that she has not claimed.
async fn history(world: &World) -> Wallet {
    let alice = world.funded(1_000).await;
    for _ in 0..CREDITS {
        world.guardians.with(|federation| (0..5).for_each(|_| drop(federation.close(vec![]).clone())));
        let address = DepositAddress::parse(&alice.deposit_address().unwrap()).unwrap();
        let credit = world.guardians.with(|federation| federation.credit(&address, 1));
        world.guardians.accept(credit);
    }
    alice
}

/// Guardians that answer what `turns_away` says with status 503 for as long as the switch is on.
fn busy(world: &World, turns_away: impl Fn(&Request) -> bool + 'static) -> (Rc<Meddler>, Rc<Cell<bool>>) {
    let switch = Rc::new(Cell::new(true));
    let on = switch.clone();
    let meddle = move |request: &Request| (on.get() && turns_away(request)).then(|| binary(503, Vec::new()));
    (Meddler::new(Rc::new(world.guardians.clone()), meddle), switch)
}

/// Waits until the wallet is whole and has claimed what was credited.
async fn recovered(world: &World, wallet: &Wallet, within_ms: u64) {
    let deadline = world.runtime.now() + within_ms;
    while wallet.is_recovering() || spendable(wallet) < SATS {
        assert!(world.runtime.now() < deadline, "{:?}", wallet.recovery());
        world.runtime.sleep(100).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_verified_is_saved_although_guardians_have_become_busy() {
    let world = World::new();
    let alice = history(&world).await;
    let total = world.guardians.with(|federation| federation.sessions.len() as u64);
    let (transport, busy) =
        busy(&world, move |request| first_session(request).is_some_and(|first| first >= total * 3 / 4));
    let platform = Platform { transport, ..world.platform() };
    let restored = Wallet::recover(platform, &alice.seed_words(), &world.invite).await.unwrap();
    let work = async {
        world.runtime.sleep(MINUTE / 2).await;
        let progress = restored.recovery().unwrap();
        assert!(progress.snapshots > 0, "{progress:?}");
        assert!(progress.sessions_done >= total / 2, "{progress:?}");
        busy.set(false);
        recovered(&world, &restored, 3 * MINUTE).await;
    };
    with_background(&restored, work).await;
    assert_eq!(spendable(&restored), SATS);
}

#[tokio::test(start_paused = true)]
async fn guardians_that_turn_everybody_away_see_a_trickle_until_they_serve_again() {
    let world = World::new();
    let alice = history(&world).await;
    let (transport, busy) = busy(&world, |_| true);
    busy.set(false);
    let platform = Platform { transport: transport.clone(), ..world.platform() };
    let restored = Wallet::recover(platform, &alice.seed_words(), &world.invite).await.unwrap();
    busy.set(true);
    let work = async {
        let mut per_minute = Vec::new();
        for _ in 0..10 {
            let before = transport.log().len();
            world.runtime.sleep(MINUTE).await;
            per_minute.push(transport.log().len() - before);
        }
        assert!(per_minute[0] <= 60 && per_minute[1..].iter().all(|asked| *asked <= 10), "{per_minute:?}");
        assert!(per_minute.iter().skip(1).sum::<usize>() > 0, "somebody must ask whether they are back");
        assert_eq!(restored.recovery().unwrap().state, RecoveryState::Waiting);
        busy.set(false);
        recovered(&world, &restored, 3 * MINUTE).await;
    };
    with_background(&restored, work).await;
    assert_eq!(spendable(&restored), SATS);
}
