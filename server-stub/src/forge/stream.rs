//! A stream of numbers that a seed decides, fast enough for millions of nonces.

use rekindle_protocol::{bytes::Tweak, schnorr};

/// An endless stream of bytes: BLAKE3 in extendable-output mode.
pub struct Stream(blake3::OutputReader);

impl Stream {
    /// The stream of a seed and a purpose.
    pub fn new(seed: u64, purpose: &str) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("rekindle 2026-11 forged history");
        hasher.update(&seed.to_le_bytes()).update(purpose.as_bytes());
        Self(hasher.finalize_xof())
    }

    /// The next `N` bytes.
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.fill(&mut bytes);
        bytes
    }

    /// A number below `limit`, or 0 if that is 0. Not quite uniform, which does not matter here.
    pub fn below(&mut self, limit: usize) -> usize {
        let number = u64::from_le_bytes(self.bytes());
        usize::try_from(number % (limit.max(1) as u64)).unwrap_or(0)
    }

    /// A fresh tweak.
    pub fn tweak(&mut self) -> Tweak {
        Tweak(self.bytes())
    }

    /// A secret key.
    pub fn key(&mut self) -> schnorr::SecretKey {
        loop {
            // Fails once in 2^128.
            if let Ok(key) = schnorr::SecretKey::from_bytes(&self.bytes()) {
                return key;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_and_purpose_decide_everything() {
        let draw = |seed, purpose| Stream::new(seed, purpose).bytes::<16>();
        assert_eq!(draw(1, "a"), draw(1, "a"));
        assert_ne!(draw(1, "a"), draw(2, "a"));
        assert_ne!(draw(1, "a"), draw(1, "b"));
        let mut stream = Stream::new(1, "a");
        assert!((0..100).all(|_| stream.below(7) < 7));
        assert_eq!(stream.below(0), 0);
    }
}
