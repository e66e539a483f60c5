//! How much one client and all together may ask for.

use std::{
    net::{IpAddr, Ipv4Addr},
    num::NonZeroUsize,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use lru::LruCache;

use super::addresses::subscriber;

/// Limits of the API. The defaults let a wallet recover at full speed and thousands of wallets idle.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Requests that one client address may send at once. What never changes costs a guardian little and counts
    /// [`UNCHANGING_COST`] of a request.
    pub burst: u32,
    /// Requests that it gets back each second.
    pub requests_per_second: u32,
    /// Requests that wait for something to happen, of all clients.
    pub long_polls: usize,
    /// Requests for signature shares that are worked on or wait for it, of all clients.
    pub signing_requests: usize,
    /// How many of them are worked on at the same time, each on a thread.
    pub signing_threads: usize,
    /// Bytes of answers that are held for clients to read them, of all clients.
    pub answer_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            burst: 5_000,
            requests_per_second: 1_000,
            long_polls: 2_000,
            signing_requests: 100,
            signing_threads: 2,
            answer_bytes: 256 << 20,
        }
    }
}

/// The address a request came from, as an extension of the request.
#[derive(Clone, Copy, Debug)]
pub struct ClientAddress(pub IpAddr);

impl Default for ClientAddress {
    /// For requests that came over no socket.
    fn default() -> Self {
        Self(Ipv4Addr::UNSPECIFIED.into())
    }
}

/// Most addresses that are remembered; the one that was silent for the longest is forgotten first.
const ADDRESSES: NonZeroUsize = NonZeroUsize::new(10_000).expect("not zero");

/// What an answer that never changes costs, in tokens.
pub const UNCHANGING_COST: f64 = 0.02;

/// Token buckets, one for each client address.
pub struct TokenBuckets {
    burst: f64,
    per_second: f64,
    buckets: Mutex<LruCache<IpAddr, Bucket>>,
}

#[derive(Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl TokenBuckets {
    /// Full buckets of `burst` tokens, to which `per_second` come back.
    pub fn new(burst: f64, per_second: f64) -> Self {
        Self { burst, per_second: per_second.max(0.001), buckets: Mutex::new(LruCache::new(ADDRESSES)) }
    }

    /// Takes so many tokens of `address`, or says how long it takes until they are there. Never more than a full bucket.
    ///
    /// # Errors
    /// That time.
    pub fn take(&self, address: IpAddr, tokens: f64, now: Instant) -> Result<(), Duration> {
        let (address, tokens) = (subscriber(address), tokens.min(self.burst));
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = buckets.get_or_insert_mut(address, || Bucket { tokens: self.burst, at: now });
        let earned = now.saturating_duration_since(bucket.at).as_secs_f64() * self.per_second;
        bucket.tokens = (bucket.tokens + earned).min(self.burst);
        bucket.at = now;
        if bucket.tokens >= tokens {
            bucket.tokens -= tokens;
            Ok(())
        } else {
            Err(Duration::from_secs_f64((tokens - bucket.tokens) / self.per_second))
        }
    }

    /// Gives part of a token back for a request that turned out to be cheap.
    pub fn give_back(&self, address: IpAddr, part: f64) {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = buckets.get_mut(&subscriber(address)) {
            bucket.tokens = (bucket.tokens + part).min(self.burst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_empties_and_fills_again_for_each_address() {
        let buckets = TokenBuckets::new(3.0, 2.0);
        let (one, other) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let start = Instant::now();
        for _ in 0..3 {
            assert_eq!(buckets.take(one, 1.0, start), Ok(()));
        }
        assert_eq!(buckets.take(one, 1.0, start), Err(Duration::from_millis(500)));
        assert_eq!(buckets.take(other, 1.0, start), Ok(()));
        let later = start + Duration::from_millis(500);
        assert_eq!(buckets.take(one, 1.0, later), Ok(()));
        assert!(buckets.take(one, 1.0, later).is_err());
        let much_later = start + Duration::from_secs(3600);
        assert!((0..3).all(|_| buckets.take(one, 1.0, much_later).is_ok()));
        assert!(buckets.take(one, 1.0, much_later).is_err(), "never more than the burst");
    }

    #[test]
    fn large_requests_take_many_tokens_and_never_more_than_there_can_be() {
        let buckets = TokenBuckets::new(10.0, 1.0);
        let (address, start) = (IpAddr::from([10, 0, 0, 1]), Instant::now());
        assert_eq!(buckets.take(address, 4.0, start), Ok(()));
        assert_eq!(buckets.take(address, 9.0, start), Err(Duration::from_secs(3)));
        assert_eq!(buckets.take(address, 50.0, start), Err(Duration::from_secs(4)));
        assert_eq!(buckets.take(address, 50.0, start + Duration::from_secs(4)), Ok(()));
        assert!(buckets.take(address, 1.0, start + Duration::from_secs(4)).is_err());
    }

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let buckets = TokenBuckets::new(1.0, 1.0);
        let (address, now) = (IpAddr::from([10, 0, 0, 1]), Instant::now());
        buckets.take(address, 1.0, now).unwrap();
        buckets.give_back(address, 1.0 - UNCHANGING_COST);
        let wait = buckets.take(address, 1.0, now).unwrap_err();
        assert!(wait < Duration::from_millis(30), "{wait:?}");
        buckets.give_back(address, 5.0);
        assert!(buckets.take(address, 1.0, now).is_ok());
        assert!(buckets.take(address, 1.0, now).is_err(), "never more than the burst");
    }

    #[test]
    fn neighbours_in_an_ipv6_network_share_a_bucket() {
        let buckets = TokenBuckets::new(1.0, 1_000.0);
        let now = Instant::now();
        assert!(buckets.take("2001:db8::1".parse().unwrap(), 1.0, now).is_ok());
        assert!(buckets.take("2001:db8::2".parse().unwrap(), 1.0, now).is_err());
        assert!(buckets.take("2001:db8:0:1::1".parse().unwrap(), 1.0, now).is_ok());
    }
}
