//! The suite for [`Runtime`].

use futures::future::{Either, join, select};
use futures::pin_mut;

use crate::platform::Runtime;

/// Panics unless `runtime` keeps time, sleeps, cancels sleeps and gives fresh randomness.
pub async fn runtime_conformance(runtime: &dyn Runtime) {
    clock_is_plausible(runtime);
    sleeps_at_least_as_long_as_asked(runtime).await;
    shorter_sleeps_end_first(runtime).await;
    sleeps_run_side_by_side(runtime).await;
    randomness_is_fresh(runtime);
}

fn clock_is_plausible(runtime: &dyn Runtime) {
    const YEAR_2024: u64 = 1_704_067_200_000;
    const YEAR_2200: u64 = 7_258_118_400_000;
    let now = runtime.now();
    assert!((YEAR_2024..YEAR_2200).contains(&now), "now is in milliseconds since 1970, got {now}");
}

async fn sleeps_at_least_as_long_as_asked(runtime: &dyn Runtime) {
    let before = runtime.now();
    runtime.sleep(0).await;
    runtime.sleep(50).await;
    // Clocks and timers of a platform may round differently by a few milliseconds.
    assert!(runtime.now() - before >= 45, "a sleep ended early");
}

async fn shorter_sleeps_end_first(runtime: &dyn Runtime) {
    let long = runtime.sleep(60_000);
    let short = runtime.sleep(5);
    pin_mut!(long, short);
    // The long one is dropped here: a platform that cannot cancel would fire it much later.
    assert!(matches!(select(long, short).await, Either::Right(_)), "the longer sleep ended first");
}

async fn sleeps_run_side_by_side(runtime: &dyn Runtime) {
    let before = runtime.now();
    let pairs = (0..16).map(|_| join(runtime.sleep(100), runtime.sleep(100)));
    futures::future::join_all(pairs).await;
    assert!(runtime.now() - before < 1_600, "concurrent sleeps waited for each other");
}

fn randomness_is_fresh(runtime: &dyn Runtime) {
    let mut first = [0; 32];
    let mut second = [0; 32];
    runtime.random(&mut first).expect("a platform under test has randomness");
    runtime.random(&mut second).expect("a platform under test has randomness");
    assert_ne!(first, second);
    assert_ne!(first, [0; 32]);
    runtime.random(&mut []).expect("no bytes are always to be had");
    // More than the 65,536 bytes that a browser gives in one call.
    let mut large = vec![0; 100_000];
    runtime.random(&mut large).expect("a platform under test has randomness");
    assert!(large[99_000..].iter().any(|byte| *byte != 0));
}
