//! Who a connection or request comes from.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use axum::http::HeaderMap;

/// Header in which proxies append the address they were asked from.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// The part of an address that tells clients apart: addresses of one IPv6 subscriber share a prefix of 64 bits.
pub fn subscriber(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() >> 64 << 64).into()),
        v4 => v4,
    }
}

/// The client behind `peer`: `peer` itself, unless it is one of our own proxies. Then it is the last address of
/// `X-Forwarded-For` that is none of them, the only one that the client can't have made up.
pub fn client(peer: IpAddr, headers: &HeaderMap, proxies: &[IpAddr]) -> IpAddr {
    let is_proxy = |address: &IpAddr| proxies.contains(&address.to_canonical());
    if !is_proxy(&peer) {
        return peer;
    }
    let lines = headers.get_all(FORWARDED_FOR).iter().rev().filter_map(|line| line.to_str().ok());
    let mut latest = peer;
    for text in lines.flat_map(|line| line.rsplit(',')) {
        let Ok(address) = text.trim().parse() else { break };
        latest = address;
        if !is_proxy(&address) {
            break;
        }
    }
    latest
}

/// How many connections each address has.
#[derive(Default)]
pub struct Occupied(Mutex<HashMap<IpAddr, usize>>);

/// A connection's place; dropping it gives it back.
pub struct Place {
    occupied: Arc<Occupied>,
    address: IpAddr,
}

impl Occupied {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<IpAddr, usize>> {
        // Nothing that holds the lock panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for one more connection of `address`, if it has fewer than `limit`.
    pub fn take(self: &Arc<Self>, address: IpAddr, limit: usize) -> Option<Place> {
        let address = subscriber(address);
        let mut occupied = self.lock();
        let count = occupied.entry(address).or_default();
        if *count >= limit {
            return None;
        }
        *count += 1;
        Some(Place { occupied: self.clone(), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut occupied = self.occupied.lock();
        if let Some(count) = occupied.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                occupied.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn forwarded(lines: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, line.parse().unwrap());
        }
        headers
    }

    #[test]
    fn only_our_own_proxies_are_believed() {
        let proxies = [ip("10.0.0.1"), ip("10.0.0.2")];
        let said = forwarded(&["6.6.6.6, 1.2.3.4"]);
        assert_eq!(client(ip("9.9.9.9"), &said, &proxies), ip("9.9.9.9"));
        assert_eq!(client(ip("10.0.0.1"), &said, &proxies), ip("1.2.3.4"));
        assert_eq!(client(ip("::ffff:10.0.0.1"), &said, &proxies), ip("1.2.3.4"), "the same address as IPv6");
        let chain = forwarded(&["6.6.6.6, 1.2.3.4", "10.0.0.2"]);
        assert_eq!(client(ip("10.0.0.1"), &chain, &proxies), ip("1.2.3.4"));
        for nonsense in [forwarded(&[]), forwarded(&["1.2.3.4, unknown"]), forwarded(&[""])] {
            assert_eq!(client(ip("10.0.0.1"), &nonsense, &proxies), ip("10.0.0.1"));
        }
    }

    #[test]
    fn an_address_has_so_many_places() {
        let occupied = Arc::new(Occupied::default());
        let first = occupied.take(ip("2001:db8::1"), 2);
        let second = occupied.take(ip("2001:db8::2"), 2);
        assert!(first.is_some() && second.is_some());
        assert!(occupied.take(ip("2001:db8::3"), 2).is_none(), "one subscriber");
        assert!(occupied.take(ip("2001:db8:0:1::1"), 2).is_some());
        drop(second);
        assert!(occupied.take(ip("2001:db8::3"), 2).is_some());
        drop(first);
        assert!(occupied.lock().is_empty(), "nothing is remembered of who is gone");
    }
}
