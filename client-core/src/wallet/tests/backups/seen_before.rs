//! Whether a seed has been here before, and where else.

use super::*;

#[tokio::test(start_paused = true)]
async fn never_takes_as_many_guardians_as_there_are_honest_ones() {
    let world = world();
    let alice = backed_up(&world).await;
    let fresh = Wallet::create(world.platform()).await.unwrap();
    let ask = async |wallet: &Wallet| {
        let (transport, runtime) = (Rc::new(world.guardians.clone()), world.runtime.clone());
        Wallet::seen_before(transport, runtime, &wallet.seed_words(), &world.invite).await.unwrap()
    };
    assert_eq!(ask(&alice).await, SeenBefore::Seen);
    assert_eq!(ask(&fresh).await, SeenBefore::Never);
    // One guardian hides it, and another is down: a third still knows.
    replace(&world, 0, &alice, None);
    world.guardians.set(1, Behaviour::Down);
    assert_eq!(ask(&alice).await, SeenBefore::Seen);
    assert_eq!(ask(&fresh).await, SeenBefore::Never);
    world.guardians.set(2, Behaviour::Down);
    assert_eq!(ask(&fresh).await, SeenBefore::Unknown, "two of four are too few");
    // Guardians that keep no backups have never stored any, and say nothing.
    let world = World::new();
    let answer = Wallet::seen_before(
        Rc::new(world.guardians.clone()),
        world.runtime.clone(),
        &fresh.seed_words(),
        &world.invite,
    )
    .await;
    assert_eq!(answer, Ok(SeenBefore::Unknown));
    let wrong = Wallet::seen_before(
        Rc::new(world.guardians.clone()),
        world.runtime.clone(),
        "one two",
        &world.invite,
    )
    .await;
    assert_eq!(wrong.unwrap_err().code(), "words_count");
}

#[tokio::test(start_paused = true)]
async fn a_silent_guardian_does_not_delay_a_recovery_where_the_others_keep_no_backups() {
    let world = World::new();
    let alice = world.wallet().await;
    let began = world.runtime.now();
    drop(world.recover(&alice.seed_words()).await);
    let honest = world.runtime.now() - began;
    world.guardians.set(3, Behaviour::Silent);
    let began = world.runtime.now();
    drop(world.recover(&alice.seed_words()).await);
    let took = world.runtime.now() - began;
    assert!(took < honest + 3_000, "{took} ms, and {honest} with all guardians");
}

#[tokio::test(start_paused = true)]
async fn a_seed_that_was_here_before_is_not_taken_for_a_new_wallet() {
    let world = world();
    let platform = world.platform();
    let first = Wallet::create(platform.clone()).await.unwrap();
    // Somebody takes the words to another device before the first one joins.
    let second = world.recover(&first.seed_words()).await;
    world.fund(&second, 500).await;
    back_up(&second).await;
    first.join(&world.invite).await.unwrap();
    assert!(first.is_recovering());
    drop(first);
    let first = Wallet::open(platform).await.unwrap();
    finish(&first).await;
    assert_eq!(everything(&first), everything(&second));
}

#[tokio::test(start_paused = true)]
async fn a_backup_names_the_federations_that_the_seed_is_used_in() {
    let world = world();
    let alice = backed_up(&world).await;
    let own = alice.known_federations();
    assert!(own.len() == 1 && own[0] == world.invite);
    let other = InviteCode { federation: FederationId([7; 32]), ..InviteCode::parse(&world.invite).unwrap() };
    alice.remember_federation(&other.to_string()).await.unwrap();
    assert_eq!(alice.remember_federation("nonsense").await.unwrap_err().code(), "invite_invalid");
    back_up(&alice).await;
    let restored = world.recover(&alice.seed_words()).await;
    let known = restored.known_federations();
    assert!(
        known.len() == 2 && known.contains(&world.invite) && known.contains(&other.to_string()),
        "{known:?}"
    );
    // Nor does a device that never heard of it write it out again.
    world.fund(&restored, 1).await;
    back_up(&restored).await;
    let again = world.recover(&alice.seed_words()).await;
    assert_eq!(again.known_federations().len(), 2);
}
