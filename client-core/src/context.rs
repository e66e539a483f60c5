//! What every part of a wallet knows of its federation and of itself.

use std::cell::{Cell, RefCell};

use rekindle_protocol::{
    bls::PublicKey,
    bytes::{FederationId, SchnorrKey, Tweak},
    config::{ClientConfig, ConfigError},
    modules::{deposit::DepositConfig, mint::MintConfig},
    ownership::WalletSecret,
    transaction::ModuleId,
};

use crate::sorted::SortedMap;

/// A federation's checked config and the wallet's secrets within it. Shared, and never changed but for one wish.
pub struct WalletContext {
    /// The hash of the config.
    pub federation: FederationId,
    /// The config.
    pub config: ClientConfig,
    /// The key that sessions are signed with.
    pub session_key: PublicKey,
    /// Number of the mint module.
    pub mint_id: ModuleId,
    /// The mint's denominations, keys and fees.
    pub mint: MintConfig,
    /// Number of the deposit module.
    pub deposit_id: ModuleId,
    /// The issuers and fees.
    pub deposit: DepositConfig,
    /// The wallet's secrets in this federation.
    pub secret: WalletSecret,
    /// Whether what was read is to be saved as soon as a signature vouches for it. The next portion of history fulfils it.
    pub save_soon: Cell<bool>,
    /// The nonces that were derived lately, by tweak and output.
    nonces: RefCell<SortedMap<Tweak, Vec<SchnorrKey>>>,
}

impl WalletContext {
    /// Puts the parts of a config where they are used. It was validated when the wallet joined: checking the points of
    /// all keys again would block a page for a tenth of a second whenever the wallet is opened.
    ///
    /// # Errors
    /// [`ConfigError`] for a config that no wallet can work with.
    pub fn new(config: ClientConfig, secret: WalletSecret) -> Result<Self, ConfigError> {
        let (mint_id, mint) = config.mint()?;
        let (deposit_id, deposit) = config.deposit()?;
        Ok(Self {
            federation: config.federation_id(),
            session_key: config.session_key()?,
            mint_id,
            mint,
            deposit_id,
            deposit,
            config,
            secret,
            save_soon: Cell::new(false),
            nonces: RefCell::default(),
        })
    }

    /// The nonce of the note that output `number` of the wallet's transaction with this tweak issues.
    ///
    /// To derive one takes longer than anything else that is done with a transaction, and whoever scans the index and whoever
    /// keeps the notes both need it: it is kept until [`WalletContext::forget_nonces`].
    pub fn nonce(&self, tweak: &Tweak, number: u8) -> SchnorrKey {
        let mut known = self.nonces.borrow_mut();
        let nonces = known.entry(*tweak).or_default();
        for missing in nonces.len()..=usize::from(number) {
            // Not above `number`.
            nonces.push(self.secret.output(self.mint_id, tweak, missing as u8).public_key());
        }
        nonces[usize::from(number)]
    }

    /// Forgets the nonces that were derived, so that they don't pile up.
    pub fn forget_nonces(&self) {
        *self.nonces.borrow_mut() = SortedMap::new();
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::federation::TestFederation;
    use rekindle_protocol::bytes::Tweak;

    #[test]
    fn nonces_are_the_same_kept_or_forgotten_and_in_any_order() {
        let context = TestFederation::new(1, 4).context(&[2; 16]);
        let derived =
            |tweak: &Tweak, number| context.secret.output(context.mint_id, tweak, number).public_key();
        for (tweak, number) in [(1, 3), (1, 0), (2, 0), (1, 4), (2, 255), (2, 3)] {
            let tweak = Tweak([tweak; 16]);
            assert_eq!(context.nonce(&tweak, number), derived(&tweak, number));
        }
        let kept = || context.nonces.borrow().values().map(Vec::len).sum::<usize>();
        assert_eq!(kept(), 5 + 256);
        context.forget_nonces();
        assert_eq!(kept(), 0);
        assert_eq!(context.nonce(&Tweak([1; 16]), 1), derived(&Tweak([1; 16]), 1));
    }
}
