//! Verified history over guardians in memory.

use std::rc::Rc;

use rekindle_protocol::chain::ChainPosition;

use super::VerifiedHistory;
use crate::{
    federation::FederationApi,
    platform::Runtime,
    stream::Form,
    testing::{clock::VirtualRuntime, federation::TestFederation, guardians::TestGuardians},
};

const SESSIONS: u64 = 60;

/// Guardians who serve one session at a time, and a reader whose portions end as soon as they can.
fn begin() -> (TestGuardians, Rc<VirtualRuntime>, VerifiedHistory) {
    let runtime = Rc::new(VirtualRuntime::new(3));
    let mut federation = TestFederation::new(5, 4);
    let context = federation.context(&[2; 16]);
    for number in 0..SESSIONS {
        let tweak = federation.tweak();
        let address = context.secret.deposit_address(&context.federation, 1, tweak);
        let credit = federation.credit(&address, number + 1);
        federation.close(vec![credit]);
    }
    let config = Rc::new(federation.document.config.clone());
    let guardians = TestGuardians::new(federation, runtime.clone());
    guardians.serve_at_most(1);
    let urls = (0..4).map(|id| (id, format!("http://guardian-{id}")));
    let api = FederationApi::new(config, urls, Rc::new(guardians.clone()), runtime.clone()).unwrap();
    let (api, from) = (Rc::new(api), ChainPosition::GENESIS);
    let history = VerifiedHistory::new(context, api, runtime.clone(), Form::Index, from, SESSIONS, 1);
    (guardians, runtime, history)
}

#[tokio::test(start_paused = true)]
async fn reading_goes_on_while_a_portion_is_saved_and_costs_nothing_then() {
    let (guardians, runtime, mut history) = begin();
    history.next_portion(&mut |_| {}).await.unwrap().unwrap();
    let before = guardians.requests();
    // It lasts until more has been asked for, at most a second.
    let saved = Box::pin(async {
        for _ in 0..1_000 {
            if guardians.requests() >= before + 20 {
                return true;
            }
            runtime.sleep(1).await;
        }
        false
    });
    assert_eq!(history.meanwhile(saved).await, (true, 0), "nobody was asked meanwhile");
}

#[tokio::test(start_paused = true)]
async fn saving_a_portion_costs_the_time_in_which_nothing_could_arrive() {
    let (_, runtime, mut history) = begin();
    while history.next_portion(&mut |_| {}).await.unwrap().is_some() {}
    let saved = Box::pin(runtime.sleep(50));
    assert_eq!(history.meanwhile(saved).await, ((), 50));
}
