//! How everything a wallet owns follows from its seed words, so that the words bring everything back.
//!
//! The words (BIP-39) give a root secret; with a federation's id it gives the wallet's secret there. From that:
//! the view key, which finds the wallet's transactions by their tags; the keys that seal memos; and, with a
//! transaction's tweak and an output's number, the secrets of that output. There are no counters: two devices
//! on one seed draw different tweaks and never collide. The keys of the wallet's backup at the guardians follow from
//! the same secret.

mod backup;
mod memo;
mod seed;
mod word_list;

use core::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{
    bls::BlindingFactor,
    bytes::{FederationId, SchnorrKey, Tag, Tweak},
    hash::Context,
    modules::deposit::DepositAddress,
    schnorr,
    transaction::ModuleId,
};

pub use memo::{MemoContent, OperationKind};
pub use seed::{SeedError, SeedWords};

/// A wallet's secrets within one federation. Erased when dropped, and shown to nobody.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct WalletSecret {
    secret: [u8; 32],
    view_key: [u8; 32],
}

impl fmt::Debug for WalletSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WalletSecret(..)")
    }
}

/// The secrets of one output: the key that will spend it and, for notes, the factor that blinds its nonce.
pub struct OutputSecret {
    /// Spends the note or claims the credit. Its public key is the note's nonce or the claim key.
    pub key: schnorr::SecretKey,
    /// Blinds the nonce when the note is issued.
    pub blinding: BlindingFactor,
}

impl OutputSecret {
    /// The note's nonce or the claim key.
    pub fn public_key(&self) -> SchnorrKey {
        self.key.public_key()
    }
}

impl WalletSecret {
    /// The secrets of the wallet with this root secret in this federation.
    pub fn new(root: &[u8; 32], federation: &FederationId) -> Self {
        let mut secret = Context::WalletSecret.hash(&[root, &federation.0]).0;
        let view_key = Context::ViewKey.hash(&[&secret]).0;
        let wallet = Self { secret, view_key };
        secret.zeroize();
        wallet
    }

    /// The tag by which this wallet finds the transaction with this tweak.
    pub fn tag(&self, tweak: &Tweak) -> Tag {
        let hash = blake3::keyed_hash(&self.view_key, &tweak.0);
        let bytes = hash.as_bytes();
        Tag([bytes[0], bytes[1]])
    }

    /// The secrets of output number `output` of the transaction with this tweak.
    pub fn output(&self, module: ModuleId, tweak: &Tweak, output: u8) -> OutputSecret {
        let mut stream = Context::OutputSecret
            .hasher()
            .update(&self.secret)
            .update(&module.to_le_bytes())
            .update(&tweak.0)
            .update(&[output])
            .finalize_xof();
        let mut wide = Zeroizing::new([0; 64]);
        stream.fill(&mut *wide);
        let blinding = BlindingFactor::from_wide_bytes(&wide);
        OutputSecret { key: secret_key(&mut stream), blinding }
    }

    /// The deposit address with this tweak.
    pub fn deposit_address(
        &self,
        federation: &FederationId,
        module: ModuleId,
        tweak: Tweak,
    ) -> DepositAddress {
        DepositAddress {
            federation: DepositAddress::federation_prefix(federation),
            tweak,
            tag: self.tag(&tweak),
            claim_key: self.output(module, &tweak, 0).public_key(),
        }
    }
}

/// The secret key that the next bytes of `stream` make.
fn secret_key(stream: &mut blake3::OutputReader) -> schnorr::SecretKey {
    let mut scalar = Zeroizing::new([0; 32]);
    loop {
        stream.fill(&mut *scalar);
        // All but one in 2^128 are keys; the next bytes of the stream stand in for that one.
        if let Ok(key) = schnorr::SecretKey::from_bytes(&scalar) {
            return key;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FEDERATION: FederationId = FederationId([1; 32]);

    #[test]
    fn everything_derives_again_and_nothing_repeats() {
        let wallet = WalletSecret::new(&[1; 32], &FEDERATION);
        let again = WalletSecret::new(&[1; 32], &FEDERATION);
        let tweak = Tweak([2; 16]);
        assert_eq!(wallet.tag(&tweak), again.tag(&tweak));
        let key =
            |wallet: &WalletSecret, module, tweak, output| wallet.output(module, &tweak, output).public_key();
        assert_eq!(key(&wallet, 0, tweak, 0), key(&again, 0, tweak, 0));
        let elsewhere = WalletSecret::new(&[1; 32], &FederationId([9; 32]));
        let others = [
            key(&wallet, 0, tweak, 1),
            key(&wallet, 1, tweak, 0),
            key(&wallet, 0, Tweak([3; 16]), 0),
            key(&elsewhere, 0, tweak, 0),
            key(&WalletSecret::new(&[2; 32], &FEDERATION), 0, tweak, 0),
        ];
        for other in others {
            assert_ne!(key(&wallet, 0, tweak, 0), other);
        }
    }

    #[test]
    fn a_deposit_address_is_found_and_claimed_by_its_owner() {
        let wallet = WalletSecret::new(&[1; 32], &FEDERATION);
        let address = wallet.deposit_address(&FEDERATION, 1, Tweak([7; 16]));
        assert_eq!(address.tag, wallet.tag(&address.tweak));
        assert_eq!(address.claim_key, wallet.output(1, &address.tweak, 0).public_key());
    }
}
