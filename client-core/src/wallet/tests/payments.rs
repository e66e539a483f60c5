//! Money moves, whatever input or crash comes.

use rekindle_protocol::{
    api::{Rejection, RejectionReason, TransactionStatus},
    bytes::Hash,
    encoding::Canonical,
    transaction::Transaction,
};

use super::*;
use crate::testing::meddler::{Meddler, binary};

#[tokio::test(start_paused = true)]
async fn money_comes_in_moves_and_comes_back() {
    let world = World::new();
    let (alice, bob) = (world.funded(1_000).await, world.wallet().await);
    assert_eq!(spendable(&alice), 1_000);

    let sent = alice.send(Amount(300)).await.unwrap();
    assert_eq!(alice.balance(), Balance { spendable: 700, pending: 0, outstanding: 300 });
    assert_eq!(bob.redeem(&sent.token).await.unwrap().sats, 300);
    assert_eq!(spendable(&bob), 300);
    assert_eq!(bob.redeem(&sent.token).await.unwrap_err(), WalletError::TokenSpent.into());

    let kept = alice.send(Amount(50)).await.unwrap();
    alice.catch_up().await.unwrap();
    assert_eq!(alice.balance(), Balance { spendable: 650, pending: 0, outstanding: 50 });

    // The words alone bring all of it back: balance, what is out, history.
    let restored = world.recover(&alice.seed_words()).await;
    assert_eq!(overview(&restored), overview(&alice));
    assert_eq!(restored.outstanding()[0].token, Some(kept.token.clone()));
    assert_eq!(restored.reclaim(&kept.txid).await.unwrap().sats, 50);
    assert_eq!(restored.balance(), Balance { spendable: 700, pending: 0, outstanding: 0 });
    assert_eq!(bob.redeem(&kept.token).await.unwrap_err(), WalletError::TokenSpent.into());

    // The first device finds out by following history.
    alice.catch_up().await.unwrap();
    alice.complete_notes(None).await.unwrap();
    assert_eq!(alice.balance(), restored.balance());
}

#[tokio::test(start_paused = true)]
async fn bad_input_gets_a_code_and_costs_nothing() {
    let world = World::new();
    let wallet = world.funded(100).await;
    let code = |result: WalletResult<SentToken>| result.err().map(|error| error.code());
    assert_eq!(code(wallet.send(Amount(0)).await), Some("amount_invalid"));
    assert_eq!(code(wallet.send(Amount(101)).await), Some("insufficient_balance"));
    assert_eq!(code(wallet.send(Amount(u64::MAX)).await), Some("amount_too_large"));
    assert_eq!(wallet.redeem("hello").await.unwrap_err().code(), "token_invalid");
    assert_eq!(wallet.redeem(&world.invite).await.unwrap_err().code(), "token_invalid");
    assert_eq!(wallet.join("rekindle1nonsense").await.unwrap_err().code(), "invite_invalid");

    let elsewhere = World {
        guardians: TestGuardians::new(TestFederation::new(2, 4), world.runtime.clone()),
        ..World::new()
    };
    let other = elsewhere.guardians.with(|federation| federation.id());
    let invite = InviteCode { federation: other, ..InviteCode::parse(&world.invite).unwrap() }.to_string();
    assert_eq!(wallet.join(&invite).await.unwrap_err().code(), "already_joined");
    let fresh = Wallet::create(world.platform()).await.unwrap();
    assert_eq!(fresh.join(&invite).await.unwrap_err().code(), "config_mismatch");
    assert_eq!(fresh.deposit_address().unwrap_err().code(), "not_joined");

    let words = wallet.seed_words();
    for (words, code) in [("one two", "words_count"), (&*words.replacen(' ', " zzz", 1), "words_unknown")] {
        let result = Wallet::recover(world.platform(), words, &world.invite).await;
        assert_eq!(result.err().map(|error| error.code()), Some(code));
    }
    assert_eq!(wallet.balance(), Balance { spendable: 100, pending: 0, outstanding: 0 });
}

#[tokio::test(start_paused = true)]
async fn a_token_of_which_a_note_is_spent_brings_in_the_rest() {
    let world = World::new();
    let (alice, bob) = (world.funded(1_000).await, world.wallet().await);
    let sent = alice.send(Amount(0b101)).await.unwrap();
    let mut part = crate::modules::mint::Token::parse(&sent.token).unwrap();
    part.notes.truncate(1);
    // Notes come in the order of their nonces.
    let first = part.notes[0].denomination.amount().unwrap().sats();
    assert_eq!(bob.redeem(&part.to_text()).await.unwrap().sats, first);
    assert_eq!(bob.redeem(&sent.token).await.unwrap().sats, 0b101 - first);
    assert_eq!(spendable(&bob), 5);
}

#[tokio::test(start_paused = true)]
async fn what_a_crash_interrupted_goes_on() {
    let world = World::new();
    let (alice, platform) = (world.funded(1_000).await, world.platform());
    let bob = Wallet::create(platform.clone()).await.unwrap();
    bob.join(&world.invite).await.unwrap();
    let sent = alice.send(Amount(77)).await.unwrap();

    for guardian in 0..4 {
        world.guardians.set(guardian, Behaviour::Down);
    }
    assert_eq!(bob.redeem(&sent.token).await.unwrap_err().code(), "federation_unreachable");
    assert_eq!(bob.balance(), Balance { spendable: 0, pending: 77, outstanding: 0 });
    drop(bob);
    for guardian in 0..4 {
        world.guardians.set(guardian, Behaviour::Honest);
    }
    let bob = Wallet::open(platform).await.unwrap();
    assert_eq!(bob.balance().pending, 77);
    let redeemed = async {
        while spendable(&bob) < 77 {
            bob.breathe().await;
        }
    };
    with_background(&bob, redeemed).await;
    assert_eq!(bob.balance(), Balance { spendable: 77, pending: 0, outstanding: 0 });
}

#[tokio::test(start_paused = true)]
async fn a_payment_that_nobody_answered_is_not_to_be_repeated() {
    let world = World::new();
    let alice = world.funded(1_000).await;
    let sent = alice.send(Amount(100)).await.unwrap();
    let behave = |behaviour: Behaviour| (0..4).for_each(|guardian| world.guardians.set(guardian, behaviour));
    behave(Behaviour::Down);
    let (send, reclaim) =
        (alice.send(Amount(10)).await.err().unwrap(), alice.reclaim(&sent.txid).await.unwrap_err());
    for error in [&send, &reclaim] {
        assert_eq!((error.code(), error.retryable()), ("under_way", false), "{error}");
    }
    behave(Behaviour::Honest);
    assert_eq!(alice.resume().await, Ok(()));
    assert_eq!(alice.balance(), Balance { spendable: 990, pending: 0, outstanding: 10 });
}

#[tokio::test(start_paused = true)]
async fn what_nobody_signs_rejects_nothing() {
    let world = World::new();
    let alice = world.funded(1_000).await;
    world.guardians.set(0, Behaviour::Refuse);
    alice.send(Amount(10)).await.unwrap();
    for guardian in 0..4 {
        world.guardians.set(guardian, Behaviour::Refuse);
    }
    let began = world.runtime.now();
    let error = alice.send(Amount(10)).await.err().unwrap();
    assert!(matches!(&*error, WalletError::UnderWay { cause, .. } if **cause == WalletError::Undecided));
    assert!(world.runtime.now() - began < 1_000, "guardians that know nothing of it are not waited for");
    // It is kept, and goes on when they think better of it.
    for guardian in 0..4 {
        world.guardians.set(guardian, Behaviour::Honest);
    }
    assert_eq!(alice.resume().await, Ok(()));
    assert_eq!(alice.balance(), Balance { spendable: 980, pending: 0, outstanding: 20 });
}

#[tokio::test(start_paused = true)]
async fn what_is_falsely_said_to_be_impossible_is_not_paid_again() {
    let world = World::new();
    let alice = world.funded(1_000).await;
    // Whoever stands in front of the guardians passes a payment on, and says that a signed session rules it out.
    let guardians = world.guardians.clone();
    let proxy = Meddler::new(Rc::new(world.guardians.clone()), move |request| {
        let body = request.body.as_ref().filter(|_| request.url.ends_with("/transactions"))?;
        guardians.accept(Transaction::from_bytes(&body.bytes).ok()?);
        let reason = RejectionReason::AlreadySpent { input: 0, session: 0 };
        let rejected = TransactionStatus::Rejected(Rejection { reason, detail: String::new() });
        Some(binary(200, rejected.to_bytes()))
    });
    let platform = Platform { transport: proxy, ..alice.platform().clone() };
    let alice = Wallet::open(platform).await.unwrap();
    assert!(alice.withdraw(0, Amount(40), Hash([7; 32])).await.is_ok());
    alice.catch_up().await.unwrap();
    assert_eq!(alice.balance(), Balance { spendable: 960, ..Balance::default() });
}

#[tokio::test(start_paused = true)]
async fn what_enough_guardians_sign_is_rejected() {
    let world = World::new();
    let alice = world.funded(1_000).await;
    let unbalanced = Rejection { reason: RejectionReason::Unbalanced, detail: String::new() };
    world.guardians.judge_by(Rc::new(move |_, _| Err(unbalanced.clone())));
    assert_eq!(alice.send(Amount(10)).await.err().map(|error| error.code()), Some("rejected"));
    assert_eq!(alice.balance().outstanding, 10, "it is kept");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_pending_any_more_was_accepted_unless_it_was_seen_to_be_impossible() {
    let world = World::new();
    let alice = world.funded(1_000).await;
    let restored = world.recover(&alice.seed_words()).await;
    // Both devices spend the same notes; one of them finds out by a signed session.
    let first = alice.send(Amount(600)).await.unwrap();
    let tweak = restored.fresh_tweak().unwrap();
    let spent = restored
        .with_live(|live| live.spendable().map(|(_, note)| note.clone()).collect::<Vec<_>>())
        .unwrap();
    let context = restored.context().unwrap();
    let mut update = restored.update().await.unwrap();
    let mut spends = draft::Spends::default();
    for note in &spent {
        spends.note(&context, note).unwrap();
    }
    let memo = MemoContent {
        kind: OperationKind::Send,
        amount: Amount(1_000),
        token_outputs: 0,
        reference: rekindle_protocol::bytes::Hash([0; 32]),
    };
    let transaction = draft::build(&context, tweak, spends, &[], None, Amount(1_000), &memo).unwrap();
    let (kind, amount, incoming) = (memo.kind, memo.amount, Amount(0));
    let pending = pending::Pending { transaction, kind, amount, incoming, time: 0, received: None };
    let impossible = update.live.add_pending(pending, &mut update.batch);
    update.commit().await.unwrap();
    restored.catch_up().await.unwrap();
    assert_eq!(restored.submit(&impossible).await, Ok(submit::Outcome::Conflict));
    assert_eq!(restored.submit(&first.txid).await, Ok(submit::Outcome::Accepted));
    // Without a history of operations nothing is paid again.
    let mut update = restored.update().await.unwrap();
    update.live.scanner.modules.operations = crate::modules::operations::Operations::default();
    update.live.store_scanner(&mut update.batch);
    update.commit().await.unwrap();
    assert_eq!(restored.submit(&first.txid).await, Ok(submit::Outcome::Accepted));
}

#[tokio::test(start_paused = true)]
async fn what_another_device_made_and_this_one_spent_first_stays_spent() {
    let world = World::new();
    let alice = world.funded(1_000).await;
    let other = world.recover(&alice.seed_words()).await;
    // One device makes a token, and the other redeems it before it has seen that it was its own seed's.
    let sent = alice.send(Amount(93)).await.unwrap();
    other.redeem(&sent.token).await.unwrap();
    for wallet in [&alice, &other] {
        wallet.catch_up().await.unwrap();
        wallet.complete_notes(None).await.unwrap();
        assert_eq!(wallet.balance(), Balance { spendable: 1_000, pending: 0, outstanding: 0 });
    }
    assert_eq!(overview(&alice), overview(&other));
}
